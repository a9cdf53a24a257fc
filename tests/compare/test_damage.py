"""A damaged run is named and left out, and costs no other run its place, whatever is wrong with which of its files."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ganzoo.compare.collect import collect
from ganzoo.compare.comparison import compare_runs
from ganzoo.compare.tables import build_table
from ganzoo.errors import GanzooError
from ganzoo.runs.folder import RunFolder

FILES = ("config", "info", "metrics", "history", "per_image", "gallery", "edit_locality")
RECORDS = ("info", "metrics")
FUZZ = int(os.environ.get("GANZOO_TEST_FUZZ", "8"))
DRAWN = 12
"""Every so many changes, everything is written as well, which takes longer."""


@pytest.fixture
def damaged(whole: Path) -> RunFolder:
    """One of the runs of a comparison; the others are sound."""
    return next(RunFolder(file.parent) for file in sorted(whole.rglob("metrics.json")) if "dcgan" in file.parts)


def set_in(record: dict[str, Any], place: str, value: Any) -> None:
    *parents, last = place.split(".")
    for name in parents:
        record = record[name]
    record[last] = value


@pytest.mark.parametrize(
    ("file", "place", "value"),
    [
        ("metrics", "confusion.counts", [[1, 2], [3, 4]]),
        ("metrics", "confusion.counts", [[1] * 4] * 3 + [[1] * 3]),
        ("metrics", "confusion.class_names", ["happy"]),
        ("metrics", "confusion.class_names", ["happy"] * 4),
        ("metrics", "confusion.counts", [[-1] * 4] * 4),
        ("metrics", "source_target", {"class_names": ["a", "b"], "values": [[1.0]]}),
        ("metrics", "controls.no-edit.acc", float("nan")),
        ("metrics", "controls.no-edit.acc", 1e300),
        ("metrics", "intervals.acc", [float("-inf"), 1.0]),
        ("metrics", "details.acc_floor", float("inf")),
        ("metrics", "metrics", ["acc"]),
        ("metrics", "info.acc.direction", "sideways"),
        ("metrics", "sources", 10**400),
        ("info", "seed", -1),
        ("info", "recipe", ""),
        ("info", "data.class_names", ["happy"] * 4),
        ("info", "data.image_shape", [1, 48]),
        ("info", "data.image_shape", [1, 0, 0]),
        ("info", "parameters.generator", 10**30),
        ("info", "progress.train_seconds", float("inf")),
    ],
)
def test_a_record_that_contradicts_itself_is_named_in_one_line(
    file: str, place: str, value: Any, whole: Path, damaged: RunFolder
) -> None:
    path = getattr(damaged, file)
    record = json.loads(path.read_text())
    set_in(record, place, value)
    path.write_text(json.dumps(record))
    found = collect(whole)
    (problem,) = (each for each in found.problems if each.run == damaged.path.relative_to(whole).as_posix())
    assert problem.status == "unreadable" and f"{path.name} is not a valid" in problem.message and "\n" not in problem.message
    assert [run.info.recipe for run in found.groups[0].runs] == ["stargan", "stargan"]


def as_loop(file: Path) -> None:
    file.symlink_to(file.name)


def as_pipe(file: Path) -> None:
    os.mkfifo(file)


def as_nothing(file: Path) -> None:
    """It is missing."""


def as_huge(file: Path) -> None:
    with open(file, "wb") as opened:
        opened.truncate(2**40)


def as_device(file: Path) -> None:
    file.symlink_to("/dev/zero")


ODD = [as_nothing, as_loop, as_pipe, as_huge, as_device, Path.mkdir, lambda file: file.write_bytes(b"\xff\xfe\x00{"),
       lambda file: file.write_text("[" * 100_000)]  # fmt: skip
ODD_NAMES = ["missing", "loop", "pipe", "huge", "device", "folder", "not UTF-8", "nested"]


@pytest.mark.parametrize("put", ODD, ids=ODD_NAMES)
@pytest.mark.parametrize("file", FILES)
def test_whatever_lies_in_the_place_of_a_file(file: str, put: Callable[[Path], object], whole: Path, damaged: RunFolder) -> None:
    path = getattr(damaged, file)
    path.unlink()
    put(path)
    found = collect(whole)
    recipes = {run.info.recipe for group in found.groups for run in group.runs}
    named = [each for each in found.problems if "dcgan" in each.run]
    assert "stargan" in recipes and all("\n" not in each.message for each in named)
    assert ("dcgan" in recipes) != (file in RECORDS)
    assert len(named) == (file in RECORDS or (put is not as_nothing and file not in ("config", "gallery")))


HISTORY, SHARES = "step,images,generator.total\n", "images,mouth,eyes,brows,rest,energy\n"


@pytest.mark.parametrize(
    ("file", "text", "named"),
    [("history", HISTORY, False), ("history", HISTORY + "1,-8,2\n", True), ("history", HISTORY + "1,what,2\n", True),
     ("edit_locality", SHARES, False), ("edit_locality", SHARES + "0,,,,,0\n", False),
     ("edit_locality", SHARES + "0,x,,,,0\n", True), ("edit_locality", SHARES + ",,,,,0\n", True)],
)  # fmt: skip
def test_a_table_that_has_no_rows_yet_is_no_damage(file: str, text: str, named: bool, whole: Path, damaged: RunFolder) -> None:
    getattr(damaged, file).write_text(text)
    damages = [each.message for each in collect(whole).problems if each.status == "damaged"]
    assert ["none of its rows is whole" in message for message in damages] == [True] * named


def test_a_folder_that_cannot_be_looked_into_is_named(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir, blocked = os.scandir, whole / "fer4" / "stargan" / "blocked"
    blocked.mkdir()

    def refuse(path: Any) -> Any:
        if Path(path) == blocked:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "fer4/stargan/blocked" in [problem.run for problem in collect(whole).problems]


PIECES = (b"NaN", b"-1", b"1e999", b"null", b"[]", b"{}", b'"', b",", b"\n", b"\x00", b"9" * 20)
VALUES = (None, -1, 0, 10**30, 1e308, -1e308, float("nan"), "", "=1+1", "\x1b[31m", "x" * 5000, [], {}, [[]], {"a": 1}, True)


def mutations(content: bytes, rng: random.Random, count: int) -> Iterator[bytes]:
    """Changed bytes, cuts, repetitions, and pieces put elsewhere."""
    for _ in range(count):
        changed = bytearray(content)
        for _ in range(rng.choice((1, 1, 3, 30))):
            at, to = sorted(rng.randrange(len(changed)) for _ in range(2)) if changed else (0, 0)
            kind = rng.randrange(5)
            if kind == 0 and changed:
                changed[at] = rng.randrange(256)
            elif kind == 1:
                del changed[at : min(to, at + 200)]
            elif kind == 2:
                changed[at:at] = rng.choice(PIECES)
            elif kind == 3:
                changed[at:at] = changed[at : at + 50]
            elif changed:
                changed[at] ^= 1 << rng.randrange(8)
        yield bytes(changed)


def leaves(record: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    items = record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    for key, value in items:
        yield from leaves(value, (*place, key))


def altered(content: bytes, rng: random.Random, count: int) -> Iterator[bytes]:
    """Records with one value replaced by another, of any kind."""
    places = [place for place in leaves(json.loads(content)) if place]
    for _ in range(count):
        record = json.loads(content)
        *parents, last = rng.choice(places)
        parent = record
        for key in parents:
            parent = parent[key]
        parent[last] = rng.choice(VALUES)
        yield json.dumps(record).encode()


@pytest.mark.parametrize("file", FILES)
def test_no_change_of_a_file_ends_the_comparison(file: str, whole: Path, damaged: RunFolder) -> None:
    path, rng = getattr(damaged, file), random.Random(file)
    content = path.read_bytes()
    changes = [*mutations(content, rng, FUZZ), *(altered(content, rng, 2 * FUZZ) if file in RECORDS else ())]
    for number, changed in enumerate(changes):
        path.write_bytes(changed)
        found = collect(whole)
        for group in found.groups:
            build_table(group)
        sound = [run for group in found.groups for run in group.runs if run.info.recipe == "stargan"]
        assert len(sound) == 2, (number, changed)
        if number % DRAWN == 0:
            compare_runs(whole, whole / "out", figures=False, html=whole / "out.html")
    path.write_bytes(content)
    assert len(collect(whole).groups[0].runs) == 3


def test_nothing_but_a_damaged_run_is_an_answer_too(whole: Path, damaged: RunFolder) -> None:
    damaged.metrics.write_text("{")
    for place in whole.iterdir():
        if place.name != "fer4":
            shutil.rmtree(place)
    shutil.rmtree(whole / "fer4" / "stargan")
    assert collect(whole).groups == ()
    with pytest.raises(GanzooError, match="no run.json"):
        shutil.rmtree(whole / "fer4")
        collect(whole)
