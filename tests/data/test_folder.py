from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.data.base import Dataset, load_dataset
from ganzoo.errors import GanzooError


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path_factory.mktemp("cache")))


def pixels(seed: int, size_px: int = 16, channels: int = 0) -> np.ndarray:
    shape = (size_px, size_px, channels) if channels else (size_px, size_px)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def tree(root: Path, folders: tuple[str, ...] = ("train", "val", "test"), each: int = 2, channels: int = 0) -> Path:
    for part_number, folder in enumerate(folders):
        for class_number, class_name in enumerate(("calm", "wild")):
            for number in range(each):
                seed = 1000 * part_number + 100 * class_number + number
                save(root / folder / class_name / f"{number:03d}.png", pixels(seed, channels=channels))
    return root


def load(root: Path, **options: object) -> Dataset:
    return load_dataset(f"folder:{root}", **options)  # type: ignore[arg-type]  # options are spelled out by each test


@pytest.mark.parametrize("val_folder", ["val", "valid", "Validation"])
def test_three_splits_are_read_as_they_stand(tmp_path: Path, val_folder: str) -> None:
    dataset = load(tree(tmp_path, ("train", val_folder, "test")))
    assert dataset.class_names == ("calm", "wild") and dataset.judge_family is None
    for part_number, part in enumerate(("train", "val", "test")):
        split = dataset.splits[part]
        assert split.labels.tolist() == [0, 0, 1, 1]
        expected = [pixels(1000 * part_number + seed) for seed in (0, 1, 100, 101)]
        assert np.array_equal(split.images[:, 0].numpy(), np.stack(expected))
    assert dataset.train.names[0] == "train/calm/000.png"


def test_colour_images_come_in_rgb(tmp_path: Path) -> None:
    dataset = load(tree(tmp_path, channels=3))
    assert dataset.train.images.shape == (4, 3, 16, 16)
    assert np.array_equal(dataset.train.images[0].numpy(), pixels(0, channels=3).transpose(2, 0, 1))


def test_one_colour_image_makes_all_rgb_and_grey_ones_repeat(tmp_path: Path) -> None:
    save(tree(tmp_path) / "test" / "calm" / "colour.png", pixels(5, channels=3))
    dataset = load(tmp_path)
    assert dataset.image_channels == 3
    assert np.array_equal(dataset.train.images[0].numpy(), np.stack([pixels(0)] * 3))


def test_rgb_files_without_colour_are_grey(tmp_path: Path) -> None:
    save(tree(tmp_path) / "train" / "calm" / "000.png", np.repeat(pixels(0)[..., None], 3, axis=2))
    dataset = load(tmp_path)
    assert dataset.image_channels == 1
    assert np.array_equal(dataset.train.images[0, 0].numpy(), pixels(0))


def test_one_held_out_part_is_split_by_pixels(tmp_path: Path) -> None:
    dataset = load(tree(tmp_path, ("train", "test"), each=40))
    assert len(dataset.train) == 80 and len(dataset.val) + len(dataset.test) == 80
    assert 25 < len(dataset.val) < 55
    assert "pixel hash" in dataset.facts["split_rule"]


def test_too_few_held_out_images_to_divide_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="no images of '(calm|wild)' in (val|test)"):
        load(tree(tmp_path, ("train", "test"), each=1))


def test_images_of_other_sizes_are_bad_items_unless_all_are_resized(tmp_path: Path) -> None:
    save(tree(tmp_path) / "train" / "calm" / "odd.png", pixels(5, size_px=20))
    with pytest.raises(GanzooError, match="1 item cannot be used: train/calm/odd.png is 20x20 pixels, not 16x16"):
        load(tmp_path)
    assert load(tmp_path, skip_bad=True).skipped == ("train/calm/odd.png is 20x20 pixels, not 16x16 (--image-size resizes all)",)
    resized = load(tmp_path, image_size_px=8)
    assert resized.train.images.shape == (5, 1, 8, 8) and resized.skipped == ()


def test_a_split_does_not_depend_on_the_size_asked_for(tmp_path: Path) -> None:
    tree(tmp_path, ("train", "test"), each=20)
    assert load(tmp_path).val.names == load(tmp_path, image_size_px=8).val.names


def test_bad_pictures_are_named_or_skipped(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "test" / "wild" / "broken.JPG").write_bytes(b"no picture")
    Image.fromarray(pixels(1).astype(np.uint16)).save(tmp_path / "test" / "wild" / "deep.png")
    with pytest.raises(GanzooError, match="2 items .*broken.JPG is not a readable picture; .*deep.png has more than 8 bits"):
        load(tmp_path)
    dataset = load(tmp_path, skip_bad=True)
    assert len(dataset.skipped) == 2 and len(dataset.test) == 4


