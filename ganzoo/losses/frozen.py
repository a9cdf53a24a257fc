"""Frozen networks that describe faces for loss terms, and judge none.

What scores a run must not train it: neither the judges nor the judge that gives features may stand here. Two sources are
left: a file of VGG-16 weights of the user's own (VGG-Face, or ImageNet), or a network that the trainer makes from the training
faces alone, without their labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganzoo.errors import GanzooError, one_line
from ganzoo.surroundings import expanded
from ganzoo.tensor_files import read_tensors

WeightsKind = Literal["imagenet", "vgg_face"]
"""Whose conventions a file of VGG-16 weights follows."""
CONVOLUTIONS = (2, 7, 12, 19, 26)
"""Places of conv1_2, 2_2, 3_2, 4_2 and 5_2 among VGG-16's layers; each is followed by its ReLU."""


class _Convention(NamedTuple):
    """What a file's network wants to be fed with (images in [0, 1] become ``(scale * image - mean) / deviation``), and whether
    its maps are taken before the ReLU."""

    scale: float
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    before_relu: bool


_CONVENTIONS: dict[str, _Convention] = {
    "imagenet": _Convention(1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), before_relu=False),
    "vgg_face": _Convention(255.0, (129.1863, 104.7624, 93.5940), (1.0, 1.0, 1.0), before_relu=True),
}


class FaceNetwork(Protocol):
    """A frozen network that describes faces, each on its own."""

    def __call__(self, images: Tensor, /) -> tuple[Tensor, ...]:
        """Feature maps of images float ``(N, C, H, W)`` in [-1, 1], from fine to coarse: float ``(N, c, h, w)`` each."""
        ...


@runtime_checkable
class UsesFaceNetwork(Protocol):
    """A term that describes faces by a frozen network.

    Attributes:
        face_network: The network; where the term has none, the trainer gives it the one made from the training faces.
    """

    face_network: FaceNetwork | None


class Vgg16:
    """The five stages of VGG-16 (arXiv 1409.1556) with weights from a local file, frozen.

    Grey becomes three equal channels; images are resized bilinearly, pixel centers aligned.

    Args:
        weights: ``.pth`` or ``.safetensors`` file in torchvision's layout (``features.0.weight`` ...) or, of ``vgg_face`` alone,
            by the layers' published names too (``conv1_1.weight`` ..., as in vgg_face_dag.pth); other layers may stand in it.
        size_px: Side that images are resized to (224 in the publication); at least 32.
        kind: ``imagenet``: images on [0, 1] less torchvision's mean, over its deviation, maps taken after the ReLU; or
            ``vgg_face``: images on 0 to 255 less (129.1863, 104.7624, 93.5940), maps taken before the ReLU, as ExprGAN's public
            code takes them. Channels are red, green, blue for both, as in VGG-Face's MatConvNet file: of a file from Caffe
            (blue, green, red) turn the first layer's input channels around.

    Raises:
        GanzooError: No such kind; the file does not exist, cannot be read, or holds another network.
    """

    def __init__(self, weights: str | Path, size_px: int = 224, kind: WeightsKind = "imagenet") -> None:
        from torchvision.models import vgg16  # only where asked for: it is slow to import

        check_kind(kind)
        if size_px < 32:
            raise GanzooError(f"VGG-16 needs images of at least 32 px, not {size_px}.")
        with torch.device("meta"):
            whole = vgg16(weights=None).features
        tensors = _read(expanded(weights), _published_names(whole) if kind == "vgg_face" else {})
        try:
            whole.load_state_dict(tensors, assign=True)
        except RuntimeError as error:
            layout = "torchvision's layout or by VGG-Face's names" if kind == "vgg_face" else "torchvision's layout"
            reason = one_line(str(error), 160)
            raise GanzooError(f"{weights} does not hold the convolutions of VGG-16 in {layout}: {reason}") from error
        self._convention = _CONVENTIONS[kind]
        self._places = [place + (not self._convention.before_relu) for place in CONVOLUTIONS]
        self._layers = whole[: self._places[-1] + 1].eval().requires_grad_(False)
        for layer in self._layers:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # It would change a map that was taken before it.
        self._layers.register_buffer("mean", torch.tensor(self._convention.mean)[:, None, None])
        self._layers.register_buffer("deviation", torch.tensor(self._convention.deviation)[:, None, None])
        self._size_px = size_px

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """See :class:`FaceNetwork`; the maps of conv1_2, 2_2, 3_2, 4_2 and 5_2."""
        self._layers.to(images.device)
        resized = interpolate((images + 1) / 2, (self._size_px, self._size_px), mode="bilinear", align_corners=False)
        scaled = self._convention.scale * resized.expand(-1, 3, -1, -1)
        maps, found = (scaled - self._layers.mean) / self._layers.deviation, []
        for place, layer in enumerate(self._layers):
            maps = layer(maps)
            if place in self._places:
                found.append(maps)
        return tuple(found)


def check_kind(kind: str) -> None:
    """Says in words where there is no such :data:`WeightsKind`.

    Raises:
        GanzooError: There is none.
    """
    if kind not in _CONVENTIONS:
        raise GanzooError(f"weights_kind is {' or '.join(_CONVENTIONS)}, not '{kind}'.")


def _published_names(layers: nn.Sequential) -> dict[str, str]:
    """The names that convolutions have in the publication (``conv1_1``), and those that they have among the layers (``0``)."""
    names, stage, number = {}, 1, 0
    for place, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            number += 1
            names[f"conv{stage}_{number}"] = str(place)
        elif isinstance(layer, nn.MaxPool2d):
            stage, number = stage + 1, 0
    return names


def _read(path: Path, also: Mapping[str, str]) -> dict[str, Tensor]:
    """The convolutions of a file, by their names within ``features``; ``also`` are other names of layers, and those within it."""
    way_out = "Name a local file in torchvision's layout, or leave weights out for a network made from the training faces."
    found = {}
    for name, value in read_tensors(path, "VGG-16 weights", way_out).items():
        layer, _, kind = name.removeprefix("features.").rpartition(".")
        if name.startswith("features.") or layer in also:
            found[f"{also.get(layer, layer)}.{kind}"] = value.float()
    return found
