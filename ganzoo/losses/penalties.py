"""Regularisers of the discriminator."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.losses.base import DISCRIMINATOR, Need, Side, StepContext
from ganzoo.registry import LOSSES

Where = Literal["line", "real", "fake", "around_real"]
Reduction = Literal["sum", "mean"]


@LOSSES.register("gradient_penalty")
class GradientPenalty:
    """E[(‖∇D(x̂)‖₂ - centre)²], the norm taken per image over all its pixels (WGAN-GP, arXiv 1704.00028).

    Args:
        center: Norm that costs nothing: 1, or 0.
        one_sided: Only norms above the centre cost (WGAN-LP, arXiv 1709.08894).
        where: Points x̂: on the ``line`` a·x + (1-a)·fake with a ~ U(0, 1) per image, at ``real`` images, at ``fake`` ones, or
            ``around_real`` (x + ½·std(x)·U(0, 1), DRAGAN, arXiv 1705.07215).
        reduction: How the patch scores of an image become the D that is differentiated. StarGAN sums them, so that the
            bound is on the sum while the adversarial terms use the mean; ``mean`` bounds the mean.
    """

    sides: ClassVar[frozenset[Side]] = DISCRIMINATOR

    def __init__(self, center: float = 1.0, one_sided: bool = False, where: Where = "line", reduction: Reduction = "sum") -> None:
        if where not in get_args(Where):
            raise GanzooError(f"gradient_penalty has no place '{where}'. Known: {', '.join(get_args(Where))}.")
        if reduction not in get_args(Reduction):
            raise GanzooError(f"gradient_penalty has no reduction '{reduction}'. Known: {', '.join(get_args(Reduction))}.")
        self.center, self.one_sided, self.where, self.reduction = center, one_sided, where, reduction

    def needs(self, side: Side) -> frozenset[Need]:
        generated: frozenset[Need] = frozenset({"fake"}) if self.where in ("line", "fake") else frozenset()
        return generated | {"scores", "input_gradient"}

    def __call__(self, context: StepContext) -> Tensor:
        points = self._points(context).detach().requires_grad_(True)
        scores = context.discriminate(points, like="fake" if self.where == "fake" else "real").scores
        per_image = scores.flatten(1).sum(1) if self.reduction == "sum" else scores.flatten(1).mean(1)
        (gradient,) = torch.autograd.grad(per_image.sum(), points, create_graph=True)
        excess = gradient.float().flatten(1).norm(dim=1) - self.center
        cost: Tensor = (excess.relu() if self.one_sided else excess).square().mean()
        return cost

    def _points(self, context: StepContext) -> Tensor:
        real = context.real
        if self.where == "line":
            mix = context.uniform(len(real), 1, 1, 1)
            return mix * real + (1 - mix) * context.generated("fake").image.to(real.dtype)
        if self.where == "fake":
            return context.generated("fake").image.to(real.dtype)
        if self.where == "around_real":
            return real + 0.5 * real.std() * context.uniform(*real.shape)
        return real
