"""Conditional DCGAN: noise and expression to image, and the label-conditioned discriminator.

DCGAN (arXiv 1511.06434) with the one-hot label appended to the input and to every hidden layer of both networks, as the
authors' conditional variant does. 5×5 kernels; images in [-1, 1].
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ganzoo.models.base import Discriminator, DiscriminatorOutput, DiscriminatorSpec, Generator, GeneratorOutput, GeneratorSpec
from ganzoo.models.blocks import initialise_dcgan, tile_condition
from ganzoo.registry import DISCRIMINATORS, GENERATORS

LEVELS = 4


@GENERATORS.register("cdcgan")
class CDCGANGenerator(Generator):
    """Draws a face of the wanted expression from noise; it sees no source.

    Args:
        image_channels: Channels of the output.
        image_size_px: Side of the square images; a multiple of 16.
        num_classes: Number of expressions.
        width: Channels before the last layer; the first feature map has 8 times as many.
    """

    spec: ClassVar = GeneratorSpec(
        condition="onehot",
        takes_image=False,
        noise_size=100,
        noise="uniform",
        size_multiple_px=16,
        min_size_px=32,
        couples_batch=True,
        tiny={"width": 4},
    )

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        self.start = (8 * width, image_size_px // 2**LEVELS, image_size_px // 2**LEVELS)
        features = 8 * width * (image_size_px // 2**LEVELS) ** 2
        self.project = nn.Sequential(nn.Linear(self.spec.noise_size + num_classes, features), nn.BatchNorm1d(features), nn.ReLU())
        channels = [8 * width, 4 * width, 2 * width, width, image_channels]
        self.decoder = nn.ModuleList(
            nn.ConvTranspose2d(inputs + num_classes, outputs, 5, 2, 2, output_padding=1)
            for inputs, outputs in zip(channels, channels[1:], strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for outputs in channels[1:-1])
        initialise_dcgan(self)

    def forward(self, noise: Tensor, condition: Tensor) -> GeneratorOutput:
        """Draws faces.

        Args:
            noise: float ``(N, 100)``, uniform in [-1, 1].
            condition: One-hot target ``(N, K)``.

        Returns:
            ``image`` ``(N, C, H, W)`` in (-1, 1).
        """
        features = self.project(torch.cat([noise, condition.to(noise.dtype)], dim=1)).unflatten(1, self.start)
        for up, norm in zip(self.decoder[:-1], self.norms, strict=True):
            features = norm(up(tile_condition(features, condition))).relu()
        return GeneratorOutput(self.decoder[-1](tile_condition(features, condition)).tanh())


@DISCRIMINATORS.register("cdcgan")
class CDCGANDiscriminator(Discriminator):
    """Scores a pair of image and expression: real and fitting, or not.

    Args:
        image_channels: Channels of the images.
        image_size_px: Side of the square images; a multiple of 16.
        num_classes: Number of expressions.
        width: Channels after the first convolution.
    """

    spec: ClassVar = DiscriminatorSpec(
        condition="onehot", size_multiple_px=16, min_size_px=32, couples_batch=True, tiny={"width": 4}
    )

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        channels = [image_channels, width, 2 * width, 4 * width, 8 * width]
        self.encoder = nn.ModuleList(
            nn.Conv2d(inputs + num_classes, outputs, 5, 2, 2) for inputs, outputs in zip(channels, channels[1:], strict=False)
        )
        self.norms = nn.ModuleList([nn.Identity(), *(nn.BatchNorm2d(outputs) for outputs in channels[2:])])
        self.score = nn.Linear(8 * width * (image_size_px // 2**LEVELS) ** 2 + num_classes, 1)
        initialise_dcgan(self)

    def forward(self, image: Tensor, condition: Tensor) -> DiscriminatorOutput:
        """Judges pairs.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: One-hot expression ``(N, K)``.

        Returns:
            ``scores`` ``(N, 1)``, unbounded.
        """
        features = image
        for down, norm in zip(self.encoder, self.norms, strict=True):
            features = nn.functional.leaky_relu(norm(down(tile_condition(features, condition))), 0.2)
        flat = features.flatten(1)
        return DiscriminatorOutput(self.score(torch.cat([flat, condition.to(flat.dtype)], dim=1)))
