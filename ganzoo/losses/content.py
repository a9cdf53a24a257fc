"""Terms that keep what the expression does not change."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from torch import Tensor
from torch.nn.functional import l1_loss

from ganzoo.errors import GanzooError
from ganzoo.losses.base import GENERATOR, Generated, Need, Side, StepContext
from ganzoo.registry import LOSSES


class _Reconstruction:
    """E|x - y| over all pixels, on images in [-1, 1] (so twice the value that metrics give on [0, 1])."""

    sides: ClassVar[frozenset[Side]] = GENERATOR
    image: ClassVar[Generated]

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({self.image})

    def __call__(self, context: StepContext) -> Tensor:
        return l1_loss(context.generated(self.image).image.float(), context.real)


@LOSSES.register("cycle")
class Cycle(_Reconstruction):
    """E|x - G(G(x, target), source)| (eq. 4 of the founding paper; CycleGAN, arXiv 1703.10593)."""

    image: ClassVar[Generated] = "cycle"


@LOSSES.register("self_reconstruction")
class SelfReconstruction(_Reconstruction):
    """E|x - G(x, source)|: asked for the expression it has, a face comes back (AttGAN, arXiv 1711.10678)."""

    image: ClassVar[Generated] = "self_reconstruction"


@LOSSES.register("total_variation")
class TotalVariation:
    """Mean of (dy)² across plus mean of (dy)² down, y a generated image: neighbours are alike (ExprGAN, arXiv 1709.03842).

    Args:
        image: Generated image, such as ``fake`` or ``self_reconstruction``.
        per: What the squares are averaged over: every ``pixel`` of every channel, so that the value does not depend on the size;
            or the ``side``, Σ (dy)² / (2 · side · batch), as ExprGAN's public code does. At size S and C channels that is
            C (S - 1) / 2 times as much: 23.5 times at 48×48×1, 190.5 times at 128×128×3.
    """

    sides: ClassVar[frozenset[Side]] = GENERATOR

    def __init__(self, image: Generated = "fake", per: Literal["pixel", "side"] = "pixel") -> None:
        if image not in get_args(Generated):
            raise GanzooError(f"total_variation knows no image '{image}'. Known: {', '.join(get_args(Generated))}.")
        if per not in ("pixel", "side"):
            raise GanzooError(f"total_variation averages per pixel or per side, not per '{per}'.")
        self.image, self.per = image, per

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({self.image})

    def __call__(self, context: StepContext) -> Tensor:
        image = context.generated(self.image).image.float()
        across, down = image.diff(dim=3).square(), image.diff(dim=2).square()
        if self.per == "pixel":
            return across.mean() + down.mean()
        batch, _, height, width = image.shape
        return (across.sum() / width + down.sum() / height) / (2 * batch)
