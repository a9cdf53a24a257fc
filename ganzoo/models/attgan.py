"""AttGAN: Facial Attribute Editing by Only Changing What You Want (He et al., TIP 2019, arXiv 1711.10678).

An encoder takes the face apart, a decoder that is told the target puts it together again; the discriminator also says which
attributes it sees. Made for binary attributes, of which a face has several. Here they are the expressions, of which it has one:
the generator takes +1 for the target and -1 for all others, the discriminator's logits are meant for one sigmoid each (term
``classification`` with ``form: binary``). Differs from the published code:

* The depth follows the image size: the most halvings, up to the published 5, that leave a map of at least 3x3 (4 at 48 px), as
  instance norm needs more than one position.
* Faces are translated with targets of ±1, as in training, unless an intensity is asked for; the published editor doubles the
  edited attribute.
* PyTorch's default initialisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError
from ganzoo.models.base import Discriminator, DiscriminatorOutput, DiscriminatorSpec, Generator, GeneratorOutput, GeneratorSpec
from ganzoo.models.blocks import InstanceNorm2d, halvings, tile_condition
from ganzoo.registry import DISCRIMINATORS, GENERATORS

MOST_LEVELS = 5
SIZE_MULTIPLE_PX, MIN_SIZE_PX = 4, 12  # two levels


class Encoder(nn.Module):
    """Stride-2 convolutions with batch norm.

    Args:
        channels: Of the image, then of the map at each level.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Conv2d(above, below, 4, 2, 1, bias=False), _batch_norm(below), nn.LeakyReLU(0.2))
            for above, below in pairwise(channels)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """Feature maps of an image ``(N, C, H, W)``, the deepest last; that of level l is ``(N, channels[l], H/2^l, W/2^l)``."""
        maps = [image]
        for level in self.levels:
            maps.append(level(maps[-1]))
        return maps[1:]


