"""A DCGAN autoencoder that is told the wanted expression: the image-to-image baseline.

After Radford et al., "Unsupervised Representation Learning with Deep Convolutional GANs" (arXiv 1511.06434). The founding
paper reports that such a network reconstructs faces very well and does not learn to modify them; its source is not public,
so the layout is ours: DCGAN's rules (strided convolutions, batch norm, leaky ReLU 0.2 down and ReLU up, tanh) as an
encoder and decoder, with the label appended at the bottleneck and at every decoder level.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from ganzoo.models.base import Generator, GeneratorOutput, GeneratorSpec
from ganzoo.models.blocks import initialise_dcgan, tile_condition
from ganzoo.registry import GENERATORS

LEVELS = 4


@GENERATORS.register("dcgan")
class DCGANAutoencoder(Generator):
    """Convolutional encoder, label, convolutional decoder; no skip connections.

    Args:
        image_channels: Channels of source and output.
        image_size_px: Side of the square images; a multiple of 16.
        num_classes: Number of expressions.
        width: Channels after the first convolution.
        bottleneck: Length of a fully connected bottleneck; None keeps the last feature map, which reconstructs far better.
    """

    spec: ClassVar = GeneratorSpec(condition="onehot", size_multiple_px=16, min_size_px=32, couples_batch=True, tiny={"width": 4})

    def __init__(
        self,
        *,
        image_channels: int,
        image_size_px: int,
        num_classes: int,
        width: int = 64,
        bottleneck: int | None = None,
    ) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(LEVELS)]
        self.encoder = nn.Sequential(
            nn.Conv2d(image_channels, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            *(layer for low, high in zip(channels, channels[1:], strict=False) for layer in _down(low, high)),
        )
        self.bottleneck = (
            nn.Identity() if bottleneck is None else _Bottleneck(channels[-1], image_size_px // 2**LEVELS, bottleneck)
        )
        outputs = [*channels[-2::-1], image_channels]
        self.decoder = nn.ModuleList(
            nn.ConvTranspose2d(inputs + num_classes, output, 4, 2, 1)
            for inputs, output in zip(channels[::-1], outputs, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(output) for output in outputs[:-1])
        initialise_dcgan(self)

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        """Translates faces.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: One-hot target ``(N, K)``.

        Returns:
            ``image`` in (-1, 1), same shape as the source.
        """
        features = self.bottleneck(self.encoder(image))
        for up, norm in zip(self.decoder[:-1], self.norms, strict=True):
            features = norm(up(tile_condition(features, condition))).relu()
        return GeneratorOutput(self.decoder[-1](tile_condition(features, condition)).tanh())


class _Bottleneck(nn.Module):
    """A feature map squeezed through a vector and back."""

    def __init__(self, channels: int, size_px: int, length: int) -> None:
        super().__init__()
        shape = (channels, size_px, size_px)
        self.main = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * size_px**2, length),
            nn.Linear(length, channels * size_px**2),
            nn.Unflatten(1, shape),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )

    def forward(self, features: Tensor) -> Tensor:
        squeezed: Tensor = self.main(features)
        return squeezed


def _down(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
