"""What a generator is asked for: conditions and their views, and how the targets of a training batch are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ganzoo.data.base import Dataset
from ganzoo.data.expressions import EMOTIONS, class_prototypes
from ganzoo.data.naming import expression_of
from ganzoo.errors import GanzooError

_WEAKEST_TARGET = 0.5
_TARGET_NOISE = 0.1

CODE_SIZE = 5
"""Length of a class's block in an expression code, as ``ganzoo.models.base`` has it for networks."""


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
                source one-hot) float ``(N, K)`` in {-1, 0, 1}; ``index`` int64 ``(N,)``; ``code`` at full intensity, float
                ``(N, 5 K)`` in {-1, 1}, the target's five numbers 1 and all others -1.

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
        if name == "code":
            return (2 * target - 1).repeat_interleave(CODE_SIZE, dim=1)
        if name == "difference":
            return target - one_hot(self.source, self.num_classes).float()
        raise GanzooError(f"There is no view '{name}' of a condition. Known: onehot, signed, difference, index, code.")


def without_prototype(class_names: Sequence[str]) -> list[str]:
    """The classes that have no action-unit prototype."""
    return [name for name in class_names if expression_of(name) not in EMOTIONS]


def shared_prototypes(class_names: Sequence[str]) -> list[str]:
    """The classes whose action-unit prototype is another's as well (``happy`` and ``joy``), which nothing then tells apart."""
    meant = [expression_of(name) for name in class_names]
    return [name for name, emotion in zip(class_names, meant, strict=True) if emotion and meant.count(emotion) > 1]


class ActionUnits:
    """Action units of the training faces, and of the expressions asked for.

    Where the data know each face's units, targets are those of random faces of the wanted class plus U(-0.1, 0.1) per unit,
    as GANimation's code draws them (arXiv 1807.09251): a little below 0 or above 1 at times. Elsewhere a face has the EMFACS
    prototype of its class, and a target is that of the wanted class at a strength of U(0.5, 1): weak labels, so that a
    discriminator that measures units then classifies in their coordinates.

    Args:
        dataset: Its classes must all have prototypes.
        device: Where batches are.
    """

    def __init__(self, dataset: Dataset, device: torch.device) -> None:
        self._prototypes = class_prototypes(dataset.class_names).to(device)
        units, labels = dataset.train.action_units, dataset.train.labels
        self._known = None if units is None else units.to(device)
        # The faces of class k stand at by_class[first[k] : first[k] + counts[k]].
        self._by_class = labels.argsort(stable=True).to(device)
        self._counts = torch.bincount(labels, minlength=dataset.num_classes).to(device)
        self._first = self._counts.cumsum(0) - self._counts

    def of_faces(self, labels: Tensor, indices: Tensor) -> Tensor:
        """Units of training faces: float32 ``(N, 17)`` in [0, 1] for labels and places, int64 ``(N,)``."""
        return self._prototypes[labels] if self._known is None else self._known[indices]

    def draw_targets(self, targets: Tensor, generator: torch.Generator) -> Tensor:
        """Units to ask for: float32 ``(N, 17)`` in [-0.1, 1.1] for wanted classes, int64 ``(N,)``."""
        if self._known is None:
            strength = torch.rand(len(targets), 1, device=targets.device, generator=generator)
            return self._prototypes[targets] * (_WEAKEST_TARGET + (1 - _WEAKEST_TARGET) * strength)
        place = torch.rand(len(targets), device=targets.device, generator=generator) * self._counts[targets]
        # Rounding up to the count itself is possible in float32.
        place = torch.minimum(place.long(), self._counts[targets] - 1)
        units = self._known[self._by_class[self._first[targets] + place]]
        noise = 2 * torch.rand(units.shape, device=units.device, generator=generator) - 1
        return units + _TARGET_NOISE * noise


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


def other_of_batch(labels: Tensor, num_classes: int, generator: torch.Generator) -> Tensor:
    """For each face the class of a random face of the batch that shows another one; of a batch of one class, any other class."""
    differs = labels[None, :] != labels[:, None]
    chosen = (differs * (1 + torch.rand(differs.shape, device=labels.device, generator=generator))).argmax(dim=1)
    anything = uniform_other(labels, num_classes, generator)
    return torch.where(differs.any(dim=1), labels[chosen], anything)


TARGET_SAMPLERS: dict[str, TargetSampler] = {
    "permute": permuted,
    "uniform": uniform,
    "uniform_other": uniform_other,
    "all_other": all_other,
    "own": own,
}
