"""Frozen networks that describe faces for loss terms, and judge none.

What scores a run must not train it: neither the judges nor the judge that gives features may stand here. Two sources are
left: a file of VGG-16 weights of the user's own (VGG-Face, or ImageNet), or a network that the trainer makes from the training
faces alone, without their labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganzoo.errors import GanzooError, one_line
from ganzoo.tensor_files import read_tensors

LAYERS = (3, 8, 13, 20, 27)
"""Places of the activations after conv1_2, 2_2, 3_2, 4_2 and 5_2 among VGG-16's layers."""
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


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

    Grey becomes three equal channels; images are resized and normalised as torchvision's weights want them.

    Args:
        weights: ``.pth`` or ``.safetensors`` file in torchvision's layout (``features.0.weight`` ...); the layers after the
            convolutions may be left out.
        size_px: Side that images are resized to (224 in the publication); at least 32.

    Raises:
        GanzooError: The file does not exist, cannot be read, or holds another network.
    """

    def __init__(self, weights: str | Path, size_px: int = 224) -> None:
        from torchvision.models import vgg16  # only where asked for: it is slow to import

        if size_px < 32:
            raise GanzooError(f"VGG-16 needs images of at least 32 px, not {size_px}.")
        tensors = _read(Path(weights).expanduser())
        with torch.device("meta"):
            whole = vgg16(weights=None).features
        try:
            whole.load_state_dict(tensors, assign=True)
        except RuntimeError as error:
            reason = one_line(str(error), 160)
            raise GanzooError(f"{weights} does not hold the convolutions of VGG-16 in torchvision's layout: {reason}") from error
        self._layers = whole[: LAYERS[-1] + 1].eval().requires_grad_(False)
        self._layers.register_buffer("mean", torch.tensor(_MEAN)[:, None, None])
        self._layers.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None])
        self._size_px = size_px

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """See :class:`FaceNetwork`; the activations after conv1_2, 2_2, 3_2, 4_2 and 5_2."""
        self._layers.to(images.device)
        resized = interpolate((images + 1) / 2, (self._size_px, self._size_px), mode="bilinear", align_corners=False)
        maps, found = (resized.expand(-1, 3, -1, -1) - self._layers.mean) / self._layers.deviation, []
        for place, layer in enumerate(self._layers):
            maps = layer(maps)
            if place in LAYERS:
                found.append(maps)
        return tuple(found)


def _read(path: Path) -> dict[str, Tensor]:
    """The convolutions of a file, by their names within ``features``."""
    way_out = "Name a local file in torchvision's layout, or leave weights out for a network made from the training faces."
    tensors = read_tensors(path, "VGG-16 weights", way_out)
    return {name.removeprefix("features."): value.float() for name, value in tensors.items() if name.startswith("features.")}
