"""What a generator is asked for: conditions and their views, and how the targets of a training batch are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganzoo.errors import GanzooError


class Condition(NamedTuple):
    """A wanted expression, for faces whose present expression is known.

    Attributes:
        target: Wanted class, int64 ``(N,)``.
        source: Present class, int64 ``(N,)``.
        num_classes: K.
    """

    target: Tensor
    source: Tensor
    num_classes: int

    def view(self, name: str) -> Tensor:
        """The condition as a network takes it.

        Args:
            name: ``onehot`` float ``(N, K)`` in {0, 1}; ``signed`` float ``(N, K)`` in {-1, 1}; ``difference`` (target minus
                source one-hot) float ``(N, K)`` in {-1, 0, 1}; ``index`` int64 ``(N,)``.

        Raises:
            GanzooError: No such view.
        """
        if name == "index":
            return self.target
        target = one_hot(self.target, self.num_classes).float()
        if name == "onehot":
            return target
        if name == "signed":
            return 2 * target - 1
        if name == "difference":
            return target - one_hot(self.source, self.num_classes).float()
        raise GanzooError(f"There is no view '{name}' of a condition. Known: onehot, signed, difference, index.")


TargetSampler = Callable[[Tensor, int, torch.Generator], Tensor]
"""Takes labels ``(N,)``, K and a random generator on their device; gives ``(N,)`` targets, or ``(N * (K - 1),)``."""


def permuted(labels: Tensor, num_classes: int, generator: torch.Generator) -> Tensor:
    """The batch's own labels in random order, so targets are as frequent as in the data (StarGAN)."""
    return labels[torch.randperm(len(labels), device=labels.device, generator=generator)]


def uniform(labels: Tensor, num_classes: int, generator: torch.Generator) -> Tensor:
    """Every class equally often."""
    return torch.randint(num_classes, labels.shape, device=labels.device, generator=generator)


def uniform_other(labels: Tensor, num_classes: int, generator: torch.Generator) -> Tensor:
    """Every class but the face's own equally often (c ≠ c' in eq. 4 of the founding paper)."""
    shift = torch.randint(1, num_classes, labels.shape, device=labels.device, generator=generator)
    return (labels + shift) % num_classes


def all_other(labels: Tensor, num_classes: int, generator: torch.Generator) -> Tensor:
    """Every other class for every face: K - 1 targets in a row for each (CCycleGAN)."""
    shifts = torch.arange(1, num_classes, device=labels.device)
    return ((labels[:, None] + shifts) % num_classes).flatten()


def own(labels: Tensor, num_classes: int, generator: torch.Generator) -> Tensor:
    """The face's own class."""
    return labels


TARGET_SAMPLERS: dict[str, TargetSampler] = {
    "permute": permuted,
    "uniform": uniform,
    "uniform_other": uniform_other,
    "all_other": all_other,
    "own": own,
}
