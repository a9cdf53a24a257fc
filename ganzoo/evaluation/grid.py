"""Which images are scored: deterministic, class-balanced selections, and the off-diagonal grid of (source, target) pairs.

Selections order the images of a class by a hash of their pixels: the same images are chosen whatever order the files
were found in, and the choice for a smaller number is part of that for a larger one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """Every source with every class but its own; one row per pair, source by source, targets ascending.

    Attributes:
        position: Which of the chosen sources, int64 ``(P,)`` in 0..S-1.
        source: Its class, int64 ``(P,)``.
        target: The wanted class, int64 ``(P,)``, never equal to ``source``.
    """

    position: Tensor
    source: Tensor
    target: Tensor

    def __len__(self) -> int:
        return len(self.target)


def off_diagonal_grid(labels: Tensor, num_classes: int) -> Grid:
    """The pairs of sources with classes ``labels`` (int64 ``(S,)``): S * (K - 1) of them."""
    wanted = torch.arange(num_classes).expand(len(labels), num_classes) != labels[:, None]
    position, target = wanted.nonzero(as_tuple=True)
    return Grid(position, labels[position], target)


def content_ranks(images: Tensor, salt: str) -> Tensor:
    """A pseudo-random rank for each image that depends on its pixels and ``salt``, not on its place.

    Args:
        images: uint8 ``(N, C, H, W)``.
        salt: Keeps selections for different purposes apart.

    Returns:
        int64 ``(N,)``, a permutation of 0..N-1; images with equal pixels keep their order.
    """
    rows = images.contiguous().cpu().numpy()
    prefix = hashlib.sha256(salt.encode())
    keys = []
    for row in rows:
        hashed = prefix.copy()
        hashed.update(row.data)
        keys.append(hashed.digest())
    order = sorted(range(len(keys)), key=keys.__getitem__)
    ranks = torch.empty(len(keys), dtype=torch.int64)
    ranks[torch.tensor(order, dtype=torch.int64)] = torch.arange(len(keys))
    return ranks


def first_of_each_class(labels: Tensor, ranks: Tensor, per_class: int, num_classes: int) -> Tensor:
    """Positions of each class's ``per_class`` lowest-ranked items (all, where it has fewer), class by class in rank order."""
    chosen = []
    for label in range(num_classes):
        members = (labels == label).nonzero().squeeze(1)
        chosen.append(members[ranks[members].argsort(stable=True)][:per_class])
    return torch.cat(chosen)


def class_counts(labels: Tensor, num_classes: int) -> list[int]:
    """How many items each class has."""
    return [int(count) for count in torch.bincount(labels, minlength=num_classes)]
