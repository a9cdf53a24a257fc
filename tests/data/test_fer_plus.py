from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from ganzoo.data.base import Dataset, load_dataset
from ganzoo.data.fer_plus import VOTED, majority
from ganzoo.errors import GanzooError

USAGES = ("Training", "PublicTest", "PrivateTest")
TITLES = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("GANZOO_DATA", raising=False)


def votes(**given: int) -> dict[str, int]:
    return dict.fromkeys(VOTED, 0) | given


@pytest.mark.parametrize(
    ("given", "label"),
    [
        (votes(anger=9, neutral=1), "angry"),
        (votes(happiness=6, surprise=4), "happy"),
        (votes(happiness=5, surprise=5), "unknown"),  # half is no majority
        (votes(sadness=3, neutral=1, fear=1, disgust=1, anger=1, surprise=1, unknown=1, nf=1), "sad"),  # single votes drop out
        (votes(sadness=4, neutral=2, fear=2, anger=2), "unknown"),
        (dict.fromkeys(VOTED, 1), "unknown"),  # nothing is left
        (votes(unknown=7, anger=3), "unknown"),
        (votes(nf=10), "nf"),
        (votes(contempt=8, neutral=2), "contempt"),
    ],
)
def test_majority_is_that_of_the_authors_code(given: dict[str, int], label: str) -> None:
    assert majority(given) == label


def row_of_votes(usage: str, number: int, given: dict[str, int]) -> str:
    name = "" if given["nf"] == 10 else f"fer{number:07d}.png"
    return ",".join([usage, name, *(str(given[title]) for title in VOTED)])


def written(root: Path, labels: list[dict[str, int]], emotion: int = 0) -> tuple[Path, list[np.ndarray]]:
    """FER2013 with these votes in each of its three parts, all of one emotion by its own labels."""
    draw = np.random.default_rng(0)
    faces = [draw.integers(0, 256, 48 * 48, dtype=np.uint8) for _ in range(3 * len(labels))]
    usages = [usage for usage in USAGES for _ in labels]
    rows = [f"{emotion},{' '.join(map(str, face))},{usage}" for face, usage in zip(faces, usages, strict=True)]
    (root / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    given = [row_of_votes(usage, number, labels[number % len(labels)]) for number, usage in enumerate(usages)]
    (root / "fer2013new.csv").write_text("\n".join([TITLES, *given]) + "\n")
    return root, faces


FOUR = [votes(surprise=10), votes(sadness=9), votes(anger=8, neutral=2), votes(happiness=10)]
OTHERS = [votes(nf=10), votes(happiness=5, neutral=5), votes(contempt=10), votes(neutral=10)]


def load(root: Path, name: str) -> Dataset:
    return load_dataset(name, root=root)


def test_faces_have_the_labels_of_their_rows(tmp_path: Path) -> None:
    _, faces = written(tmp_path, FOUR + OTHERS)
    dataset = load(tmp_path, "ferplus4")
    assert dataset.class_names == ("angry", "happy", "sad", "surprise") and dataset.judge_family == "fer"
    for number, part in enumerate(("train", "val", "test")):
        expected = [faces[8 * number + row].reshape(48, 48) for row in (2, 3, 1, 0)]
        assert np.array_equal(dataset.splits[part].images[:, 0].numpy(), np.stack(expected))
    assert dataset.left_out == {
        "faces without a majority of FER+'s votes": 3,
        "pictures that show no face by FER+'s votes": 3,
    }
    assert "fer2013new.csv" in dataset.in_words()["note"] and "expected_train_counts" not in dataset.facts


def test_seven_classes_and_a_table_in_an_archive(tmp_path: Path) -> None:
    written(tmp_path, [*FOUR, votes(neutral=10), votes(disgust=10), votes(fear=10)])
    plain = load(tmp_path, "ferplus7").content_hash
    with zipfile.ZipFile(tmp_path / "FERPlus-master.zip", "w") as archive:
        archive.write(tmp_path / "fer2013new.csv", "FERPlus-master/fer2013new.csv")
    (tmp_path / "fer2013new.csv").unlink()
    assert load(tmp_path, "ferplus7").content_hash == plain


def test_other_names_say_that_the_table_is_there(tmp_path: Path) -> None:
    root, _ = written(tmp_path, FOUR)
    text = (root / "fer2013.csv").read_text().splitlines()
    emotions = (0, 3, 4, 5)
    rows = [f"{emotions[number % 4]}{row[1:]}" for number, row in enumerate(text[1:])]
    (root / "fer2013.csv").write_text("\n".join([text[0], *rows]))
    note = load(root, "fer4").in_words()["note"]
    assert "fer2013new.csv lies there too" in note and "--data ferplus4 or ferplus7" in note


def test_tables_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    written(tmp_path, FOUR)
    lines = (tmp_path / "fer2013new.csv").read_text().splitlines()
    (tmp_path / "fer2013new.csv").write_text("\n".join(lines[:-1]))
    with pytest.raises(GanzooError, match="does not belong to this FER2013.*there is no row 12 in it"):
        load(tmp_path, "ferplus4")
    (tmp_path / "fer2013new.csv").write_text("\n".join([*lines, lines[-1]]))
    with pytest.raises(GanzooError, match="it has 13 rows, fer2013.csv has 12"):
        load(tmp_path, "ferplus4")
    (tmp_path / "fer2013new.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]))
    with pytest.raises(GanzooError, match="row 1 is of test there, of train here"):
        load(tmp_path, "ferplus4")
    (tmp_path / "fer2013new.csv").write_text("\n".join([*lines[:3], "Training,x,many", *lines[4:]]))
    with pytest.raises(GanzooError, match="fer2013new.csv row 3 is no row of votes: 'Training,x,many'"):
        load(tmp_path, "ferplus4")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    written(tmp_path, FOUR)
    (tmp_path / "fer2013new.csv").rename(tmp_path / "votes.md")
    with pytest.raises(GanzooError, match="ferplus4: fer2013new.csv is not in .* from github.com/microsoft/FERPlus.* 'votes.md'"):
        load(tmp_path, "ferplus4")


def test_a_table_that_lacks_a_column_or_has_negative_votes_is_refused(tmp_path: Path) -> None:
    written(tmp_path, FOUR)
    table = tmp_path / "fer2013new.csv"
    whole = table.read_text()
    table.write_text(whole.replace(",NF", ""))
    with pytest.raises(GanzooError, match="fer2013new.csv has no column nf; get it again"):
        load(tmp_path, "ferplus4")
    table.write_text(whole.replace("10", "-10"))
    with pytest.raises(GanzooError, match="row 1 is no row of votes"):
        load(tmp_path, "ferplus4")
    table.write_text(whole + "\n\n")
    assert len(load(tmp_path, "ferplus4").train) == 4
