"""Finds images that are blank, duplicated, contradictory or leaked across parts, and removes them.

Duplicates are exact: the same pixels, whatever the file is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.data.base import SPLIT_NAMES, Split
from ganzoo.data.splitting import pixel_digests

# Standard deviation of the grey levels (0..255) below which there is nothing to see in an image. In FER2013 the flattest
# image with a face in it has 9.1, the busiest one without (black but for a speck) 4.1.
BLANK_BELOW_STD = 5.0


@dataclass(frozen=True)
class Copy:
    """Where one image of a group of identical ones stands."""

    part: str
    index: int
    label: int


def identical_groups(splits: Mapping[str, Split]) -> list[list[Copy]]:
    """Groups of images with equal pixels, alone-standing images included; ordered by part and position."""
    groups: dict[bytes, list[Copy]] = {}
    for part in SPLIT_NAMES:
        labels = splits[part].labels.tolist()
        for index, (digest, label) in enumerate(zip(pixel_digests(splits[part].images), labels, strict=True)):
            groups.setdefault(digest, []).append(Copy(part, index, label))
    return list(groups.values())


def blank_images(images: Tensor) -> Tensor:
    """Which of uint8 ``(N, C, H, W)`` are constant or nearly so: bool ``(N,)``."""
    deviations = [image.std() for image in images.numpy()]
    return torch.tensor(deviations) < BLANK_BELOW_STD


def clean(splits: Mapping[str, Split]) -> tuple[dict[str, Split], dict[str, int]]:
    """Drops, in this order: blanks; every copy of an image with two labels; held-out images that stand in train; duplicates.

    Of identical images in one part, or in val and test, the first is kept.

    Returns:
        The cleaned parts, and how many images each reason has cost.
    """
    blank = {part: blank_images(splits[part].images) for part in SPLIT_NAMES}
    dropped = {"blanks": sum(int(flags.sum()) for flags in blank.values()), "label_conflicts": 0, "leaks": 0, "duplicates": 0}
    kept: dict[str, list[int]] = {part: [] for part in SPLIT_NAMES}
    for group in identical_groups(splits):
        if blank[group[0].part][group[0].index]:
            continue
        if len({copy.label for copy in group}) > 1:
            dropped["label_conflicts"] += len(group)
            continue
        first, *rest = group
        kept[first.part].append(first.index)
        leaks = sum(copy.part != "train" for copy in rest) if first.part == "train" else 0
        dropped["leaks"] += leaks
        dropped["duplicates"] += len(rest) - leaks
    return {part: _take(splits[part], kept[part]) for part in SPLIT_NAMES}, dropped


def _take(split: Split, indices: list[int]) -> Split:
    chosen = torch.tensor(sorted(indices), dtype=torch.int64)
    names = tuple(split.names[index] for index in chosen.tolist()) if split.names else ()
    return Split(split.images[chosen], split.labels[chosen], names)
