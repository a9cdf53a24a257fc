"""Terms that tie an image to its expression."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, logsigmoid, mse_loss, one_hot, softplus

from ganzoo.errors import GanzooError
from ganzoo.losses.base import BOTH, Need, Side, StepContext
from ganzoo.registry import LOSSES

ClassificationForm = Literal["softmax", "binary"]
CodedImage = Literal["fake", "cycle", "self_reconstruction", "sample"]


@LOSSES.register("classification")
class Classification:
    """Cross-entropy of the discriminator's classifier (StarGAN, arXiv 1711.09020; eqs. 2 and 3 of the founding paper).

    The discriminator learns the expressions of real images; the generator wants its translations to be read as the target.

    Args:
        form: ``softmax``, one choice among the classes; or ``binary``, a sigmoid for each class that says whether it is shown,
            and the mean of the cross-entropies over batch and classes (AttGAN, arXiv 1711.10678; STGAN, arXiv 1904.09709).
        fakes: What the discriminator also learns to read generated images as, if anything; in StarGAN they never train its
            classifier. Their ``target`` (ACGAN, arXiv 1610.09585), or the ``source`` they were made from: a classifier that looks
            for what is left of the source is not to be had by marks that only it can see (the adversarial source classifier
            of StarGANv2-VC, arXiv 2107.10394, which has a network of its own there).
        fake_weight: Factor of that part.
    """

    sides: ClassVar[frozenset[Side]] = BOTH

    def __init__(
        self, form: ClassificationForm = "softmax", fakes: Literal["target", "source"] | None = None, fake_weight: float = 1.0
    ) -> None:
        if form not in get_args(ClassificationForm):
            raise GanzooError(f"classification has no form '{form}'. Known: {', '.join(get_args(ClassificationForm))}.")
        if fakes not in (None, "target", "source"):
            raise GanzooError(f"classification reads fakes as their target or their source, not as '{fakes}'.")
        if fake_weight <= 0 or (fakes is None and fake_weight != 1):
            raise GanzooError(f"classification: fake_weight {fake_weight:g} has no meaning; it must be positive, beside fakes.")
        self.loss = cross_entropy if form == "softmax" else _binary_cross_entropy
        self.fakes, self.fake_weight = fakes, fake_weight

    def needs(self, side: Side) -> frozenset[Need]:
        needs: frozenset[Need] = frozenset({"class_logits", "fake"} if side == "generator" or self.fakes else {"class_logits"})
        return needs | {"source"} if side == "discriminator" and self.fakes == "source" else needs

    def __call__(self, context: StepContext) -> Tensor:
        if context.side == "generator":
            return self.loss(_logits(context, "fake"), context.target_labels)
        real = self.loss(_logits(context, "real"), context.source_labels)
        if self.fakes is None:
            return real
        labels = context.target_labels if self.fakes == "target" else context.source_labels
        return real + self.fake_weight * self.loss(_logits(context, "fake"), labels)


@LOSSES.register("action_unit_regression")
class ActionUnitRegression:
    """Mean squared error of the discriminator's estimate of action units (GANimation, arXiv 1807.09251).

    The discriminator learns the units of real images; the generator wants its translations to show those asked for. The mean
    runs over batch and units: weight 160 is the published 4000 at the published batch of 25, by which that code divides twice.
    """

    sides: ClassVar[frozenset[Side]] = BOTH

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"action_units", "fake"}) if side == "generator" else frozenset({"action_units"})

    def __call__(self, context: StepContext) -> Tensor:
        of_generator = context.side == "generator"
        estimate = context.scores("fake" if of_generator else "real").action_units
        if estimate is None:
            raise GanzooError("The discriminator's spec promises action_units, but its output has none.")
        return mse_loss(estimate.float(), context.action_units("target" if of_generator else "source"))


@LOSSES.register("code_regression")
class CodeRegression:
    """Σ over classes k of E(Q_k(G(x, c)) - c_k)²: how a face shows its code can be read off it (ExprGAN, arXiv 1709.03842).

    The mean runs over the batch and a class's block. Both players minimise it: the discriminator, whose regulariser Q is, and the
    generator; for each it is a bound on the mutual information of code and image (InfoGAN, arXiv 1606.03657).

    Args:
        image: Generated image that Q reads: ``fake``, ``cycle``, ``self_reconstruction`` or ``sample``.
    """

    sides: ClassVar[frozenset[Side]] = BOTH

    def __init__(self, image: CodedImage = "fake") -> None:
        if image not in get_args(CodedImage):
            raise GanzooError(f"code_regression reads {', '.join(get_args(CodedImage))}, not '{image}'.")
        self.image = image

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"code", "code_estimate", self.image})

    def __call__(self, context: StepContext) -> Tensor:
        estimate = context.scores(self.image).code
        if estimate is None:
            raise GanzooError("The discriminator's spec promises a code, but its output has none.")
        wanted = context.code("target" if self.image in ("fake", "sample") else "source")
        return context.num_classes * mse_loss(estimate.float(), wanted)


@LOSSES.register("null_class")
class NullClass:
    """A classifier of one sigmoid per expression, to which a generated face shows none (CCycleGAN, Tesei 2019).

    The discriminator's binary cross-entropy runs over batch and classes: real images show their expression alone, generated ones
    have a target of zeros. The generator's is -log(p_target / Σ p) for the sigmoids p: its translation is to show the target
    more than any other expression.

    Args:
        fake_weight: Factor of the generated part on the discriminator's side.
    """

    sides: ClassVar[frozenset[Side]] = BOTH

    def __init__(self, fake_weight: float = 1.0) -> None:
        self.fake_weight = fake_weight

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"class_logits", "fake"})

    def __call__(self, context: StepContext) -> Tensor:
        generated = _logits(context, "fake")
        if context.side == "generator":
            return cross_entropy(logsigmoid(generated), context.target_labels)
        real = _logits(context, "real")
        return _binary_cross_entropy(real, context.source_labels) + self.fake_weight * softplus(generated).mean()


def _binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over batch and classes, where each face shows the class of its label alone."""
    return binary_cross_entropy_with_logits(logits, one_hot(labels, logits.shape[1]).to(logits.dtype))


def _logits(context: StepContext, of: str) -> Tensor:
    logits = context.scores("fake" if of == "fake" else "real").class_logits
    if logits is None:
        raise GanzooError("The discriminator's spec promises class_logits, but its output has none.")
    return logits.float()
