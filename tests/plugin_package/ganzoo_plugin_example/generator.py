"""A small U-Net: one level down, one up, and a skip connection between them (arXiv 1505.04597)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ganzoo.models.base import Generator, GeneratorOutput, GeneratorSpec


class ExampleUNet(Generator):
    """Translates faces; the target class stands as constant planes beside the image.

    Args:
        image_channels: Channels of source and output.
        image_size_px: Side of the square images; even.
        num_classes: Number of expressions.
        width: Channels of the upper level; the lower one has twice as many.
    """

    spec: ClassVar = GeneratorSpec(condition="onehot", size_multiple_px=2, min_size_px=8, tiny={"width": 4})

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 32) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(image_channels + num_classes, width, 3, 1, 1), nn.ReLU())
        self.down = nn.Sequential(nn.Conv2d(width, 2 * width, 4, 2, 1), nn.ReLU())
        self.middle = nn.Sequential(nn.Conv2d(2 * width, 2 * width, 3, 1, 1), nn.ReLU())
        self.up = nn.Sequential(nn.ConvTranspose2d(2 * width, width, 4, 2, 1), nn.ReLU())
        self.leave = nn.Sequential(nn.Conv2d(2 * width, image_channels, 3, 1, 1), nn.Tanh())

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        """Translates faces.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: One-hot target ``(N, K)``.

        Returns:
            ``image`` in (-1, 1), same shape as the source.
        """
        planes = condition.to(image.dtype)[:, :, None, None].expand(-1, -1, *image.shape[2:])
        upper = self.enter(torch.cat([image, planes], dim=1))
        lower = self.up(self.middle(self.down(upper)))
        return GeneratorOutput(self.leave(torch.cat([upper, lower], dim=1)))
