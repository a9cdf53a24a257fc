from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import sys
import tarfile
import types
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.data.base import Dataset, load_dataset
from ganzoo.errors import GanzooError

CLASSES = ("angry", "happy", "sad", "surprise")
EMOTION_NUMBERS = {"angry": 0, "disgust": 1, "fear": 2, "happy": 3, "sad": 4, "surprise": 5, "neutral": 6}
PREFIXES = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
Face = tuple[str, str, int]  # part, class, seed of the pixels


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def faces(classes: tuple[str, ...] = CLASSES, parts: tuple[str, ...] = ("train", "val", "test"), each: int = 3) -> list[Face]:
    """Distinct faces, the same for the same part and class whatever else is asked for."""
    return [
        (part, class_name, 1000 * list(PREFIXES).index(part) + 100 * EMOTION_NUMBERS[class_name] + number)
        for part in parts
        for class_name in classes
        for number in range(each)
    ]


def picture_files(wanted: list[Face], prefix: bool = True) -> dict[str, bytes]:
    """Kaggle's names of the faces and their contents; PNG, so that pixels survive."""
    return {
        f"{'train' if part == 'train' else 'test'}/{name}/{PREFIXES[part] + '_' if prefix else part}{seed}.png": png(pixels(seed))
        for part, name, seed in wanted
    }


