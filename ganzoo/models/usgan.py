"""US-GAN: on the importance of ultimate skip connection for facial expression synthesis (Akram & Khan, arXiv 2112.13002).

StarGAN's generator with one residual block, which draws the change of a face instead of the face: y = x + tanh(...). The sum is
left in [-2, 2] while training, as published, and clamped where pictures are kept or scored. The discriminator is StarGAN's
(``patch_classifier``), whose depth follows the image size here (4 halvings at 48 px).
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ganzoo.models.base import GeneratorOutput, GeneratorSpec
from ganzoo.models.stargan import StarGANGenerator
from ganzoo.registry import GENERATORS


@GENERATORS.register("usgan")
class USGANGenerator(StarGANGenerator):
    """Adds to a face what the wanted expression changes.

    Args:
        image_channels: Channels of source and output.
        image_size_px: Side of the square images; a multiple of 4.
        num_classes: Number of expressions.
        width: Channels after the first convolution (64 in the paper).
        residual_blocks: Blocks at the bottleneck (1 in the paper).
    """

    spec: ClassVar = GeneratorSpec(
        condition="onehot", largest_value=2.0, size_multiple_px=4, min_size_px=8, tiny={"width": 4, "residual_blocks": 1}
    )

    def __init__(
        self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64, residual_blocks: int = 1
    ) -> None:
        super().__init__(
            image_channels=image_channels,
            image_size_px=image_size_px,
            num_classes=num_classes,
            width=width,
            residual_blocks=residual_blocks,
        )

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        """Translates faces.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: One-hot target ``(N, K)``.

        Returns:
            ``image`` in [-2, 2], same shape as the source: the source plus a change in (-1, 1).
        """
        change = super().forward(image, condition).image
        return GeneratorOutput(image + change)
