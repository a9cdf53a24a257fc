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

Relativistic forms compare a score with one of the other kind; a patch map is averaged per image first, E is over the batch:

=================  ==============================================  ==================  =================================
form               discriminator                                   generator           source
=================  ==============================================  ==================  =================================
rpgan              sp(-(D(x) - D(fake)))                           roles swapped       arXiv 2501.05441 (R3GAN)
ragan              sp(-(D(x) - E D(fake))) + sp(D(fake) - E D(x))  roles swapped       arXiv 1807.00734
=================  ==============================================  ==================  =================================

``minimax`` is the log form: -log σ(D(x)) - log(1 - σ(D(fake))) for the discriminator, log(1 - σ(D(fake))) for the generator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from ganzoo.errors import GanzooError, did_you_mean
from ganzoo.losses.base import BOTH, DISCRIMINATOR, Generated, Judged, Need, Side, StepContext
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


def paired(preferred: Tensor, other: Tensor) -> Tensor:
    """How little each preferred score ``(N,)`` exceeds its partner's."""
    return softplus(other - preferred)


def averaged(preferred: Tensor, other: Tensor) -> Tensor:
    """How little preferred scores ``(N,)`` exceed the average of the others, and the others fall short of theirs."""
    return softplus(other.mean() - preferred) + softplus(other - preferred.mean())


RELATIVISTIC: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"rpgan": paired, "ragan": averaged}


def adversarial_form(name: str, also: Iterable[str] = ()) -> AdversarialForm:
    """The form called ``name``; ``also`` are names that the caller knows besides.

    Raises:
        GanzooError: No such form.
    """
    if name not in FORMS:
        known = [*FORMS, *also]
        raise GanzooError(f"Unknown adversarial loss '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}.")
    return FORMS[name]


@LOSSES.register("adversarial")
class Adversarial:
    """The game between generator and discriminator.

    For ``rpgan`` each generated image meets a real one of the class it should have, as far as the batch holds one for it
    (always with permuted targets): both are put in order of class and meet in that order.

    Args:
        loss: One of ``minimax``, ``non_saturating``, ``least_squares``, ``wgan``, ``hinge``, ``rpgan``, ``ragan``.
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
        self.relativistic = RELATIVISTIC.get(loss)
        self.form = None if self.relativistic else adversarial_form(loss, also=RELATIVISTIC)
        if self.relativistic and fake_weight != 1:
            raise GanzooError(f"adversarial: '{loss}' compares real and generated scores; fake_weight has no meaning there.")
        if image not in ("fake", "self_reconstruction", "sample"):
            raise GanzooError(f"adversarial plays with fake, self_reconstruction or sample, not '{image}'.")
        self.image: Generated = image
        self.fake_weight = fake_weight

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"scores", self.image})

    def __call__(self, context: StepContext) -> Tensor:
        if self.form is not None and context.side == "generator":
            return self.form.generator(context.scores(self.image).scores.float()).mean()
        real, generated = (output.scores.float() for output in context.real_and_generated_scores(self.image))
        if self.form is None:
            return self._compared(context, real, generated)
        return self.form.real(real).mean() + self.fake_weight * self.form.fake(generated).mean()

    def _compared(self, context: StepContext, real: Tensor, generated: Tensor) -> Tensor:
        assert self.relativistic is not None
        labels = context.target_labels if self.image in ("fake", "sample") else context.source_labels
        fake = _in_order_of_class(generated, labels)
        real = _in_order_of_class(real, context.source_labels)
        preferred, other = (fake, real) if context.side == "generator" else (real, fake)
        return self.relativistic(preferred, other).mean()


def _in_order_of_class(scores: Tensor, labels: Tensor) -> Tensor:
    """One score per image ``(N,)``, images of a class in a row."""
    return scores.flatten(1).mean(1)[torch.argsort(labels, stable=True)]


@LOSSES.register("matching_aware")
class MatchingAware:
    """A real image with a wrong expression counts as generated (Reed et al., arXiv 1605.05396; IcGAN, arXiv 1611.06355).

    Weighted ½, with ``fake_weight: 0.5`` in the adversarial term, wrong pairs and generated images weigh as much as real ones.

    Args:
        loss: Form of the adversarial loss, as in ``adversarial``.
        wrong: How wrong expressions are drawn: ``uniform``, any but the image's own as often as another; or ``data``, those of
            other images of the batch, as in IcGAN's code.
    """

    sides: ClassVar[frozenset[Side]] = DISCRIMINATOR

    def __init__(self, loss: str = "non_saturating", wrong: Literal["uniform", "data"] = "uniform") -> None:
        if wrong not in ("uniform", "data"):
            raise GanzooError(f"matching_aware draws wrong expressions uniform or as data, not '{wrong}'.")
        self.form = adversarial_form(loss)
        self.judged: Judged = "mismatched" if wrong == "uniform" else "mismatched_as_data"

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"scores", "condition"})

    def __call__(self, context: StepContext) -> Tensor:
        return self.form.fake(context.scores(self.judged).scores.float()).mean()
