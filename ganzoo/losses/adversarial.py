"""Adversarial terms: the discriminator tells real from generated, the generator wants to pass.

Scores are logits, averaged over the batch and the patch map. With D the score, σ the sigmoid, sp(t) = log(1 + e^t):

=================  =========================================  ==================  =================================
form               discriminator                              generator           source
=================  =========================================  ==================  =================================
minimax            sp(-D(x)) + sp(D(fake))                    -sp(D(fake))        eq. 1 of the founding paper
non_saturating     sp(-D(x)) + sp(D(fake))                    sp(-D(fake))        arXiv 1406.2661
least_squares      ½(D(x) - 1)² + ½D(fake)²                   ½(D(fake) - 1)²     arXiv 1611.04076
wgan               D(fake) - D(x)                             -D(fake)            arXiv 1701.07875
hinge              relu(1 - D(x)) + relu(1 + D(fake))         -D(fake)            arXiv 1802.05957
=================  =========================================  ==================  =================================

``minimax`` is the log form: -log σ(D(x)) - log(1 - σ(D(fake))) for the discriminator, log(1 - σ(D(fake))) for the generator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus

from ganzoo.errors import GanzooError, did_you_mean
from ganzoo.losses.base import BOTH, DISCRIMINATOR, Generated, Need, Side, StepContext
from ganzoo.registry import LOSSES


class AdversarialForm(NamedTuple):
    """Pointwise losses of scores: for real images, for generated ones, and for the generator."""

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


FORMS: dict[str, AdversarialForm] = {
    "minimax": AdversarialForm(lambda s: softplus(-s), softplus, lambda s: -softplus(s)),
    "non_saturating": AdversarialForm(lambda s: softplus(-s), softplus, lambda s: softplus(-s)),
    "least_squares": AdversarialForm(
        lambda s: 0.5 * (s - 1).square(), lambda s: 0.5 * s.square(), lambda s: 0.5 * (s - 1).square()
    ),
    "wgan": AdversarialForm(lambda s: -s, lambda s: s, lambda s: -s),
    "hinge": AdversarialForm(lambda s: relu(1 - s), lambda s: relu(1 + s), lambda s: -s),
}


def adversarial_form(name: str) -> AdversarialForm:
    """The form called ``name``.

    Raises:
        GanzooError: No such form.
    """
    if name not in FORMS:
        raise GanzooError(f"Unknown adversarial loss '{name}'.{did_you_mean(name, FORMS)} Known: {', '.join(FORMS)}.")
    return FORMS[name]


@LOSSES.register("adversarial")
class Adversarial:
    """The game between generator and discriminator.

    Args:
        loss: One of ``minimax``, ``non_saturating``, ``least_squares``, ``wgan``, ``hinge``.
        image: Which generated image plays: ``fake`` (the translation), ``self_reconstruction``, or ``sample`` (from noise).
        fake_weight: Factor of the generated part on the discriminator's side (½ beside ``matching_aware``).
    """

    sides: ClassVar[frozenset[Side]] = BOTH

    def __init__(
        self,
        loss: str = "non_saturating",
        image: Literal["fake", "self_reconstruction", "sample"] = "fake",
        fake_weight: float = 1.0,
    ) -> None:
        self.form = adversarial_form(loss)
        if image not in ("fake", "self_reconstruction", "sample"):
            raise GanzooError(f"adversarial plays with fake, self_reconstruction or sample, not '{image}'.")
        self.image: Generated = image
        self.fake_weight = fake_weight

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"scores", self.image})

    def __call__(self, context: StepContext) -> Tensor:
        generated = context.scores(self.image).scores.float()
        if context.side == "generator":
            return self.form.generator(generated).mean()
        real = context.scores("real").scores.float()
        return self.form.real(real).mean() + self.fake_weight * self.form.fake(generated).mean()


@LOSSES.register("matching_aware")
class MatchingAware:
    """A real image with a wrong expression counts as generated (Reed et al., arXiv 1605.05396; IcGAN, arXiv 1611.06355).

    Weighted ½, with ``fake_weight: 0.5`` in the adversarial term, wrong pairs and generated images weigh as much as real ones.

    Args:
        loss: Form of the adversarial loss, as in ``adversarial``.
    """

    sides: ClassVar[frozenset[Side]] = DISCRIMINATOR

    def __init__(self, loss: str = "non_saturating") -> None:
        self.form = adversarial_form(loss)

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"scores", "condition"})

    def __call__(self, context: StepContext) -> Tensor:
        return self.form.fake(context.scores("mismatched").scores.float()).mean()
