"""Terms on the latent vectors, label encoders and styles of generators that encode faces."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor
from torch.nn.functional import cross_entropy, l1_loss, mse_loss, one_hot

from ganzoo.errors import GanzooError
from ganzoo.losses.adversarial import adversarial_form
from ganzoo.losses.base import BOTH, GENERATOR, Need, Side, StepContext
from ganzoo.registry import LOSSES


@LOSSES.register("latent_regression")
class LatentRegression:
    """E(z - E_z(G(z, y)))^2: the encoder finds the noise that an image was drawn from (IcGAN, arXiv 1611.06355)."""

    sides: ClassVar[frozenset[Side]] = GENERATOR

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"sample", "latent"})

    def __call__(self, context: StepContext) -> Tensor:
        return mse_loss(context.encoded("sample").float(), context.noise())


@LOSSES.register("latent_consistency")
class LatentConsistency:
    """E|E_z(G(x, target)) - E_z(x)|: an edit leaves the latent where it was; ours, for the double-encoder GAN."""

    sides: ClassVar[frozenset[Side]] = GENERATOR

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"fake", "latent"})

    def __call__(self, context: StepContext) -> Tensor:
        return l1_loss(context.encoded("fake").float(), context.encoded("real").float())


@LOSSES.register("latent_adversarial")
class LatentAdversarial:
    """Latents of faces against draws of noise, so that the encoder fills the noise's range evenly (ExprGAN, arXiv 1709.03842).

    To the discriminator of latents, noise z is real and E(x) generated; the encoder wants E(x) to pass.

    Args:
        loss: Form of the adversarial loss, as in ``adversarial``, but not a relativistic one.
    """

    sides: ClassVar[frozenset[Side]] = BOTH

    def __init__(self, loss: str = "non_saturating") -> None:
        self.form = adversarial_form(loss)

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"latent", "latent_scores"})

    def __call__(self, context: StepContext) -> Tensor:
        encoded = context.latent_scores("real").float()
        if context.side == "generator":
            return self.form.generator(encoded).mean()
        return self.form.real(context.latent_scores("prior").float()).mean() + self.form.fake(encoded).mean()


@LOSSES.register("label_encoding")
class LabelEncoding:
    """What the generator's label encoder sees in an image, against the expression it has or should have.

    Args:
        image: ``real``, which trains the encoder, or ``fake``, which trains what made it to show the target.
        form: ``cross_entropy``, or ``squared`` error from the one-hot label in {-1, 1} (IcGAN, arXiv 1611.06355).
    """

    sides: ClassVar[frozenset[Side]] = GENERATOR

    def __init__(
        self, image: Literal["real", "fake"] = "real", form: Literal["cross_entropy", "squared"] = "cross_entropy"
    ) -> None:
        if image not in ("real", "fake") or form not in ("cross_entropy", "squared"):
            raise GanzooError(f"label_encoding knows image real or fake and form cross_entropy or squared, not {image}, {form}.")
        self.image: Literal["real", "fake"] = image
        self.form = form

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"label_encoder", "fake"}) if self.image == "fake" else frozenset({"label_encoder"})

    def __call__(self, context: StepContext) -> Tensor:
        seen = context.classified(self.image).float()
        labels = context.target_labels if self.image == "fake" else context.source_labels
        if self.form == "cross_entropy":
            return cross_entropy(seen, labels)
        return mse_loss(seen, 2 * one_hot(labels, seen.shape[1]).to(seen.dtype) - 1)


@LOSSES.register("style_reconstruction")
class StyleReconstruction:
    """E|E_y(G(x, s)) - s|: the style encoder finds the style a face was made with (StarGAN v2, arXiv 1912.01865)."""

    sides: ClassVar[frozenset[Side]] = GENERATOR

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"fake", "style"})

    def __call__(self, context: StepContext) -> Tensor:
        style = context.generated("fake").style
        if style is None:
            raise GanzooError("The generator's spec promises a style, but its output has none.")
        return l1_loss(context.style_of("fake").float(), style.float())


@LOSSES.register("diversity")
class Diversity:
    """-E|G(x, s) - G(x, s')|: two styles of one expression should differ (StarGAN v2, arXiv 1912.01865)."""

    sides: ClassVar[frozenset[Side]] = GENERATOR

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"fake", "fake_again", "style"})

    def __call__(self, context: StepContext) -> Tensor:
        return -l1_loss(context.generated("fake").image.float(), context.generated("fake_again").image.float())
