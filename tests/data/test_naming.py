from __future__ import annotations

from pathlib import Path
from unicodedata import normalize

import pytest

from ganzoo.data.naming import contents_of, expression_of, is_machine_made, missing_place, part_of, path_parts, same_class_key


@pytest.mark.parametrize(
    "name",
    [".DS_Store", "._x.jpg", ".ipynb_checkpoints", "@eaDir", "__MACOSX", "$RECYCLE.BIN", "System Volume Information",
     "lost+found", "Thumbs.db", "desktop.ini", ".AppleDouble", "#recycle", "@tmp", "@sharebin", "$Extend", "~snapshot", "CVS",
     "FOUND.000", "node_modules"],
)  # fmt: skip
def test_what_machines_leave_behind_is_known(name: str) -> None:
    assert is_machine_made(name) and not is_machine_made("happy")


@pytest.mark.parametrize(
    ("name", "part"),
    [("Training", "train"), ("TRAIN", "train"), ("validation", "val"), ("PublicTest", "val"), ("Public_Test", "val"),
     ("testing", "test"), ("dev", "val"), ("Eval", "test"), ("train_set", "train"), ("testset", "test"), ("set", None),
     ("PrivateTest", "test"), ("happy", None), ("trainer", None)],
)  # fmt: skip
def test_parts_are_told_by_their_names_in_any_case(name: str, part: str | None) -> None:
    assert part_of(name) == part


@pytest.mark.parametrize(
    ("name", "expression"),
    [("Anger", "angry"), ("HAPPINESS", "happy"), ("joy", "happy"), ("Sadness", "sad"), ("surprised", "surprise"),
     ("disgusted", "disgust"), ("afraid", "fear"), ("fearful", "fear"), ("Contempt", "contempt"), ("0_angry", "angry"),
     ("smug", None), ("高兴", None)],
)  # fmt: skip
def test_expressions_are_known_by_synonyms_in_any_case(name: str, expression: str | None) -> None:
    assert expression_of(name) == expression


def test_both_separators_divide_names_in_archives() -> None:
    assert path_parts("train\\angry\\x.jpg") == path_parts("./train/angry/x.jpg") == ("train", "angry", "x.jpg")


def test_spellings_of_one_class_have_one_key() -> None:
    assert same_class_key("Happy") == same_class_key("happiness")
    assert same_class_key(normalize("NFD", "喜び")) == same_class_key(normalize("NFC", "喜び"))
    assert same_class_key("calm") != same_class_key("wild")


def test_what_lies_there_is_named_within_bounds(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{'long' * 40}{number:02d}.txt").touch()
    (tmp_path / ".DS_Store").touch()
    said = contents_of(tmp_path)
    assert said.startswith("holds 'long") and "24 more" in said and len(said) < 400 and "DS_Store" not in said
    assert str(tmp_path) in missing_place(tmp_path / "no" / "such")
