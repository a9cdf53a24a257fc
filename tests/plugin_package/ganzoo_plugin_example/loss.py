"""A term that keeps translations smooth."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ganzoo.losses.base import GENERATOR, Need, Side, StepContext


class TotalVariation:
    """Mean absolute difference of neighbouring pixels of the translation, down plus across (Rudin et al., 1992).

    On images in [-1, 1]: 0 for a constant image, at most 4.
    """

    sides: ClassVar[frozenset[Side]] = GENERATOR

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"fake"})

    def __call__(self, context: StepContext) -> Tensor:
        image = context.generated("fake").image.float()
        return image.diff(dim=2).abs().mean() + image.diff(dim=3).abs().mean()