class Decoder(nn.Module):
    """Transposed convolutions with batch norm, told the condition at the bottleneck and after the first layers.

    Args:
        channels: Those of the encoder: of the image, then of the map at each level.
        num_classes: Length of the condition.
        shortcut_layers: Layers whose output is joined by a skip connection.
        inject_layers: Layers whose output is joined by the condition.

    Raises:
        GanzooError: More shortcuts or injections than layers, or fewer than none.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, shortcut_layers: int, inject_layers: int) -> None:
        super().__init__()
        most = len(channels) - 2
        for name, value in (("shortcut_layers", shortcut_layers), ("inject_layers", inject_layers)):
            if not 0 <= value <= most:
                raise GanzooError(f"{name} must be between 0 and {most} at this image size, not {value}.")
        self.shortcut_layers, self.inject_layers = shortcut_layers, inject_layers
        layers: list[nn.Module] = []
        inputs = channels[-1] + num_classes
        for index, level in enumerate(range(most + 1, 1, -1)):
            layers.append(_up(inputs, channels[level]))
            inputs = channels[level] + (index < shortcut_layers) * channels[level - 1] + (index < inject_layers) * num_classes
        self.layers = nn.ModuleList(layers)
        self.draw = nn.Sequential(nn.ConvTranspose2d(inputs, channels[0], 4, 2, 1), nn.Tanh())

    def forward(self, deepest: Tensor, skips: Sequence[Tensor], condition: Tensor) -> Tensor:
        """Puts a face together.

        Args:
            deepest: Last map of the encoder.
            skips: Maps for the skip connections, the smallest first; each as large as the layer's output.
            condition: float ``(N, K)``.

        Returns:
            Image ``(N, C, H, W)`` in (-1, 1).
        """
        features = tile_condition(deepest, condition)
        for index, layer in enumerate(self.layers):
            features = layer(features)
            if index < self.shortcut_layers:
                features = torch.cat([features, skips[index]], dim=1)
            if index < self.inject_layers:
                features = tile_condition(features, condition)
        image: Tensor = self.draw(features)
        return image


@GENERATORS.register("attgan")
class AttGANGenerator(Generator):
    """Encoder and decoder with one skip connection.

    Args:
        image_channels: Channels of source and output.
        image_size_px: Side of the square images; a multiple of 4.
        num_classes: Number of expressions.
        width: Channels after the first convolution (64 in the paper); doubles with every level, up to 16 times.
        shortcut_layers: Decoder layers joined by a skip connection (1 in the paper).
        inject_layers: Decoder layers, beside the bottleneck, that are told the target (1 in the paper).
    """

    spec: ClassVar = GeneratorSpec(
        condition="signed",
        size_multiple_px=SIZE_MULTIPLE_PX,
        min_size_px=MIN_SIZE_PX,
        couples_batch=True,
        continuous=True,
        revision=2,
        tiny={"width": 4},
    )

    def __init__(
        self,
        *,
        image_channels: int,
        image_size_px: int,
        num_classes: int,
        width: int = 64,
        shortcut_layers: int = 1,
        inject_layers: int = 1,
    ) -> None:
        super().__init__()
        channels = level_channels(image_channels, image_size_px, width)
        self.encoder = Encoder(channels)
        self.decoder = Decoder(channels, num_classes, shortcut_layers, inject_layers)

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        """Translates faces.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: Target ``(N, K)``: 1 for the wanted expression, -1 for the others.

        Returns:
            ``image`` in (-1, 1), same shape as the source.
        """
        *maps, deepest = self.encoder(image)
        return GeneratorOutput(self.decoder(deepest, maps[::-1], condition))


@DISCRIMINATORS.register("attgan")
class AttGANDiscriminator(Discriminator):
    """Scores a whole image as real, and says for each expression whether it is shown; also STGAN's.

    Args:
        image_channels: Channels of the images.
        image_size_px: Side of the square images; a multiple of 4.
        num_classes: Number of expressions.
        width: Channels after the first convolution (64 in the paper); doubles with every level, up to 16 times, which is also the
            width of the heads' hidden layers.
    """

    spec: ClassVar = DiscriminatorSpec(
        condition=None,
        gives=frozenset({"scores", "class_logits"}),
        size_multiple_px=SIZE_MULTIPLE_PX,
        min_size_px=MIN_SIZE_PX,
        revision=2,
        tiny={"width": 4},
        # A Wasserstein loss sees differences of scores alone: what is added to all of them cancels.
        no_gradient=frozenset({"score_head.2.bias"}),
    )

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        channels = level_channels(image_channels, image_size_px, width)
        self.main = nn.Sequential(*(_judging_level(above, below) for above, below in pairwise(channels)), nn.Flatten())
        features = channels[-1] * (image_size_px // 2 ** (len(channels) - 1)) ** 2
        self.score_head = _head(features, 16 * width, 1)
        self.class_head = _head(features, 16 * width, num_classes)

    def forward(self, image: Tensor) -> DiscriminatorOutput:
        """Judges images.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].

        Returns:
            ``scores`` ``(N, 1)`` and ``class_logits`` ``(N, K)``, each for a sigmoid of its own; unbounded.
        """
        features = self.main(image)
        return DiscriminatorOutput(self.score_head(features), self.class_head(features))


def level_channels(image_channels: int, image_size_px: int, width: int) -> list[int]:
    """Channels of the image and of the map at each level; as many levels as the image size allows."""
    levels = halvings(image_size_px, most=MOST_LEVELS)
    return [image_channels, *(width * min(2**level, 16) for level in range(levels))]


def _up(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), _batch_norm(outputs), nn.ReLU())


def _judging_level(inputs: int, outputs: int) -> nn.Sequential:
    norm = InstanceNorm2d(outputs, eps=1e-6, affine=True)
    return nn.Sequential(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), norm, nn.LeakyReLU(0.2))


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    """With the published code's constants: 0.001 in the denominator, running statistics that keep 0.999 a step."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=1e-3)


def _head(features: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, outputs))
