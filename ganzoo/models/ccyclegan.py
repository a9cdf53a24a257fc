"""CCycleGAN: a conditional U-Net for FER2013 at 48x48 (Tesei, 2019, openreview.net/pdf?id=HJg6j3-oeB, and its public code).

Both networks go down by four unpadded 4x4 convolutions of stride 2 (48 -> 23 -> 10 -> 4 -> 1 px); the generator is told the
target at the bottleneck and comes back up with a skip connection at every size. The norm runs over a whole image's features, with
one gain and one shift for all: the published numbers were made with it. Differs from the published code:

* Below 46 px three levels are left of the four. Where the last map is larger than 1x1 the label is appended, and the dense layer
  applied, at each of its positions.
* PyTorch's default initialisation.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from ganzoo.models.base import Discriminator, DiscriminatorOutput, DiscriminatorSpec, Generator, GeneratorOutput, GeneratorSpec
from ganzoo.models.blocks import tile_condition
from ganzoo.registry import DISCRIMINATORS, GENERATORS

MOST_LEVELS = 4
MIN_SIZE_PX = 22  # three levels


@GENERATORS.register("ccyclegan")
class CCycleGANGenerator(Generator):
    """U-Net that is told the target at its bottleneck.

    Args:
        image_channels: Channels of source and output.
        image_size_px: Side of the square images; even.
        num_classes: Number of expressions.
        width: Channels after the first convolution; doubles with every level.
    """

    spec: ClassVar = GeneratorSpec(condition="onehot", size_multiple_px=2, min_size_px=MIN_SIZE_PX, revision=2, tiny={"width": 4})

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        sizes = _sizes(image_size_px)
        channels = [image_channels, *(width * 2**level for level in range(len(sizes) - 1))]
        self.down = nn.ModuleList(_down(inputs, outputs) for inputs, outputs in pairwise(channels))
        told = channels[-1] + num_classes
        self.bottleneck = nn.Sequential(nn.Conv2d(told, told, 1), nn.LeakyReLU(0.2), nn.Conv2d(told, channels[-1], 1))
        self.up = nn.ModuleList(
            _up(channels[level] * (1 if level == len(channels) - 1 else 2), channels[level - 1], _output_padding(sizes, level))
            for level in range(len(channels) - 1, 1, -1)
        )
        self.draw = nn.ConvTranspose2d(2 * width, image_channels, 4, 2, output_padding=_output_padding(sizes, 1))

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        """Translates faces.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: One-hot target ``(N, K)``.

        Returns:
            ``image`` in (-1, 1), same shape as the source.
        """
        features, skips = image, []
        for down in self.down:
            features = down(features)
            skips.append(features)
        features = self.bottleneck(tile_condition(features, condition))
        for up, skip in zip(self.up, skips[-2::-1], strict=True):
            features = torch.cat([up(features), skip], dim=1)
        return GeneratorOutput(self.draw(features).tanh())


@DISCRIMINATORS.register("ccyclegan")
class CCycleGANDiscriminator(Discriminator):
    """Scores a whole image as real, and says for each expression whether it is shown.

    The class logits are meant for one sigmoid each (term ``null_class``): a generated face shows none.

    Args:
        image_channels: Channels of the images.
        image_size_px: Side of the square images; even.
        num_classes: Number of expressions.
        width: Channels after the first convolution; doubles with every level.
    """

    spec: ClassVar = DiscriminatorSpec(
        condition=None,
        gives=frozenset({"scores", "class_logits"}),
        size_multiple_px=2,
        min_size_px=MIN_SIZE_PX,
        revision=2,
        tiny={"width": 4},
    )

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        sizes = _sizes(image_size_px)
        channels = [image_channels, *(width * 2**level for level in range(len(sizes) - 1))]
        self.down = nn.Sequential(
            *(_down(inputs, outputs, normalised=index > 0) for index, (inputs, outputs) in enumerate(pairwise(channels))),
            nn.Flatten(),
        )
        features = channels[-1] * sizes[-1] ** 2
        self.score_head = _head(features, channels[-1], 1)
        self.class_head = _head(features, channels[-1], num_classes)

    def forward(self, image: Tensor) -> DiscriminatorOutput:
        """Judges images.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].

        Returns:
            ``scores`` ``(N, 1)`` and ``class_logits`` ``(N, K)``; unbounded.
        """
        features = self.down(image)
        return DiscriminatorOutput(self.score_head(features), self.class_head(features))


def _sizes(image_size_px: int) -> list[int]:
    """Side of the image and of each feature map on the way down."""
    sizes = [image_size_px]
    while sizes[-1] >= 4 and len(sizes) <= MOST_LEVELS:
        sizes.append((sizes[-1] - 4) // 2 + 1)
    return sizes


def _output_padding(sizes: list[int], level: int) -> int:
    """Pixels that the way up from ``level`` must add to reach the size it came from: 1 where rounding lost one, else 0."""
    return sizes[level - 1] - (2 * sizes[level] + 2)


class WholeImageNorm(nn.Module):
    """(x - mean) / (std + 0.001) over all channels and positions of an image, times one gain, plus one shift."""

    def __init__(self) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """float ``(N, C, H, W)`` to the same shape."""
        deviation, mean = torch.std_mean(features, dim=(1, 2, 3), correction=0, keepdim=True)
        normalized: Tensor = (features - mean) / (deviation + 1e-3) * self.gain + self.shift
        return normalized


def _down(inputs: int, outputs: int, normalised: bool = True) -> nn.Sequential:
    norm = [WholeImageNorm()] if normalised else []
    return nn.Sequential(nn.Conv2d(inputs, outputs, 4, 2), nn.LeakyReLU(0.2), *norm)


def _up(inputs: int, outputs: int, output_padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, 2, output_padding=output_padding),
        nn.ReLU(),
        WholeImageNorm(),
    )


def _head(features: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(features, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, outputs))