def test_classes_that_differ_between_splits_are_named(tmp_path: Path) -> None:
    save(tree(tmp_path) / "train" / "sleepy" / "0.png", pixels(1))
    with pytest.raises(GanzooError, match="different classes: val lacks 'sleepy'; test lacks 'sleepy'"):
        load(tmp_path)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    before = load(tree(tmp_path))
    assert load(tmp_path).content_hash == before.content_hash
    save(tmp_path / "train" / "calm" / "000.png", pixels(99))
    after = load(tmp_path)
    assert after.content_hash != before.content_hash
    assert torch.equal(after.train.images[0, 0], torch.from_numpy(pixels(99)))


def test_what_is_no_such_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="absent does not exist"):
        load(tmp_path / "absent")
    (tmp_path / "file").write_bytes(io.BytesIO().getvalue())
    with pytest.raises(GanzooError, match="file is a file, not a folder"):
        load(tmp_path / "file")
    with pytest.raises(GanzooError, match="no pictures"):
        load(tmp_path)
    with pytest.raises(GanzooError, match="only 'train' has pictures"):
        load(tree(tmp_path, ("train",)))
    with pytest.raises(GanzooError, match="needs a path"):
        load_dataset("folder:")


def test_relative_paths_start_at_the_data_root(tmp_path: Path) -> None:
    tree(tmp_path / "mine")
    assert len(load_dataset("folder:mine", root=tmp_path).train) == 4


