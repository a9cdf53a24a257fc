"""Terms on the attention mask of generators that blend: 1 keeps the source's pixel, 0 replaces it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.losses.base import GENERATOR, Need, Side, StepContext
from ganzoo.registry import LOSSES


class _MaskTerm(ABC):
    """Sum over the masks of the translation and of the way back, as GANimation penalises both passes.

    Args:
        p: Power of what is averaged: 1, or 2.
    """

    sides: ClassVar[frozenset[Side]] = GENERATOR

    def __init__(self, p: int = 2) -> None:
        if p not in (1, 2):
            raise GanzooError(f"The power p of a mask term is 1 or 2, not {p}.")
        self.p = p

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"attention", "fake", "cycle"})

    def __call__(self, context: StepContext) -> Tensor:
        passes: tuple[Literal["fake", "cycle"], ...] = ("fake", "cycle")
        values = [self._of(_mask(context, which)) for which in passes]
        return values[0] + values[1]

    @abstractmethod
    def _of(self, mask: Tensor) -> Tensor:
        """The term for one mask ``(N, 1, H, W)``."""


@LOSSES.register("attention_norm")
class AttentionNorm(_MaskTerm):
    """Size of the mask A, which keeps it from saturating at 1, where nothing is changed (GANimation, arXiv 1807.09251).

    With p = 2 the root of the mean square per image, the published norm ||A||_2 over the root of the number of pixels; with
    p = 1 the mean, which the published code takes.
    """

    def _of(self, mask: Tensor) -> Tensor:
        per_image = mask.flatten(1)
        size: Tensor = per_image.abs().mean() if self.p == 1 else per_image.square().mean(1).sqrt().mean()
        return size


@LOSSES.register("attention_smoothness")
class AttentionSmoothness(_MaskTerm):
    """Total variation of the mask A: mean of |dA|^p across plus mean of |dA|^p down (GANimation, arXiv 1807.09251).

    Means, where the publication sums, so that the weight depends on neither size nor batch.
    """

    def _of(self, mask: Tensor) -> Tensor:
        across, down = mask.diff(dim=3).abs(), mask.diff(dim=2).abs()
        variation: Tensor = across.pow(self.p).mean() + down.pow(self.p).mean()
        return variation


def _mask(context: StepContext, which: Literal["fake", "cycle"]) -> Tensor:
    mask = context.generated(which).attention
    if mask is None:
        raise GanzooError("The generator's spec promises attention, but its output has none.")
    return mask.float()
