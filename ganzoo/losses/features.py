"""Terms that compare images by features of a network: the discriminator's own, or those of a frozen one that does not judge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, l1_loss

from ganzoo.errors import GanzooError
from ganzoo.losses.base import GENERATOR, Generated, Need, Side, StepContext
from ganzoo.losses.frozen import FaceNetwork, Vgg16, WeightsKind, check_kind
from ganzoo.registry import LOSSES

Compared = Literal["pairs", "means"]
Distance = Literal["cosine", "l1"]


@LOSSES.register("feature_matching")
class FeatureMatching:
    """Generated images should look real to the layers of the discriminator, not to its verdict alone.

    Σ over its layers l: ``means``, |E f_l(x) - E f_l(fake)| averaged over features, which needs no pairs (Salimans et al.,
    arXiv 1606.03498, there squared); or ``pairs``, E|f_l(x) - f_l(fake)|, which asks of each image what its source has, and so
    suits reconstructions (pix2pixHD, arXiv 1711.11585).

    Args:
        image: Which generated image is compared with the real ones: ``fake``, ``cycle``, ``self_reconstruction`` or ``sample``.
        compare: ``means`` over the batch, or ``pairs``.
    """

    sides: ClassVar[frozenset[Side]] = GENERATOR

    def __init__(self, image: Generated = "fake", compare: Compared = "means") -> None:
        if compare not in get_args(Compared):
            raise GanzooError(f"feature_matching compares {' or '.join(get_args(Compared))}, not '{compare}'.")
        self.image, self.compare = _generated(image, "feature_matching"), compare

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"features", "scores", self.image})

    def __call__(self, context: StepContext) -> Tensor:
        layers = zip(context.features("real"), context.features(self.image), strict=True)
        return torch.stack([self._distance(real.float(), generated.float()) for real, generated in layers]).sum()

    def _distance(self, real: Tensor, generated: Tensor) -> Tensor:
        if self.compare == "means":
            real, generated = real.mean(dim=0), generated.mean(dim=0)
        return l1_loss(generated, real)


class _OfFrozenNetwork(nn.Module, ABC):
    """Compares a generated image with its source by a frozen network.

    Args:
        image: ``fake``, ``cycle`` or ``self_reconstruction``.
        weights: Local file of VGG-16 weights, such as VGG-Face's; where left out, a network made from the training faces.
        size_px: Side that images are resized to for VGG-16.
        weights_kind: Whose conventions the file follows: ``imagenet`` or ``vgg_face``, see :class:`ganzoo.losses.frozen.Vgg16`.
    """

    sides: ClassVar[frozenset[Side]] = GENERATOR
    face_network: FaceNetwork | None

    def __init__(self, image: Generated, weights: str | None, size_px: int, weights_kind: WeightsKind) -> None:
        super().__init__()
        self.image = _generated(image, "a comparison with the source", but="sample")
        check_kind(weights_kind)
        if weights is None and weights_kind != "imagenet":
            raise GanzooError(f"weights_kind '{weights_kind}' says what a file holds; name it: weights=FILE.")
        self.face_network = None if weights is None else Vgg16(weights, size_px, weights_kind)

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({self.image, "source"})

    def forward(self, context: StepContext) -> Tensor:
        """The value for the batch."""
        if self.face_network is None:
            raise GanzooError("A term that compares faces by a frozen network was given none.")
        with torch.no_grad():
            real = self.face_network(context.real)
        return self._distance(real, self.face_network(context.generated(self.image).image.float()))

    @abstractmethod
    def _distance(self, real: tuple[Tensor, ...], generated: tuple[Tensor, ...]) -> Tensor:
        """The term for the feature maps of sources and generated images."""


@LOSSES.register("perceptual")
class Perceptual(_OfFrozenNetwork):
    """Σ over layers l of E|φ_l(x) - φ_l(y)|, each a mean over its features, φ a frozen network (arXiv 1603.08155).

    ExprGAN (arXiv 1709.03842) takes VGG-Face from conv1_2 to conv5_2 before the ReLU: a file of ``weights_kind: vgg_face``. Its
    public code divides each mean once more by the map's area, as ``divide_by_area`` does. Without a file φ is a network that
    learned to tell the training faces apart, without their labels.

    Args:
        image: Which generated image is compared with its source: ``fake``, ``cycle`` or ``self_reconstruction``.
        weights: Local file of VGG-16 weights.
        size_px: Side that images are resized to for VGG-16.
        weights_kind: Whose conventions the file follows: ``imagenet`` or ``vgg_face``, see :class:`ganzoo.losses.frozen.Vgg16`.
        divide_by_area: Each layer's mean is divided by the positions of its map (of VGG-16 at 224 px by 224², 112², 56², 28² and
            14²), so that a layer of half the side weighs four times as much.
    """

    def __init__(
        self,
        image: Generated = "self_reconstruction",
        weights: str | None = None,
        size_px: int = 224,
        weights_kind: WeightsKind = "imagenet",
        divide_by_area: bool = False,
    ) -> None:
        super().__init__(image, weights, size_px, weights_kind)
        self.divide_by_area = divide_by_area

    def _distance(self, real: tuple[Tensor, ...], generated: tuple[Tensor, ...]) -> Tensor:
        layers = zip(real, generated, strict=True)
        return torch.stack([l1_loss(after.float(), before.float()) / self._area(before) for before, after in layers]).sum()

    def _area(self, maps: Tensor) -> int:
        return maps[0, 0].numel() if self.divide_by_area else 1


@LOSSES.register("identity")
class Identity(_OfFrozenNetwork):
    """1 - cos(e(x), e(y)), or E|e(x) - e(y)|: a frozen network e takes both for the same face.

    e is the mean over positions of the network's last feature map. Left to itself the network tells training images apart, and
    so sees the person only as far as light, pose and expression do not tell more; ``weights`` can be a face network.

    Args:
        image: Which generated image is compared with its source: ``fake``, ``cycle`` or ``self_reconstruction``.
        distance: ``cosine`` or ``l1``.
        weights: Local file of VGG-16 weights.
        size_px: Side that images are resized to for VGG-16.
        weights_kind: Whose conventions the file follows: ``imagenet`` or ``vgg_face``, see :class:`ganzoo.losses.frozen.Vgg16`.
    """

    def __init__(
        self,
        image: Generated = "fake",
        distance: Distance = "cosine",
        weights: str | None = None,
        size_px: int = 224,
        weights_kind: WeightsKind = "imagenet",
    ) -> None:
        if distance not in get_args(Distance):
            raise GanzooError(f"identity knows the distances {' and '.join(get_args(Distance))}, not '{distance}'.")
        super().__init__(image, weights, size_px, weights_kind)
        self.distance = distance

    def _distance(self, real: tuple[Tensor, ...], generated: tuple[Tensor, ...]) -> Tensor:
        before, after = (maps[-1].float().mean(dim=(2, 3)) for maps in (real, generated))
        return (1 - cosine_similarity(after, before)).mean() if self.distance == "cosine" else l1_loss(after, before)


def _generated(image: Generated, who: str, but: str = "") -> Generated:
    known = [name for name in get_args(Generated) if name not in ("fake_again", but)]
    if image not in known:
        raise GanzooError(f"There is no image '{image}' for {who}. Known: {', '.join(known)}.")
    return image