def test_an_empty_class_folder_is_named(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        (tree(tmp_path) / part / "sad").mkdir()
    with pytest.raises(GanzooError, match="no pictures in 'sad'. Add them or remove the class."):
        load(tmp_path)


def test_a_link_to_nothing_is_a_bad_item(tmp_path: Path) -> None:
    (tree(tmp_path) / "train" / "calm" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(GanzooError, match=r"1 item cannot be used: train/calm/gone.png cannot be read \(No such file"):
        load(tmp_path)
    assert load(tmp_path, skip_bad=True).skipped == ("train/calm/gone.png cannot be read (No such file or directory)",)


def test_linked_class_folders_are_read(tmp_path: Path) -> None:
    root = tree(tmp_path / "real")
    for part in ("train", "val", "test"):
        for name in ("calm", "wild"):
            (tmp_path / "linked" / part).mkdir(parents=True, exist_ok=True)
            (tmp_path / "linked" / part / name).symlink_to(root / part / name)
    assert load(tmp_path / "linked").content_hash == load(root).content_hash


def test_one_class_is_refused(tmp_path: Path) -> None:
    tree(tmp_path)
    for part in ("train", "val", "test"):
        shutil.rmtree(tmp_path / part / "wild")
    with pytest.raises(GanzooError, match="has one class, 'calm'; translation needs at least 2"):
        load(tmp_path)


@pytest.mark.parametrize("size_px", [0, 7, 100_000])
def test_absurd_sizes_are_refused(tmp_path: Path, size_px: int) -> None:
    with pytest.raises(GanzooError, match=f"Images can be 8 to 1024 pixels a side, not {size_px}"):
        load(tree(tmp_path), image_size_px=size_px)


def test_folders_that_machines_make_are_no_classes(tmp_path: Path) -> None:
    before = load(tree(tmp_path)).content_hash
    for number, name in enumerate((".ipynb_checkpoints", "@eaDir", "__MACOSX", "lost+found", "$RECYCLE.BIN")):
        save(tmp_path / "train" / name / "x.png", pixels(7000 + number))
        save(tmp_path / name / "y.png", pixels(8000 + number))
    (tmp_path / "train" / "calm" / "Thumbs.db").touch()
    dataset = load(tmp_path)
    assert dataset.class_names == ("calm", "wild") and dataset.content_hash == before
    assert dataset.left_out == {"hidden or machine-made files": 6}


def test_what_is_left_out_is_counted_by_reason(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "train" / "calm" / "a.heic").touch()
    (tmp_path / "train" / "calm" / "notes.txt").touch()
    save(tmp_path / "train" / "flat.png", pixels(1))
    save(tmp_path / "test" / "wild" / "person" / "deep.png", pixels(2))
    dataset = load(tmp_path)
    assert dataset.left_out == {
        "pictures in no class folder": 1,
        "pictures below class folders": 1,
        "files that are no pictures ganzoo reads (1 .heic, 1 .txt)": 2,
    }
    assert dataset.facts["num_other_files_ignored"] == 4
    assert "pictures in no class folder: 1" in dataset.in_words()["left out"]


@pytest.mark.parametrize("suffix", [".bmp", ".TIF", ".tiff", ".webp", ".JPEG", ".PNG"])
def test_pictures_of_other_suffixes_are_read(tmp_path: Path, suffix: str) -> None:
    tree(tmp_path)
    Image.fromarray(pixels(5)).save(tmp_path / "train" / "calm" / f"other{suffix}")
    dataset = load(tmp_path)
    assert len(dataset.train) == 5 and dataset.left_out == {} and dataset.changed == {}


@pytest.mark.parametrize("names", [("Training", "Testing"), ("TRAIN", "PublicTest"), ("train", "PrivateTest")])
def test_parts_go_by_other_names_too(tmp_path: Path, names: tuple[str, ...]) -> None:
    dataset = load(tree(tmp_path, names, each=8))
    assert len(dataset.train) == 16 and len(dataset.val) + len(dataset.test) == 16


def test_class_folders_alone_are_split_by_pixels_and_it_is_said(tmp_path: Path) -> None:
    for class_number, class_name in enumerate(("calm", "wild")):
        for number in range(40):
            save(tmp_path / class_name / f"{number:03d}.png", pixels(100 * class_number + number))
    dataset = load(tmp_path)
    assert sum(len(split) for split in dataset.splits.values()) == 80 and len(dataset.train) > 50
    assert dataset.facts["split_rule"].startswith("parts unknown: split 8 : 1 : 1 by pixel hash")
    assert dataset.in_words()["note"].startswith("Split: parts unknown")
    shutil.copytree(tmp_path, tmp_path.parent / "copied" / "elsewhere")
    assert load(tmp_path.parent / "copied").content_hash == dataset.content_hash


@pytest.mark.parametrize("below", ["data", "archive/faces", "a/b/c"])
def test_a_tree_some_levels_deeper_is_found_and_named(tmp_path: Path, below: str) -> None:
    expected = load(tree(tmp_path / "plain")).content_hash
    dataset = load(tree(tmp_path / "nested" / below).parents[len(Path(below).parts) - 1])
    assert dataset.content_hash == expected and dataset.remarks == (f"Read from its subfolder {below}.",)


def test_of_several_trees_one_must_be_named(tmp_path: Path) -> None:
    for name in ("one", "two"):
        tree(tmp_path / name)
    with pytest.raises(GanzooError, match="several folders of pictures lie there: 'one', 'two'. Name one of them"):
        load(tmp_path)


def test_spellings_that_differ_between_parts_are_one_class(tmp_path: Path) -> None:
    tree(tmp_path)
    for part, names in {"train": ("happy", "Sad"), "val": ("Happiness", "sad"), "test": ("HAPPY", "sadness")}.items():
        for old, new in zip(("calm", "wild"), names, strict=True):
            (tmp_path / part / old).rename(tmp_path / part / new)
    dataset = load(tmp_path)
    assert dataset.class_names == ("Sad", "happy")
    assert "'Happiness' as 'happy'" in dataset.remarks[0] and "'sadness' as 'Sad'" in dataset.remarks[0]


def test_two_spellings_in_one_part_stay_two_classes(tmp_path: Path) -> None:
    tree(tmp_path)
    for part in ("train", "val", "test"):
        for old, new in (("calm", "happy"), ("wild", "joy")):
            (tmp_path / part / old).rename(tmp_path / part / new)
    assert load(tmp_path).class_names == ("happy", "joy")


def oblong(root: Path, width: int = 20, height: int = 24) -> Path:
    for part_number, part in enumerate(("train", "val", "test")):
        for class_number, name in enumerate(("calm", "wild")):
            picture = np.random.default_rng(10 * part_number + class_number).integers(0, 256, (height, width), dtype=np.uint8)
            save(root / part / name / "0.png", picture)
    return root


def test_pictures_that_are_not_square_are_cut_to_their_middle(tmp_path: Path) -> None:
    dataset = load(oblong(tmp_path))
    original = np.asarray(Image.open(tmp_path / "train" / "calm" / "0.png"))
    assert np.array_equal(dataset.train.images[0, 0].numpy(), original[2:22])
    assert dataset.fit == "crop" and dataset.changed == {"cut to the square in their middle (--fit crop; most were 20x24)": 6}


def test_or_padded_or_squeezed_on_request(tmp_path: Path) -> None:
    oblong(tmp_path)
    original = np.asarray(Image.open(tmp_path / "train" / "calm" / "0.png"))
    padded = load(tmp_path, fit="pad").train.images[0, 0].numpy()
    assert padded.shape == (24, 24) and np.array_equal(padded[:, 2:22], original) and (padded[:, :2] == 128).all()
    with pytest.raises(GanzooError, match="--fit stretch needs a side to resize them to: --image-size"):
        load(tmp_path, fit="stretch")
    kinds = {fit: load(tmp_path, fit=fit, image_size_px=16) for fit in ("crop", "pad", "stretch")}
    assert len({dataset.content_hash for dataset in kinds.values()}) == 3
    assert {fit: dataset.fit for fit, dataset in kinds.items()} == {fit: fit for fit in kinds}
    with pytest.raises(GanzooError, match="--fit is crop, pad or stretch, not 'zoom'"):
        load(tmp_path, fit="zoom")


def test_square_pictures_are_the_same_by_every_fit(tmp_path: Path) -> None:
    tree(tmp_path)
    for size_px in (None, 8):
        loaded = [load(tmp_path, fit=fit, image_size_px=size_px) for fit in ("crop", "pad", "stretch")]
        assert len({dataset.content_hash for dataset in loaded}) == 1 and [dataset.fit for dataset in loaded] == [None] * 3


def test_transparent_pictures_are_counted(tmp_path: Path) -> None:
    tree(tmp_path)
    red = np.zeros((16, 16, 4), np.uint8)
    red[..., 0] = 255
    save(tmp_path / "train" / "calm" / "clear.png", red)
    for _ in range(2):  # the second time from the cache
        dataset = load(tmp_path)
        assert dataset.image_channels == 1 and dataset.changed == {"laid over mid grey where transparent": 1}


def test_what_was_found_instead_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for number in range(3):
        (tmp_path / "mine" / f"{number}.heic").touch()
    with pytest.raises(GanzooError, match=r"mine holds '0.heic', '1.heic', '2.heic'; its files: 3 .heic"):
        load(tmp_path / "mine")
    with pytest.raises(GanzooError, match=r"yours does not exist. .* holds 'mine/'"):
        load(tmp_path / "yours")


def test_a_folder_that_has_moved_is_found_below_the_data_root(tmp_path: Path) -> None:
    expected = load(tree(tmp_path / "old" / "faces")).content_hash
    (tmp_path / "old").rename(tmp_path / "new")
    for root in (tmp_path / "new", tmp_path / "new" / "faces"):
        assert load_dataset(f"folder:{tmp_path}/old/faces", root=root).content_hash == expected


def test_a_pipe_is_a_bad_item_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tree(tmp_path) / "train" / "calm" / "pipe.png")
    assert load(tmp_path, skip_bad=True).skipped == ("train/calm/pipe.png is no plain file",)


def test_what_lies_beside_the_parts_is_counted(tmp_path: Path) -> None:
    shutil.copytree(tree(tmp_path) / "test", tmp_path / "more")
    assert load(tmp_path).left_out == {"pictures in folders that are no parts ('more')": 4}
    for part in ("val", "test"):
        shutil.rmtree(tmp_path / part)
    with pytest.raises(GanzooError, match="only 'train' has pictures; .* holds 'more/', 'train/'"):
        load(tmp_path)
    (tmp_path / "more").rename(tmp_path / "test")
    (tmp_path / "train").rename(tmp_path / "valid")
    with pytest.raises(GanzooError, match="only '(test|val)' and '(test|val)' have pictures"):
        load(tmp_path)


def test_two_folders_of_one_part_and_two_names_of_one_class_are_told(tmp_path: Path) -> None:
    tree(tmp_path, ("train", "Training", "val", "test"))
    for part in ("train", "Training", "val", "test"):
        for old, new in (("calm", "Happy"), ("wild", "happy")):
            (tmp_path / part / old).rename(tmp_path / part / new)
    note = load(tmp_path).in_words()["note"]
    assert "Read as one part, train: 'Training', 'train'." in note
    assert "may mean one class stand side by side, and are read as several: 'Happy', 'happy'." in note


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no names that are not UTF-8")
def test_names_that_are_not_utf8_are_written_in_escapes(tmp_path: Path) -> None:
    tree(tmp_path)
    for part in ("train", "val", "test"):
        os.rename(tmp_path / part / "wild", os.fsencode(tmp_path / part) + b"/wild\xe9")
    (tmp_path / "train" / "calm" / os.fsdecode(b"\xe8.png")).touch()
    dataset = load(tmp_path, skip_bad=True)
    assert dataset.class_names == ("calm", "wild\\xe9") and dataset.skipped == ("train/calm/\\xe8.png is an empty file",)
    with pytest.raises(GanzooError, match="is not UTF-8"):
        load(tmp_path / os.fsdecode(b"\xe9"))
