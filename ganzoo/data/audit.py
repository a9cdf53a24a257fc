"""Looks a dataset over: how much of what, and what in it would spoil a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor
from torchvision.utils import make_grid

from ganzoo.data.base import SPLIT_NAMES, Dataset, Split
from ganzoo.data.cleaning import Copy, blank_images, identical_groups


@dataclass(frozen=True)
class AuditReport:
    """The figures of one dataset; duplicates are exact (equal pixels).

    Attributes:
        dataset: Its name.
        content_hash: SHA-256 of its content.
        class_names: Classes, in the order of the counts.
        image_shape: Channels, height and width.
        counts: Part -> images per class.
        duplicate_groups: Groups of two or more identical images, in whatever part.
        duplicate_images: Images in these groups.
        straddling_groups: ``"train/test"`` etc. -> groups with copies in both parts.
        conflicting_groups: Groups whose copies bear different labels.
        conflicting_images: Images in these groups.
        blank_images: Images that are constant or nearly so.
        unreadable_items: Items that were left out because they cannot be used.
        straddling_identities: ``"train/test"`` etc. -> persons who stand in both parts; None where persons are unknown.
        notes: What the loader said about its source.
        said: What was changed and left out, and what else a user should know: title -> words.
    """

    dataset: str
    content_hash: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    counts: Mapping[str, list[int]]
    duplicate_groups: int
    duplicate_images: int
    straddling_groups: Mapping[str, int]
    conflicting_groups: int
    conflicting_images: int
    blank_images: int
    unreadable_items: tuple[str, ...]
    straddling_identities: Mapping[str, int] | None
    notes: Mapping[str, Any]
    said: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The report as plain JSON."""
        return asdict(self)


def audit(dataset: Dataset) -> AuditReport:
    """Counts what is in a dataset and what is wrong with it."""
    groups = [group for group in identical_groups(dataset.splits) if len(group) > 1]
    conflicting = [group for group in groups if len({copy.label for copy in group}) > 1]
    channels, height, width = dataset.train.images.shape[1:]
    return AuditReport(
        dataset=dataset.name,
        content_hash=dataset.content_hash,
        class_names=dataset.class_names,
        image_shape=(channels, height, width),
        counts={part: dataset.splits[part].class_counts(dataset.num_classes) for part in SPLIT_NAMES},
        duplicate_groups=len(groups),
        duplicate_images=sum(len(group) for group in groups),
        straddling_groups=_straddling_groups(groups),
        conflicting_groups=len(conflicting),
        conflicting_images=sum(len(group) for group in conflicting),
        blank_images=sum(int(blank_images(dataset.splits[part].images).sum()) for part in SPLIT_NAMES),
        unreadable_items=dataset.skipped,
        straddling_identities=_straddling_identities(dataset.splits),
        notes=dict(dataset.facts),
        said=dataset.in_words(),
    )


def _straddling_groups(groups: list[list[Copy]]) -> dict[str, int]:
    parts_of_groups = [{copy.part for copy in group} for group in groups]
    return {f"{one}/{other}": sum({one, other} <= parts for parts in parts_of_groups) for one, other in _pairs()}


def _straddling_identities(splits: Mapping[str, Split]) -> dict[str, int] | None:
    identities: dict[str, set[int]] = {}
    for part in SPLIT_NAMES:
        known = splits[part].identities
        if known is None:
            return None
        identities[part] = set(known.tolist())
    return {f"{one}/{other}": len(identities[one] & identities[other]) for one, other in _pairs()}


def _pairs() -> Iterator[tuple[str, str]]:
    return combinations(SPLIT_NAMES, 2)


def sample_grid(dataset: Dataset, per_class: int = 8) -> Tensor:
    """Faces of the training part, evenly spaced through each class, one row per class in class order.

    Returns:
        uint8 ``(3, H, W)``. Rows of classes with fewer than ``per_class`` images end in black.
    """
    rows = [_row(dataset.train, label, per_class) for label in range(dataset.num_classes)]
    grid: Tensor = make_grid(torch.cat(rows), nrow=per_class, padding=2, pad_value=255)
    return grid


def _row(split: Split, label: int, per_class: int) -> Tensor:
    members = torch.nonzero(split.labels == label).flatten()
    number = min(per_class, len(members))
    chosen = members[torch.arange(number) * len(members) // max(number, 1)]
    row = split.images.new_zeros((per_class, *split.images.shape[1:]))
    row[:number] = split.images[chosen]
    return row
