from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor
from torchvision.io import write_png

from ganzoo.data.audit import audit, sample_grid
from ganzoo.data.base import Dataset, Split
from ganzoo.data.cleaning import clean
from ganzoo.errors import GanzooError
from ganzoo.listing import _print_report, print_audit


def faces(*seeds: int) -> Tensor:
    return torch.stack(
        [torch.randint(0, 256, (1, 6, 6), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8) for seed in seeds]
    )


def dataset(identities: bool = False) -> Dataset:
    """Planted: face 1 twice in train, once in test; 2 in train and val with two labels; 5 in val and test; two blanks."""
    blanks = torch.stack([torch.zeros(1, 6, 6), torch.full((1, 6, 6), 90)]).to(torch.uint8)
    contents = {
        "train": (torch.cat([faces(1, 1, 2, 3), blanks]), [0, 0, 1, 1, 0, 1], [1, 1, 2, 3, 4, 5]),
        "val": (faces(2, 5, 6), [0, 0, 1], [2, 6, 7]),
        "test": (faces(1, 5, 7, 8), [0, 0, 1, 1], [1, 2, 8, 9]),
    }
    splits = {
        part: Split(images, torch.tensor(labels), identities=torch.tensor(people) if identities else None)
        for part, (images, labels, people) in contents.items()
    }
    return Dataset("planted", ("calm", "wild"), splits, "hash", skipped=("x.png is an empty file",), facts={"form": "test"})


def test_the_planted_numbers_are_found() -> None:
    report = audit(dataset())
    assert report.counts == {"train": [3, 3], "val": [2, 1], "test": [2, 2]}
    assert (report.duplicate_groups, report.duplicate_images) == (3, 7)
    assert report.straddling_groups == {"train/val": 1, "train/test": 1, "val/test": 1}
    assert (report.conflicting_groups, report.conflicting_images) == (1, 2)
    assert report.blank_images == 2
    assert report.unreadable_items == ("x.png is an empty file",)
    assert report.straddling_identities is None
    assert report.image_shape == (1, 6, 6)


def test_people_in_two_parts_are_counted_where_known() -> None:
    assert audit(dataset(identities=True)).straddling_identities == {"train/val": 1, "train/test": 2, "val/test": 1}


def test_the_report_is_plain_json() -> None:
    report = json.loads(json.dumps(audit(dataset()).as_dict()))
    assert report["class_names"] == ["calm", "wild"] and report["notes"] == {"form": "test"}


def test_cleaning_leaves_nothing_to_find() -> None:
    splits, dropped = clean(dataset().splits)
    assert dropped == {"blanks": 2, "label_conflicts": 2, "leaks": 1, "duplicates": 2}
    report = audit(Dataset("cleaned", ("calm", "wild"), splits, "hash"))
    assert report.counts == {"train": [1, 1], "val": [1, 1], "test": [0, 2]}
    assert (report.duplicate_groups, report.conflicting_groups, report.blank_images) == (0, 0, 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_grid_has_a_row_for_each_class(channels: int) -> None:
    images = torch.arange(1, 9, dtype=torch.uint8)[:, None, None, None].expand(8, channels, 4, 4)
    train = Split(images, torch.tensor([0, 0, 0, 0, 0, 0, 1, 1]))
    grid = sample_grid(Dataset("grid", ("many", "few"), {"train": train}, "hash"), per_class=3)
    assert grid.dtype == torch.uint8 and grid.shape == (3, 2 * 6 + 2, 3 * 6 + 2)
    centres = [[int(grid[0, row * 6 + 4, column * 6 + 4]) for column in range(3)] for row in range(2)]
    assert centres == [[1, 3, 5], [7, 8, 0]]


@pytest.mark.parametrize("place", ["", ".", "/"])
def test_a_grid_without_a_file_name_is_refused_in_words(tmp_path: Path, place: str) -> None:
    for number, part in enumerate(("train", "val", "test")):
        for class_name in ("calm", "wild"):
            (tmp_path / part / class_name).mkdir(parents=True)
            write_png(faces(number)[0], str(tmp_path / part / class_name / "face.png"))
    with pytest.raises(GanzooError, match=r"^Cannot write [./]: Is a directory\. Name another place with --picture\.$"):
        print_audit(f"folder:{tmp_path}", None, False, False, None, Path(place), ())


def test_many_classes_are_rows_where_they_do_not_fit_as_columns(capsys: pytest.CaptureFixture[str]) -> None:
    names = tuple(f"expression {number}" for number in range(30))
    split = Split(faces(*range(30)), torch.arange(30))
    report = audit(Dataset("many", names, dict.fromkeys(("train", "val", "test"), split), "hash"))
    _print_report(report, Console(width=80))
    printed = capsys.readouterr().out
    assert "class          train  val  test" in printed and "expression 29  1      1    1" in printed
