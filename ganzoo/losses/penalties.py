"""Regularisers of the discriminator."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from ganzoo.errors import GanzooError
from ganzoo.losses.base import DISCRIMINATOR, Need, Reduction, Side, StepContext
from ganzoo.registry import LOSSES

Where = Literal["line", "real", "fake", "around_real", "line_around_real"]


@LOSSES.register("gradient_penalty")
class GradientPenalty:
    """E[(‖∇D(x̂)‖₂ - centre)²], the norm taken per image over all its pixels (WGAN-GP, arXiv 1704.00028).

    Args:
        center: Norm that costs nothing: 1, or 0.
        one_sided: Only norms above the centre cost (WGAN-LP, arXiv 1709.08894).
        where: Points x̂: on the ``line`` a·x + (1-a)·fake with a ~ U(0, 1) per image, at ``real`` images, at ``fake`` ones, or
            ``around_real``, x + ½·std(x)·u with u ~ U(0, 1) per pixel and std over the batch (DRAGAN, arXiv 1705.07215); or
            ``line_around_real``, on the line from x to that point: x + a·½·std(x)·u with a ~ U(0, 1) per image (DRAGAN as
            AttGAN's public code has it).
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
        like: Literal["fake", "real"] = "fake" if self.where == "fake" else "real"
        gradient = context.score_gradient(self._points(context), like, self.reduction).float().flatten(1)
        if self.center == 0:  # the square itself: a norm has no gradient where it is 0
            return gradient.square().sum(1).mean()
        excess = gradient.norm(dim=1) - self.center
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
        if self.where == "line_around_real":
            step = 0.5 * real.std(correction=0) * context.uniform(*real.shape)
            return real + context.uniform(len(real), 1, 1, 1) * step
        return real


class _SquaredGradient:
    """gamma/2 · E‖∇D(x)‖², D the mean over the patch map, the square summed over an image's pixels.

    Args:
        gamma: Strength, on top of the term's weight.
    """

    sides: ClassVar[frozenset[Side]] = DISCRIMINATOR
    where: ClassVar[Literal["real", "fake"]]

    def __init__(self, gamma: float = 1.0) -> None:
        self.gamma = gamma
        self.penalty = GradientPenalty(center=0, where=self.where, reduction="mean")

    def needs(self, side: Side) -> frozenset[Need]:
        return self.penalty.needs(side)

    def __call__(self, context: StepContext) -> Tensor:
        return self.gamma / 2 * self.penalty(context)


@LOSSES.register("r1")
class R1(_SquaredGradient):
    """R1: gamma/2 · E‖∇D(x)‖² at real images, as :class:`_SquaredGradient` (arXiv 1801.04406)."""

    where: ClassVar[Literal["real", "fake"]] = "real"


@LOSSES.register("r2")
class R2(_SquaredGradient):
    """R2: gamma/2 · E‖∇D(fake)‖² at generated images (arXiv 1801.04406; beside R1 in R3GAN, arXiv 2501.05441)."""

    where: ClassVar[Literal["real", "fake"]] = "fake"


@LOSSES.register("lecam")
class LeCam(nn.Module):
    """E[relu(D(x) - a_fake)² + relu(a_real - D(fake))²], a the moving averages of past scores (LeCam, arXiv 2104.03310).

    Scores of real images that rise above what generated ones usually get, and the reverse, cost: on little data the
    discriminator then overfits less. The averages start at the first batch's and take in a batch before judging it. Its public
    code has two forms: for BigGAN ``decay: 0.9, start: 1000`` with weight 0.3 (there the generator's steps are counted), for
    StyleGAN2 ``decay: 0.99, debias: true`` with weight 3e-7 to 1e-6.

    Args:
        decay: Share of the past in the averages: ``average = decay * average + (1 - decay) * batch``.
        start: Batches of the discriminator up to which the term is 0; before, the averages are the latest batch's.
        debias: The averages start at zero and are divided by ``1 - decay**n`` after n batches: while n is small a batch weighs as
            much as any other. Otherwise the first one weighs ``decay**(n - 1)``.
    """

    sides: ClassVar[frozenset[Side]] = DISCRIMINATOR
    averages: Tensor
    batches: Tensor

    def __init__(self, decay: float = 0.99, start: int = 0, debias: bool = False) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise GanzooError(f"lecam has no decay {decay}; it must be at least 0 and below 1.")
        if start < 0:
            raise GanzooError(f"lecam starts after 0 batches or more, not {start}.")
        if start and debias:
            raise GanzooError("lecam: averages that start late start from a batch's; with start there is nothing to debias.")
        self.decay, self.start, self.debias = decay, start, debias
        self.register_buffer("averages", torch.zeros(2))  # of real, of generated scores
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"scores", "fake"})

    def forward(self, context: StepContext) -> Tensor:
        """The value for the batch; the averages move on."""
        real, fake = (output.scores.float() for output in context.real_and_generated_scores("fake"))
        self._take_in(real, fake)
        real_average, fake_average = self.averages.clone()
        value = relu(real - fake_average).square().mean() + relu(real_average - fake).square().mean()
        return value * (self.batches > self.start) if self.start else value

    @torch.no_grad()
    def _take_in(self, real: Tensor, fake: Tensor) -> None:
        now = torch.stack([real.mean(), fake.mean()])
        if self.debias:
            share = (1 - self.decay) / (1 - self.decay ** (self.batches + 1))
            self.averages.lerp_(now, share)
        else:
            follows = (self.batches == 0) | (self.batches + 1 < self.start)
            self.averages.copy_(torch.where(follows, now, self.decay * self.averages + (1 - self.decay) * now))
        self.batches += 1
