"""Mouth, eyes and brows as fixed boxes of the aligned face, and how much of an edit falls into each."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ganzoo.data.base import Split

REGIONS = ("mouth", "eyes", "brows", "rest")
_ALIGNED_PX = 48
# Left, top, right, bottom in pixels of an aligned face of 48 x 48, as in FER2013. Wide enough for a grin and a dropped jaw.
_BOXES_PX: Mapping[str, tuple[int, int, int, int]] = {
    "mouth": (8, 30, 40, 48),
    "eyes": (6, 15, 42, 24),
    "brows": (6, 7, 42, 15),
}
_AT_ONCE = 512


def face_boxes(split: Split, index: Tensor) -> Tensor:
    """Where the aligned face lies in images ``index`` (int64 ``(N,)``): float ``(N, 4)``, see `Split.face_boxes`."""
    if split.face_boxes is None:
        return torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(len(index), 4)
    return split.face_boxes[index]


def edit_energy(before: Tensor, after: Tensor, boxes: Tensor) -> Tensor:
    """How much of a change of pictures falls into each region of the face.

    Args:
        before: uint8 ``(N, C, H, W)``.
        after: uint8 ``(N, C, H, W)``.
        boxes: Where the aligned face lies in each picture, float ``(N, 4)``.

    Returns:
        float64 ``(N, 4)`` in the order of ``REGIONS``: squared differences on [0, 1], summed over the pixels whose centre lies in
        the region and divided by the number of all pixels of the picture. The four add up to the mean squared difference.
    """
    parts = range(0, len(before), _AT_ONCE)
    return torch.cat([_energy(*(values[start : start + _AT_ONCE] for values in (before, after, boxes))) for start in parts])


def energy_shares(energies: Tensor) -> dict[str, float]:
    """Share of each region in the energy of all edits together, from ``(N, 4)``; nothing where nothing was changed."""
    sums = energies.sum(dim=0)
    total = float(sums.sum())
    return {name: float(part) / total for name, part in zip(REGIONS, sums, strict=True)} if total else {}


def _energy(before: Tensor, after: Tensor, boxes: Tensor) -> Tensor:
    squares = (before.double() - after.double()).square_().mean(dim=1) / 255**2  # (n, H, W)
    height, width = squares.shape[1:]
    left, top, right, bottom = (torch.tensor(list(_BOXES_PX.values()), dtype=torch.float64) / _ALIGNED_PX).unbind(1)
    across = _covered(boxes[:, 0], boxes[:, 2], left, right, width)  # (n, R, W)
    down = _covered(boxes[:, 1], boxes[:, 3], top, bottom, height)  # (n, R, H)
    inside = torch.einsum("nrh,nhw,nrw->nr", down, squares, across) / (height * width)
    rest = squares.mean(dim=(1, 2)) - inside.sum(dim=1)
    return torch.cat([inside, rest.clamp_min(0.0)[:, None]], dim=1)


def _covered(first: Tensor, last: Tensor, low: Tensor, high: Tensor, size: int) -> Tensor:
    """Whether the centre of each pixel of a line lies in each region: 0 or 1, float64 ``(n, R, size)``."""
    centres = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    begin, length = first.double()[:, None], (last - first).double()[:, None]
    starts, ends = begin + length * low, begin + length * high  # (n, R)
    return ((centres >= starts[..., None]) & (centres < ends[..., None])).double()
