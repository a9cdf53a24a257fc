"""StarGAN: Unified Generative Adversarial Networks for Multi-Domain Image-to-Image Translation (arXiv 1711.09020).

Layer for layer as published, down to the order of the parameters. Differs from the published code:

* The depth of the discriminator follows the image size: the most halvings that leave a map of at least 3×3
  (4 at 48 px, where the published 6 cannot be built).
* Instance norm keeps no running statistics. The published code tracks but never uses them, so outputs are equal.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

from ganzoo.models.base import (
    DiscriminatorOutput,
    DiscriminatorSpec,
    Generator,
    GeneratorOutput,
    GeneratorSpec,
    PiecewiseLinearDiscriminator,
)
from ganzoo.models.blocks import HeadConv2d, InstanceNorm2d, ResidualBlock, halvings, spectrally_normalised, tile_condition
from ganzoo.registry import DISCRIMINATORS, GENERATORS

_SLOPE = 0.01


@GENERATORS.register("stargan")
class StarGANGenerator(Generator):
    """Residual encoder-decoder that reads the target class as constant planes beside the image.

    Zero padding is essential: instance norm removes what a constant plane adds, except at the borders.

    Args:
        image_channels: Channels of source and output.
        image_size_px: Side of the square images; a multiple of 4.
        num_classes: Number of expressions.
        width: Channels after the first convolution (64 in the paper).
        residual_blocks: Blocks at the bottleneck (6 in the paper).
    """

    spec: ClassVar = GeneratorSpec(condition="onehot", size_multiple_px=4, min_size_px=8, tiny={"width": 4, "residual_blocks": 1})

    def __init__(
        self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64, residual_blocks: int = 6
    ) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *_normalised(nn.Conv2d(image_channels + num_classes, width, 7, 1, 3, bias=False)),
            *_normalised(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False)),
            *_normalised(nn.Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False)),
            *(ResidualBlock(4 * width) for _ in range(residual_blocks)),
            *_normalised(nn.ConvTranspose2d(4 * width, 2 * width, 4, 2, 1, bias=False)),
            *_normalised(nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False)),
            HeadConv2d(width, image_channels, 7),
            nn.Tanh(),
        )

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        """Translates faces.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: One-hot target ``(N, K)``.

        Returns:
            ``image`` in (-1, 1), same shape as the source.
        """
        return GeneratorOutput(self.main(tile_condition(image, condition)))


@DISCRIMINATORS.register("patch_classifier")
class PatchClassifier(PiecewiseLinearDiscriminator):
    """Scores patches of an image as real and classifies its expression; no normalisation of features.

    Args:
        image_channels: Channels of the images.
        image_size_px: Side of the square images.
        num_classes: Number of expressions.
        width: Channels after the first convolution (64 in the paper); doubles with every level.
        depth: Stride-2 levels; None takes the most that leave a map of at least 3×3.
        spectral_norm: Divide all weights by their spectral norm (SNGAN, arXiv 1802.05957); not in the paper.
    """

    spec: ClassVar = DiscriminatorSpec(
        condition=None, gives=frozenset({"scores", "class_logits"}), size_multiple_px=2, min_size_px=6, tiny={"width": 4}
    )

    def __init__(
        self,
        *,
        image_channels: int,
        image_size_px: int,
        num_classes: int,
        width: int = 64,
        depth: int | None = None,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        depth = halvings(image_size_px) if depth is None else depth
        channels = [image_channels, *(width * 2**level for level in range(depth))]
        levels: list[nn.Module] = []
        for level in range(depth):
            levels += [nn.Conv2d(channels[level], channels[level + 1], 4, 2, 1), nn.LeakyReLU(_SLOPE)]
        self.main = nn.Sequential(*levels)
        self.score_head = nn.Conv2d(channels[-1], 1, 3, 1, 1, bias=False)
        self.class_head = nn.Conv2d(channels[-1], num_classes, image_size_px // 2**depth, bias=False)
        if spectral_norm:
            spectrally_normalised(self)

    def forward(self, image: Tensor) -> DiscriminatorOutput:
        """Judges images.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].

        Returns:
            ``scores`` ``(N, 1, h, w)`` with ``h = H / 2**depth`` and ``class_logits`` ``(N, K)``; unbounded.
        """
        features = self.main(image)
        return DiscriminatorOutput(self.score_head(features), self.class_head(features).flatten(1))

    def score_gradient(self, image: Tensor, *, mean: bool) -> Tensor:
        """See :class:`ganzoo.models.base.PiecewiseLinearDiscriminator`."""
        levels = [level for level in self.main if isinstance(level, nn.Conv2d)]
        weights = [level.weight for level in levels]  # read once: spectral normalisation moves on with every reading
        sides, slopes = [image.shape[2:]], []
        with torch.no_grad():
            features = image
            for level, weight in zip(levels, weights, strict=True):
                before = conv2d(features, weight, level.bias, level.stride, level.padding)
                features = leaky_relu(before, _SLOPE)
                sides.append(features.shape[2:])
                slopes.append(torch.where(before > 0, 1.0, _SLOPE).to(before.dtype))
        patches = sides[-1].numel()
        above = torch.full((1, 1, *sides[-1]), 1 / patches if mean else 1.0, device=image.device)
        gradient = conv_transpose2d(above, self.score_head.weight, padding=1)
        for weight, slope, side in zip(reversed(weights), reversed(slopes), reversed(sides[:-1]), strict=True):
            odd = [length % 2 for length in side]  # the last row or column, which halving leaves over
            gradient = conv_transpose2d(gradient * slope, weight, stride=2, padding=1, output_padding=odd)
        return gradient


def _normalised(convolution: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [convolution, InstanceNorm2d(convolution.out_channels, affine=True), nn.ReLU(inplace=True)]
