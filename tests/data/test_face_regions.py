from __future__ import annotations

import pytest
import torch

from ganzoo.data.base import Split
from ganzoo.data.face_regions import REGIONS, edit_energy, energy_shares, face_boxes

WHOLE = torch.tensor([[0.0, 0.0, 1.0, 1.0]])


def _edit(size: int, *boxes: tuple[int, int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """A black picture, and one with white boxes (left, top, right, bottom in pixels)."""
    before = torch.zeros(1, 1, size, size, dtype=torch.uint8)
    after = before.clone()
    for left, top, right, bottom in boxes:
        after[..., top:bottom, left:right] = 255
    return before, after


@pytest.mark.parametrize(
    ("box", "region"),
    [
        ((15, 33, 33, 44), "mouth"),
        ((8, 16, 20, 23), "eyes"),
        ((8, 8, 40, 14), "brows"),
        ((20, 25, 28, 29), "rest"),
        ((0, 0, 5, 48), "rest"),
    ],
)
@pytest.mark.parametrize("scale", [1, 2])
def test_an_edit_counts_where_it_lies_at_every_size(box: tuple[int, int, int, int], region: str, scale: int) -> None:
    left, top, right, bottom = (edge * scale for edge in box)
    energies = edit_energy(*_edit(48 * scale, (left, top, right, bottom)), WHOLE)
    assert energies.shape == (1, len(REGIONS))
    assert energies.sum().item() == pytest.approx((box[2] - box[0]) * (box[3] - box[1]) / 48**2, rel=1e-12)
    assert energy_shares(energies)[region] == pytest.approx(1.0)


def test_shares_are_of_the_squares_and_of_all_faces_together() -> None:
    before, after = _edit(48, (10, 32, 14, 36), (10, 17, 14, 21))
    after[..., 17:21, 10:14] = 127  # eyes: half the level, a quarter of the energy
    shares = energy_shares(torch.cat([edit_energy(before, after, WHOLE), torch.zeros(1, 4, dtype=torch.float64)]))
    assert shares["mouth"] / shares["eyes"] == pytest.approx((255 / 127) ** 2)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert energy_shares(torch.zeros(3, 4, dtype=torch.float64)) == {}


def test_regions_follow_a_face_that_does_not_fill_the_picture() -> None:
    small_below_right = torch.tensor([[0.5, 0.5, 1.0, 1.0]])
    mouth = edit_energy(*_edit(96, (48 + 15, 48 + 33, 48 + 33, 48 + 44)), small_below_right)
    assert energy_shares(mouth)["mouth"] == pytest.approx(1.0)
    beyond = edit_energy(*_edit(96, (0, 0, 96, 96)), torch.tensor([[1.0, 1.0, 2.0, 2.0]]))
    assert energy_shares(beyond)["rest"] == pytest.approx(1.0)


def test_images_without_boxes_are_aligned_faces() -> None:
    plain = Split(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64))
    assert torch.equal(face_boxes(plain, torch.tensor([2, 0])), WHOLE.expand(2, 4))
