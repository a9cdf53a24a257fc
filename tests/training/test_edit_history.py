from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from ganzoo.training.edit_history import EditHistory, other_classes

WHOLE = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(2, 4)


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def _edited(mouth: int, eyes: int) -> torch.Tensor:
    """Two faces with two translations each, of which one is an edit of four pixels of each part."""
    faces = torch.zeros(2, 2, 1, 48, 48, dtype=torch.uint8)
    faces[:, 1, :, 36:38, 20:22] = mouth
    faces[:, 1, :, 18:20, 20:22] = eyes
    return faces


def test_a_row_tells_the_share_of_each_part_and_how_much_was_edited(tmp_path: Path) -> None:
    history, sources = EditHistory(tmp_path), torch.zeros(2, 1, 48, 48, dtype=torch.uint8)
    history.record(0, sources, _edited(0, 0), WHOLE)
    history.record(96, sources, _edited(200, 100), WHOLE)
    still, moved = _rows(history.path)
    assert (still["images"], still["mouth"], float(still["energy"])) == ("0", "", 0.0)
    assert [float(moved[name]) for name in ("mouth", "eyes", "brows", "rest")] == pytest.approx([0.8, 0.2, 0, 0])
    assert float(moved["energy"]) == pytest.approx(4 * (200**2 + 100**2) / 255**2 / 48**2 / 2, rel=1e-5)


def test_a_run_that_goes_back_writes_its_later_rows_again(tmp_path: Path) -> None:
    history, sources = EditHistory(tmp_path), torch.zeros(2, 1, 48, 48, dtype=torch.uint8)
    for images in (0, 8, 16, 24):
        history.record(images, sources, _edited(9, 9), WHOLE)
    EditHistory(tmp_path).record(16, sources, _edited(9, 0), WHOLE)
    assert [row["images"] for row in _rows(history.path)] == ["0", "8", "16"]
    assert float(_rows(history.path)[-1]["mouth"]) == 1.0


def test_only_translations_to_other_classes_count() -> None:
    columns = torch.arange(3)[:, None, None, None, None].expand(3, 4, 1, 1, 1)  # the target is what is seen
    labels = torch.tensor([2, 0, 1, 1])
    assert other_classes(columns, labels).flatten(1).tolist() == [[0, 1], [1, 2], [0, 2], [0, 2]]