def write_folders(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_zip(path: Path, files: dict[str, bytes], above: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(above + name, content)
    return path


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def csv_row(face: Face, usage: bool = True) -> str:
    part, class_name, seed = face
    numbers = " ".join(str(value) for value in pixels(seed).ravel())
    return f"{EMOTION_NUMBERS[class_name]},{numbers}" + (f",{PREFIXES[part]}" if usage else "")


def fer2013_csv(wanted: list[Face]) -> str:
    return "\n".join(["emotion,pixels,Usage", *(csv_row(face) for face in wanted)]) + "\n"


def icml_csv(wanted: list[Face]) -> str:
    rows = ["emotion, Usage, pixels"]
    for face in wanted:
        emotion, numbers, usage = csv_row(face).split(",")
        rows.append(f"{emotion}, {usage}, {numbers}")
    return "\n".join(rows) + "\n"


def load(root: Path, name: str = "fer4", **options: object) -> Dataset:
    return load_dataset(name, root=root, **options)  # type: ignore[arg-type]  # options are spelled out by each test


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("GANZOO_DATA", raising=False)


def folders_at_root(root: Path) -> None:
    write_folders(root, picture_files(faces()))


def folders_capitalised_below(root: Path) -> None:
    for name, content in picture_files(faces()).items():
        part, class_name, file_name = name.split("/")
        write_folders(root / "fer2013", {f"{part.title()}/{class_name.title()}/{file_name}": content})


def one_zip(root: Path) -> None:
    write_zip(root / "archive.zip", picture_files(faces()), above="fer2013/")


def complementing_zips(root: Path) -> None:
    write_zip(root / "b.zip", picture_files(faces(("angry", "happy"))))
    write_zip(root / "a.zip", picture_files(faces(("sad", "surprise"))))
    write_zip(root / "other.zip", {"readme.txt": b"nothing of FER"})


def overlapping_zips(root: Path) -> None:
    write_zip(root / "sub" / "whole.zip", picture_files(faces()))
    write_zip(root / "sub" / "half.zip", picture_files(faces(("angry", "happy"))))


def plain_csv(root: Path) -> None:
    (root / "fer2013.csv").write_text(fer2013_csv(faces()))


def spaced_csv(root: Path) -> None:
    (root / "icml_face_data.csv").write_text(icml_csv(faces()))


def zipped_csv(root: Path) -> None:
    write_zip(root / "challenges.zip", {"fer2013/fer2013.csv": fer2013_csv(faces()).encode()})


FORMS: dict[Callable[[Path], None], str] = {
    folders_at_root: "folders",
    folders_capitalised_below: "folders",
    one_zip: "zipped folders",
    complementing_zips: "zipped folders",
    overlapping_zips: "zipped folders",
    plain_csv: "csv",
    spaced_csv: "csv",
    zipped_csv: "zipped csv",
}


@pytest.mark.parametrize("write", FORMS, ids=lambda write: write.__name__)
def test_every_form_gives_the_same_faces_in_the_official_parts(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path)
    dataset = load(tmp_path)
    assert dataset.facts["form"] == FORMS[write]
    assert dataset.class_names == CLASSES
    assert dataset.judge_family == "fer"
    for part in PREFIXES:
        split = dataset.splits[part]
        expected = np.stack([pixels(seed) for _, _, seed in faces(parts=(part,))])
        assert split.images.dtype == torch.uint8 and split.images.shape == (12, 1, 48, 48)
        assert np.array_equal(split.images[:, 0].numpy(), expected)
        assert split.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
        assert len(split.names) == 12
    assert dataset.facts["counts"] == {part: [3, 3, 3, 3] for part in PREFIXES}
    assert dataset.facts["split_rule"] == "the source's own parts"


def test_fer7_has_seven_classes_in_alphabetical_order(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_text(fer2013_csv(faces(tuple(EMOTION_NUMBERS))))
    dataset = load(tmp_path, "fer7")
    assert dataset.class_names == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    neutral = dataset.train.images[dataset.train.labels == 4]
    assert np.array_equal(neutral[0, 0].numpy(), pixels(600))
    assert dataset.facts["expected_train_counts"] == [3995, 436, 4097, 7215, 4965, 4830, 3171]


def test_facts_say_that_a_partial_set_is_partial_and_name_the_files(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "some.zip", picture_files(faces()))
    facts = load(tmp_path).facts
    assert facts["expected_train_counts"] == [3995, 7215, 4830, 3171]
    assert facts["train_counts_match"] is False
    assert facts["files"] == [{"name": "some.zip", "bytes": path.stat().st_size}]
    assert str(tmp_path) not in repr(facts)


def test_the_full_training_counts_are_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders_at_root(tmp_path)
    monkeypatch.setattr("ganzoo.data.fer.FULL_TRAIN_COUNTS", dict.fromkeys(CLASSES, 3))
    assert load(tmp_path).facts["train_counts_match"] is True


def test_folders_win_over_a_csv_only_when_they_have_every_class(tmp_path: Path) -> None:
    write_folders(tmp_path, picture_files(faces(("angry",))))
    plain_csv(tmp_path)
    dataset = load(tmp_path)
    assert dataset.facts["form"] == "csv" and dataset.facts["other_forms_present"] == ["folders"]
    folders_at_root(tmp_path)
    dataset = load(tmp_path)
    assert dataset.facts["form"] == "folders" and dataset.facts["other_forms_present"] == ["csv"]


@pytest.mark.parametrize("prefix", [True, False])
def test_one_held_out_part_is_split_by_pixels(tmp_path: Path, prefix: bool) -> None:
    files = picture_files(faces(parts=("train", "val"), each=40), prefix=prefix)
    copies = {name.replace(".png", "_copy.png"): content for name, content in files.items() if name.startswith("test/")}
    dataset = load(write_folders(tmp_path, files | copies))
    val, test = ({image.numpy().tobytes() for image in split.images} for split in (dataset.val, dataset.test))
    assert not val & test
    assert len(val) + len(test) == 160 and 55 < len(val) < 105
    assert len(dataset.val) == 2 * len(val) and len(dataset.test) == 2 * len(test)
    assert dataset.facts["split_rule"].startswith("the one held-out part split")
    assert dataset.facts["parts_told_by"] == ("file names" if prefix else "folders")
    assert load(tmp_path, cache=False).content_hash == dataset.content_hash


def test_csv_without_usage_is_split_by_pixels(tmp_path: Path) -> None:
    rows = ["emotion,pixels", *(csv_row(face, usage=False) for face in faces(parts=("train",), each=60))]
    (tmp_path / "fer2013.csv").write_text("\n".join(rows))
    dataset = load(tmp_path)
    assert 160 < len(dataset.train) < 220 and len(dataset.val) > 8 and len(dataset.test) > 8
    assert dataset.facts["split_rule"].startswith("parts unknown")
    assert dataset.facts["parts_told_by"] == "no Usage column: split by pixel hash"
    plain_csv(tmp_path)
    assert load(tmp_path).facts["parts_told_by"] == "Usage column"


def test_images_are_resized_on_request(tmp_path: Path) -> None:
    folders_at_root(tmp_path)
    small = load(tmp_path, image_size_px=24)
    assert small.image_size_px == 24
    reference = Image.fromarray(pixels(0)).resize((24, 24), Image.Resampling.BILINEAR)
    assert np.abs(small.train.images[0, 0].numpy().astype(int) - np.asarray(reference, dtype=int)).max() <= 1
    assert small.content_hash != load(tmp_path).content_hash


def test_clean_drops_what_it_says(tmp_path: Path) -> None:
    files = picture_files(faces())
    face = {name: files[f"train/{name}/Training_{100 * EMOTION_NUMBERS[name]}.png"] for name in CLASSES}
    files |= {
        "train/angry/Training_9001.png": face["angry"],  # a duplicate within train
        "test/happy/PublicTest_9002.png": face["happy"],  # two leaks
        "test/happy/PrivateTest_9003.png": face["happy"],
        "train/angry/Training_9004.png": face["sad"],  # a conflict: both copies go
        "train/sad/Training_9005.png": png(np.zeros((48, 48), np.uint8)),  # two blanks
        "train/sad/Training_9006.png": png(np.full((48, 48), 200, np.uint8)),
    }
    write_folders(tmp_path, files)
    dataset = load(tmp_path, "fer4-clean")
    assert dataset.facts["cleaning"] == {"blanks": 2, "label_conflicts": 2, "leaks": 2, "duplicates": 1}
    assert dataset.facts["counts_after_cleaning"] == {"train": [3, 3, 2, 3], "val": [3, 3, 3, 3], "test": [3, 3, 3, 3]}
    assert dataset.facts["counts"]["train"] == [5, 3, 5, 3]
    assert dataset.train.class_counts(4) == [3, 3, 2, 3]
    assert load(tmp_path, "fer4").train.class_counts(4) == [5, 3, 5, 3]


def not_a_picture(root: Path) -> None:
    write_folders(root, {"train/sad/Training_9.jpg": b"this is no picture"})


def empty_picture(root: Path) -> None:
    write_folders(root, {"train/sad/Training_9.jpg": b""})


def cut_picture(root: Path) -> None:
    content = png(pixels(9))
    write_folders(root, {"train/sad/Training_9.png": content[: len(content) // 2]})


def wrong_size(root: Path) -> None:
    write_folders(root, {"train/sad/Training_9.png": png(np.zeros((48, 64), np.uint8))})


def unknown_class(root: Path) -> None:
    write_folders(root, {"train/contempt/Training_9.png": png(pixels(9))})


BAD_PICTURES = {
    not_a_picture: r"train/sad/Training_9.jpg is not a readable picture",
    empty_picture: r"train/sad/Training_9.jpg is an empty file",
    cut_picture: r"train/sad/Training_9.png is not a readable picture",
    wrong_size: r"train/sad/Training_9.png is 64x48 pixels, not 48x48",
    unknown_class: r"train/contempt/Training_9.png has the unknown label 'contempt'",
}


@pytest.mark.parametrize("zipped", [False, True], ids=["folders", "zip"])
@pytest.mark.parametrize("spoil", BAD_PICTURES, ids=lambda spoil: spoil.__name__)
def test_bad_pictures_are_named_or_skipped(tmp_path: Path, spoil: Callable[[Path], None], zipped: bool) -> None:
    root = tmp_path / "tree"
    folders_at_root(root)
    spoil(root)
    if zipped:
        shutil.make_archive(str(tmp_path / "data" / "fer"), "zip", root)
        root = tmp_path / "data"
    for _ in range(2):  # the second time from the cache
        with pytest.raises(GanzooError, match=rf"fer4: 1 item cannot be used: {BAD_PICTURES[spoil]}\. .*--skip-bad"):
            load(root)
    dataset = load(root, skip_bad=True)
    assert len(dataset.skipped) == 1 and dataset.train.class_counts(4) == [3, 3, 3, 3]


def test_bad_class_folders_are_noticed_after_caching(tmp_path: Path) -> None:
    folders_at_root(tmp_path)
    assert load(tmp_path).skipped == ()
    unknown_class(tmp_path)
    with pytest.raises(GanzooError, match="contempt"):
        load(tmp_path)


BAD_ROWS = {
    "3,1 2 3,Training": "has 3 pixels, not 2304",
    "3,1 2 3": "has 3 pixels, not 2304",
    "3": "has 0 pixels, not 2304",
    "7," + "0 " * 2304 + ",Training": "has the unknown label '7'",
    "joy," + "0 " * 2304 + ",Training": "has the unknown label 'joy'",
    "3" * 5000 + "," + "0 " * 2304 + ",Training": rf"has the unknown label '{'3' * 60}\.\.\.' \(allowed",
    "3" * 200_000 + "," + "0 " * 2304 + ",Training": r"is no line of CSV \(field larger than field limit",
    '3,"' + "0 " * 2304 + ",Training": "has a stray quote",
    '"3,' + "0 " * 2304 + ",Training": "has a stray quote",
    "3," + "0 " * 2304 + ",Holiday": "has the unknown Usage 'Holiday'",
    "3," + "0 " * 2303 + "256,Training": r"has pixels outside 0\.\.255",
    "3," + "0 " * 2303 + "x,Training": "has pixels that are not whole numbers",
}


@pytest.mark.parametrize("row", BAD_ROWS, ids=list(BAD_ROWS.values()))
def test_bad_rows_are_named_or_skipped(tmp_path: Path, row: str) -> None:
    text = fer2013_csv(faces())
    (tmp_path / "fer2013.csv").write_text(text + row + "\n")
    with pytest.raises(GanzooError, match=rf"1 item cannot be used: fer2013\.csv row 37 {BAD_ROWS[row]}"):
        load(tmp_path)
    dataset = load(tmp_path, skip_bad=True)
    assert len(dataset.skipped) == 1 and dataset.train.class_counts(4) == [3, 3, 3, 3]


def test_blank_lines_are_bad_rows_between_others_and_nothing_at_the_end(tmp_path: Path) -> None:
    lines = fer2013_csv(faces()).splitlines()
    (tmp_path / "fer2013.csv").write_text("\n".join([*lines, "", " ", ""]))
    assert load(tmp_path).skipped == ()
    (tmp_path / "fer2013.csv").write_text("\n".join([*lines[:5], "", "", *lines[5:]]))
    skipped = load(tmp_path, skip_bad=True).skipped
    assert skipped == ("fer2013.csv row 5 is an empty line", "fer2013.csv row 6 is an empty line")


@pytest.mark.parametrize("number", [1, 5, 35])
def test_a_stray_quote_spoils_its_own_row_only(tmp_path: Path, number: int) -> None:
    rows = fer2013_csv(faces()).splitlines()
    rows[number] = rows[number].replace(",", ',"', 1)
    (tmp_path / "fer2013.csv").write_text("\n".join([*rows, "7,0,Training"]))
    dataset = load(tmp_path, skip_bad=True)
    quote, label = dataset.skipped
    assert quote == f"fer2013.csv row {number} has a stray quote"
    assert label.startswith("fer2013.csv row 37 has the unknown label '7'")
    assert sum(len(split) for split in dataset.splits.values()) == 35


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_csv_with_every_field_in_quotes_gives_the_same_faces(tmp_path: Path, line_end: str) -> None:
    plain_csv(tmp_path)
    plain = load(tmp_path).content_hash
    rows = [", ".join(f'"{field}"' for field in row.split(",")) for row in fer2013_csv(faces()).splitlines()]
    (tmp_path / "fer2013.csv").write_bytes(line_end.join(rows).encode())
    assert load(tmp_path).content_hash == plain


def test_many_bad_items_are_counted_and_the_first_named(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_text(fer2013_csv(faces()) + "3,1,Training\n" * 5)
    with pytest.raises(GanzooError, match="5 items cannot be used: .*row 37 .*row 38 .*row 39 .*and 2 more") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value) and "row 40" not in str(caught.value)


def test_damaged_member_of_a_zip_is_a_bad_item(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "fer.zip", picture_files(faces()))
    content = bytearray(path.read_bytes())
    place = content.index(png(pixels(0))) + 1000
    content[place] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(GanzooError, match=r"train/angry/Training_0.png cannot be read from fer.zip"):
        load(tmp_path)
    assert load(tmp_path, skip_bad=True).train.class_counts(4) == [2, 3, 3, 3]


def test_unreadable_zip_is_named_or_skipped(tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"half a download")
    with pytest.raises(GanzooError, match="broken.zip is not a readable zip file"):
        load(tmp_path)
    one_zip(tmp_path)
    with pytest.raises(GanzooError, match="broken.zip is not a readable zip file"):
        load(tmp_path)
    assert load(tmp_path, skip_bad=True).skipped == ("broken.zip is not a readable zip file (File is not a zip file)",)
    (tmp_path / "broken.zip").unlink()
    assert load(tmp_path).skipped == ()


def test_zips_that_contradict_one_another_are_refused(tmp_path: Path) -> None:
    one_zip(tmp_path)
    write_zip(tmp_path / "z.zip", {"train/angry/Training_0.png": png(pixels(77))})
    with pytest.raises(GanzooError, match="Training_0.png stands in archive.zip and in z.zip with different contents"):
        load(tmp_path)


BAD_HEADERS = {
    "label,image": "'label,image'",
    "emotion,pixels,Split": "'emotion,pixels,Split'",
    "emotion,emotion,pixels,Usage": "'emotion,emotion,pixels,Usage'",
    "emotion,pixels,emotion": "'emotion,pixels,emotion'",
    '"emotion,pixels,Usage': "'\"emotion,pixels,Usage'",
    "": "''",
    "0," + "128 " * 2304 + ",Training": rf"'0,{'128 ' * 14}12\.\.\.'",
}


@pytest.mark.parametrize("header", BAD_HEADERS, ids=list(BAD_HEADERS.values()))
def test_csv_with_other_columns_is_refused(tmp_path: Path, header: str) -> None:
    _, *rows = fer2013_csv(faces()).splitlines()
    (tmp_path / "fer2013.csv").write_text("\n".join([header, *rows]))
    with pytest.raises(GanzooError, match=rf"fer2013.csv begins with the line {BAD_HEADERS[header]}; .* each once") as caught:
        load(tmp_path, skip_bad=True)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


NO_TABLES = {
    "compressed (gzip)": gzip.compress(fer2013_csv(faces()).encode()),
    "compressed (zip)": b"PK\x03\x04 and so on",
    "text in UTF-16": fer2013_csv(faces()).encode("utf-16"),
    "text in UTF-16 without a mark": fer2013_csv(faces()).encode("utf-16-be"),
    "not text": bytes(range(256)),
    "empty": b"",
}


@pytest.mark.parametrize("kind", NO_TABLES)
@pytest.mark.parametrize("zipped", [False, True], ids=["csv", "zip"])
def test_what_is_no_csv_at_all_is_called_what_it_is(tmp_path: Path, kind: str, zipped: bool) -> None:
    if zipped:
        write_zip(tmp_path / "fer.zip", {"fer2013.csv": NO_TABLES[kind]})
    else:
        (tmp_path / "fer2013.csv").write_bytes(NO_TABLES[kind])
    said = kind.removesuffix(" without a mark")
    with pytest.raises(GanzooError, match=rf"^fer2013\.csv is {re.escape(said)}; FER2013 needs plain CSV in UTF-8\.$"):
        load(tmp_path)


def test_csv_without_rows_says_so(tmp_path: Path) -> None:
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n")
    with pytest.raises(GanzooError, match=r"^fer2013\.csv has a header and no rows"):
        load(tmp_path)


def test_a_class_without_images_is_named(tmp_path: Path) -> None:
    write_folders(tmp_path, picture_files(faces(("angry", "happy", "sad"))))
    with pytest.raises(GanzooError, match="fer4: no images of 'surprise' in train, 'surprise' in val, 'surprise' in test"):
        load(tmp_path)


def test_other_files_are_counted(tmp_path: Path) -> None:
    write_folders(tmp_path, picture_files(faces()) | {"train/angry/Thumbs.db": b"", "train/readme.txt": b""})
    assert load(tmp_path).facts["num_other_files_ignored"] == 2


def test_not_found_says_where_it_looked_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="msambare/fer2013.*--download.*ganzoo\\[download\\].*--data synth4") as caught:
        load(tmp_path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_data_root_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="--data-root .*absent does not exist"):
        load(tmp_path / "absent")
    with pytest.raises(GanzooError, match="--data-root .*some.zip is a file"):
        load(write_zip(tmp_path / "some.zip", {}))


def test_environment_then_working_directory_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GanzooError, match="FER2013 is not in .*data"):
        load_dataset("fer4")
    folders_at_root(tmp_path / "data")
    assert load_dataset("fer4").facts["form"] == "folders"
    (tmp_path / "elsewhere").mkdir()
    plain_csv(tmp_path / "elsewhere")
    monkeypatch.setenv("GANZOO_DATA", str(tmp_path / "elsewhere"))
    assert load_dataset("fer4").facts["form"] == "csv"
    monkeypatch.setenv("GANZOO_DATA", str(tmp_path / "absent"))
    with pytest.raises(GanzooError, match=r"\$GANZOO_DATA .*absent does not exist"):
        load_dataset("fer4")


def test_download_reads_the_folder_kagglehub_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders_at_root(tmp_path / "kaggle")
    asked = []
    kagglehub = types.ModuleType("kagglehub")
    kagglehub.dataset_download = lambda name: asked.append(name) or str(tmp_path / "kaggle")  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "kagglehub", kagglehub)
    monkeypatch.chdir(tmp_path)
    assert load_dataset("fer4", download=True).train.class_counts(4) == [3, 3, 3, 3]
    assert asked == ["msambare/fer2013"]


def test_download_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(GanzooError, match=r"pip install 'ganzoo\[download\]'"):
        load(tmp_path, download=True)

    def offline(name: str) -> str:
        raise OSError("no network\nand a long story")

    kagglehub = types.ModuleType("kagglehub")
    kagglehub.dataset_download = offline  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "kagglehub", kagglehub)
    with pytest.raises(GanzooError, match="Cannot download msambare/fer2013 from Kaggle: no network") as caught:
        load(tmp_path, download=True)
    assert "\n" not in str(caught.value)


def zip_with_backslashes(root: Path) -> None:
    write_zip(root / "fer.zip", {name.replace("/", "\\"): content for name, content in picture_files(faces()).items()})


def tar_of_folders(root: Path) -> None:
    write_tar(root / "fer.tgz", {f"fer2013/{name}": content for name, content in picture_files(faces()).items()})


def tar_of_csv(root: Path) -> None:
    write_tar(root / "fer2013.tar.gz", {"fer2013/README": b"x", "fer2013/fer2013.csv": fer2013_csv(faces()).encode()})


def csv_without_suffix(root: Path) -> None:
    (root / "fer2013").write_text(fer2013_csv(faces()))


def csv_by_another_name(root: Path) -> None:
    (root / "faces_of_2013.csv").write_text(icml_csv(faces()))


def compressed_csv(root: Path) -> None:
    (root / "icml_face_data.csv.gz").write_bytes(gzip.compress(icml_csv(faces()).encode()))


def synonyms(root: Path) -> None:
    names = {"angry": "Anger", "happy": "HAPPINESS", "sad": "sadness", "surprise": "surprised"}
    for name, content in picture_files(faces()).items():
        part, class_name, file_name = name.split("/")
        write_folders(root, {f"{part}/{names[class_name]}/{file_name}": content})


def three_levels_deeper(root: Path) -> None:
    folders_at_root(root / "kaggle" / "input" / "fer2013")


def class_folders_of_official_names(root: Path) -> None:
    write_folders(root, {name.partition("/")[2]: content for name, content in picture_files(faces()).items()})


def with_machine_made_folders(root: Path) -> None:
    folders_at_root(root)
    extra = {f"{part}/{name}/x.png": png(pixels(9)) for part in ("train", "test") for name in (".ipynb_checkpoints", "@eaDir")}
    write_folders(root, extra | {"train/angry/@eaDir/x.png": png(pixels(9)), "__MACOSX/train/angry/._x.png": b""})


OTHER_FORMS = {
    zip_with_backslashes: "zipped folders",
    tar_of_folders: "archived folders",
    tar_of_csv: "archived csv",
    csv_without_suffix: "csv",
    csv_by_another_name: "csv",
    compressed_csv: "csv",
    synonyms: "folders",
    three_levels_deeper: "folders",
    class_folders_of_official_names: "class folders",
    with_machine_made_folders: "folders",
}


@pytest.mark.parametrize("write", OTHER_FORMS, ids=lambda write: write.__name__)
def test_forms_that_people_have_give_the_same_dataset(tmp_path: Path, write: Callable[[Path], None]) -> None:
    (tmp_path / "plain").mkdir()
    plain_csv(tmp_path / "plain")
    (tmp_path / "other").mkdir()
    write(tmp_path / "other")
    dataset = load(tmp_path / "other")
    assert dataset.facts["form"] == OTHER_FORMS[write] and dataset.skipped == ()
    assert dataset.content_hash == load(tmp_path / "plain").content_hash


def test_names_that_are_read_as_others_are_told(tmp_path: Path) -> None:
    synonyms(tmp_path)
    assert "'anger' as 'angry', 'happiness' as 'happy'" in load(tmp_path).in_words()["note"]


def test_class_folders_alone_are_split_by_pixels(tmp_path: Path) -> None:
    files = picture_files(faces(parts=("train",), each=30), prefix=False)
    dataset = load(write_folders(tmp_path, {name.removeprefix("train/"): content for name, content in files.items()}))
    assert dataset.facts["parts_told_by"] == "no folders: split by pixel hash"
    assert "Split: parts unknown" in dataset.in_words()["note"]


def test_the_competition_s_train_csv_is_split_and_its_test_csv_named(tmp_path: Path) -> None:
    rows = ["emotion,pixels", *(csv_row(face, usage=False) for face in faces(parts=("train",), each=30))]
    (tmp_path / "train.csv").write_text("\n".join(rows))
    (tmp_path / "test.csv").write_text("\n".join(["pixels", *(row.split(",")[1] for row in rows[1:9])]))
    dataset = load(tmp_path)
    assert sum(len(split) for split in dataset.splits.values()) == 120
    note = dataset.in_words()["note"]
    assert "not used: 'test.csv'" in note and "Split: parts unknown: split 8 : 1 : 1 by pixel hash" in note


def test_labelled_files_called_after_parts_are_these_parts(tmp_path: Path) -> None:
    for part in ("train", "test"):
        rows = [csv_row(face, usage=False) for face in faces(parts=(part,), each=12)]
        (tmp_path / f"{part}.csv").write_text("\n".join(["emotion,pixels", *rows]))
    dataset = load(tmp_path)
    assert len(dataset.train) == 48 and len(dataset.val) + len(dataset.test) == 48
    assert dataset.facts["parts_told_by"] == "names of the files"


def test_what_lies_there_instead_is_named(tmp_path: Path) -> None:
    write_folders(tmp_path, {"train/froh/1.png": png(pixels(1)), "train/traurig/2.png": png(pixels(2))})
    (tmp_path / "labels.csv").write_text("file,label\n")
    write_zip(tmp_path / "some.zip", {"models/a.bin": b"", "models/b.bin": b""})
    with pytest.raises(GanzooError, match="'froh', 'traurig' have names that are no expression's") as caught:
        load(tmp_path)
    said = str(caught.value)
    assert "holds 'labels.csv', 'some.zip', 'train/'" in said and "labels.csv begins with the columns 'file, label'" in said
    assert "some.zip holds 'models' (2 .bin)" in said and len(said) < 1200 and "\n" not in said


def test_a_line_without_end_and_endless_bad_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fer2013.csv").write_text(fer2013_csv(faces()) + "3" * (1 << 21))
    with pytest.raises(GanzooError, match="row 37 has over 1,048,576 characters"):
        load(tmp_path, skip_bad=True)
    monkeypatch.setattr("ganzoo.data.fer_table._MOST_BAD_ROWS", 10)
    (tmp_path / "fer2013.csv").write_text(fer2013_csv(faces()) + "x\n" * 60)
    with pytest.raises(GanzooError, match="37 of its first 73 rows cannot be used, as fer2013.csv row 37 has the unknown label"):
        load(tmp_path, skip_bad=True)


def test_what_must_be_unpacked_is_told(tmp_path: Path) -> None:
    write_zip(tmp_path / "outer.zip", {"fer2013.tar.gz": b"x"})
    (tmp_path / "fer.rar").touch()
    with pytest.raises(GanzooError, match=r"outer.zip holds 'fer2013.tar.gz' .*; unpack that. 'fer.rar' must be unpacked first"):
        load(tmp_path)


def test_pipes_and_links_to_nothing_are_bad_items_and_linked_classes_are_read(tmp_path: Path) -> None:
    write_folders(tmp_path / "real", picture_files(faces()))
    expected = load(tmp_path / "real").content_hash
    linked = tmp_path / "linked"
    for place in (tmp_path / "real").glob("t*/*"):
        (linked / place.parent.name).mkdir(parents=True, exist_ok=True)
        (linked / place.parent.name / place.name).symlink_to(place)
    assert load(linked).content_hash == expected
    (tmp_path / "real" / "train" / "angry" / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(tmp_path / "real" / "test" / "sad" / "pipe.png")
    with pytest.raises(
        GanzooError, match="2 items cannot be used: test/sad/pipe.png is no plain file; train/angry/gone.png cannot"
    ):
        load(tmp_path / "real")


def test_what_only_a_bomb_unpacks_to_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo.data.archives.LARGEST_PICTURE_BYTES", 100_000)
    files = picture_files(faces()) | {"train/angry/bomb.png": bytes(100_001)}
    write_zip(tmp_path / "zip" / "fer.zip", files)
    assert load(tmp_path / "zip", skip_bad=True).skipped == (
        "train/angry/bomb.png has over 268 MB, which is no picture of a face",
    )
    (tmp_path / "tar").mkdir()
    write_tar(tmp_path / "tar" / "fer.tar.gz", files)
    with pytest.raises(GanzooError, match=r"fer.tar.gz is not a readable tar file \(train/angry/bomb.png has 0.0 GB\)"):
        load(tmp_path / "tar")


def test_links_in_a_tar_are_followed_inside_it_alone(tmp_path: Path) -> None:
    write_tar(tmp_path / "fer.tar.gz", picture_files(faces()))
    expected = load(tmp_path).content_hash
    files = picture_files(faces())
    first = next(iter(files))
    with tarfile.open(tmp_path / "fer.tar.gz", "w:gz") as archive:
        for name, content in {"shared.png": files.pop(first), **files}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in ((first, "shared.png"), ("train/angry/out.png", "../../../etc/passwd")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.LNKTYPE, target
            archive.addfile(link)
    dataset = load(tmp_path, skip_bad=True)
    assert dataset.content_hash == expected
    assert dataset.skipped == ("train/angry/out.png is a link to ../../../etc/passwd, which is not in the archive",)


def test_a_part_by_an_unknown_name_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    write_folders(tmp_path, picture_files(faces(parts=("train",))))
    write_folders(tmp_path / "holdout", {f"{name}/{number}.png": png(pixels(number)) for name in CLASSES for number in range(30)})
    with pytest.raises(GanzooError, match="no images of 'angry' in val"):
        load(tmp_path)
    (tmp_path / "holdout").rename(tmp_path / "dev")
    assert load(tmp_path).train.class_counts(4) == [3, 3, 3, 3]


@pytest.mark.parametrize("name", ["fer2013.csv.bz2", "fer2013.csv.xz", "fer2013.gz", "fer2013.rar"])
def test_whatever_is_packed_and_not_read_must_be_unpacked(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"packed")
    with pytest.raises(GanzooError, match=f"'{name}' must be unpacked first"):
        load(tmp_path)


def test_bad_items_that_leave_a_class_empty_are_named(tmp_path: Path) -> None:
    write_folders(tmp_path, picture_files(faces()))
    for file in tmp_path.glob("t*/angry/*"):
        file.write_bytes(b"")
    with pytest.raises(
        GanzooError, match=r"no images of 'angry' in train.* 9 items .* left out: .*is an empty file; .*and 7 more"
    ):
        load(tmp_path, skip_bad=True)


@pytest.mark.parametrize("mark", [";", "\t"])
def test_columns_that_are_not_separated_by_commas_are_told(tmp_path: Path, mark: str) -> None:
    (tmp_path / "fer2013.csv").write_text(fer2013_csv(faces()).replace(",", mark))
    with pytest.raises(GanzooError, match=f"separates its columns by {re.escape(repr(mark))}; FER2013 needs commas"):
        load(tmp_path)
