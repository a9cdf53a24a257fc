"""The patch discriminator of CycleGAN (Zhu et al., ICCV 2017, arXiv 1703.10593), with one patch map for each expression.

CycleGAN trains two generators and two discriminators for two domains; with K expressions that would be K (K - 1) / 2 such
models. Here one discriminator holds a trunk and K maps, of which the expression chooses one, beside a generator that is told
its target (StarGAN's, arXiv 1711.09020). Differs from the publication:

* Two stride-2 levels instead of three: patches of 34x34 px, where the published 70x70 would exceed a face of 48 px.
* The trunk is shared by the expressions.
* Convolutions before instance norm have no bias, which the norm would remove.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError
from ganzoo.models.base import Discriminator, DiscriminatorOutput, DiscriminatorSpec
from ganzoo.models.blocks import InstanceNorm2d, initialise_dcgan
from ganzoo.registry import DISCRIMINATORS


@DISCRIMINATORS.register("cyclegan")
class CycleGANDiscriminator(Discriminator):
    """Scores patches of an image as real faces of one expression; instance norm without gain.

    Args:
        image_channels: Channels of the images.
        image_size_px: Side of the square images; a multiple of 4.
        num_classes: Number of expressions, each with its own patch map.
        width: Channels after the first convolution (64 in the paper); doubles with every level, up to 8 times as many.
        levels: Stride-2 convolutions (3 in the paper); one more of stride 1 follows.

    Raises:
        GanzooError: So many levels leave nothing of the image.
    """

    spec: ClassVar = DiscriminatorSpec(condition="index", size_multiple_px=4, min_size_px=12, tiny={"width": 4})

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64, levels: int = 2) -> None:
        super().__init__()
        if levels < 1 or image_size_px // 2**levels < 3:
            raise GanzooError(f"Discriminator 'cyclegan' cannot halve {image_size_px} px {levels} times and keep 3 px.")
        channels = [width * 2 ** min(level, 3) for level in range(levels + 1)]
        self.main = nn.Sequential(
            nn.Conv2d(image_channels, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            *(layer for level in range(1, levels) for layer in _normalised(channels[level - 1], channels[level], stride=2)),
            *_normalised(channels[-2], channels[-1], stride=1),
            nn.Conv2d(channels[-1], num_classes, 4, 1, 1),
        )
        initialise_dcgan(self)  # N(0, 0.02), as CycleGAN does

    def forward(self, image: Tensor, condition: Tensor) -> DiscriminatorOutput:
        """Judges images as faces of an expression.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: Expression, int64 ``(N,)``.

        Returns:
            ``scores`` ``(N, 1, h, w)`` with ``h = H / 2**levels - 2``, unbounded.
        """
        maps = self.main(image)
        return DiscriminatorOutput(torch.take_along_dim(maps, condition[:, None, None, None], dim=1))


def _normalised(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 4, stride, 1, bias=False), InstanceNorm2d(outputs), nn.LeakyReLU(0.2)]
