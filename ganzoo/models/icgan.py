"""IcGAN: invertible conditional GANs for image editing (Perarnau et al., NIPS workshop 2016, arXiv 1611.06355).

A conditional GAN from noise and label, and two encoders trained after it: E_z finds the noise that an image could have been drawn
from, E_y its label. An edit decodes E_z(x) with another label. Differs from the publication:

* Kernels at the 4x4 map of the published 64 px follow the image size (3x3 at 48 px).
* The label is one class, +1 among -1, in place of several attributes; replacing it leaves nothing of E_y in an edit.
* While the encoders are trained, images are drawn anew for every batch, with the batch statistics of the decoder's norms, in
  place of one fixed set, of which they leave a third out to be tested on; E_y learns from all training images.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError
from ganzoo.models.base import (
    Discriminator,
    DiscriminatorOutput,
    DiscriminatorSpec,
    GeneratorOutput,
    GeneratorSpec,
    LabelEncodingGenerator,
)
from ganzoo.models.blocks import initialise_dcgan, tile_condition
from ganzoo.registry import DISCRIMINATORS, GENERATORS

LEVELS = 4
NOISE_SIZE = 100


@GENERATORS.register("icgan")
class IcGANGenerator(LabelEncodingGenerator):
    """Two encoders and a decoder, trained in turn: ``decoder``, ``latent_encoder``, ``label_encoder``.

    Args:
        image_channels: Channels of source and output.
        image_size_px: Side of the square images; a multiple of 16.
        num_classes: Number of expressions.
        width: Channels before the decoder's last layer (64 in the paper); the encoders start with half as many.
        label_features: Width of the label encoder's hidden layer (512 in the paper).
        encoder_init: How the encoders' weights start: ``dcgan``, as the decoder's, or torch's ``default`` (as published).
    """

    spec: ClassVar = GeneratorSpec(
        condition="signed",
        gives=frozenset({"image", "sample", "latent", "class_logits"}),
        noise_size=NOISE_SIZE,
        size_multiple_px=16,
        min_size_px=32,
        couples_batch=True,
        tiny={"width": 4, "label_features": 8},
    )

    def __init__(
        self,
        *,
        image_channels: int,
        image_size_px: int,
        num_classes: int,
        width: int = 64,
        label_features: int = 512,
        encoder_init: Literal["dcgan", "default"] = "dcgan",
    ) -> None:
        if encoder_init not in ("dcgan", "default"):
            raise GanzooError(f"encoder_init is dcgan or default, not '{encoder_init}'.")
        super().__init__()
        smallest_px = image_size_px // 2**LEVELS
        encoded = 4 * width * smallest_px**2
        self.decoder = _decoder(NOISE_SIZE + num_classes, image_channels, width, smallest_px)
        self.latent_encoder = _encoder(image_channels, width // 2, encoded, encoded, NOISE_SIZE)
        self.label_encoder = _encoder(image_channels, width // 2, encoded, label_features, num_classes)
        initialise_dcgan(self if encoder_init == "dcgan" else self.decoder)

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        """Translates faces.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: Target, ±1 one-hot ``(N, K)``.

        Returns:
            ``image`` in (-1, 1), same shape as the source.
        """
        return self.sample(self.encode(image), condition)

    def sample(self, noise: Tensor, condition: Tensor) -> GeneratorOutput:
        """Draws faces ``(N, C, H, W)`` from standard-normal noise ``(N, 100)``."""
        code = torch.cat([noise, condition.to(noise.dtype)], dim=1)
        return GeneratorOutput(self.decoder(code[:, :, None, None]))

    def encode(self, image: Tensor) -> Tensor:
        latent: Tensor = self.latent_encoder(image)
        return latent

    def classify(self, image: Tensor) -> Tensor:
        seen: Tensor = self.label_encoder(image)
        return seen


@DISCRIMINATORS.register("icgan")
class IcGANDiscriminator(Discriminator):
    """Scores a pair of image and expression; the label joins after the first convolution.

    Args:
        image_channels: Channels of the images.
        image_size_px: Side of the square images; a multiple of 16.
        num_classes: Number of expressions.
        width: Channels after the first convolution (64 in the paper).
    """

    spec: ClassVar = DiscriminatorSpec(
        condition="signed", size_multiple_px=16, min_size_px=32, couples_batch=True, tiny={"width": 4}
    )

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(image_channels, width, 4, 2, 1), nn.LeakyReLU(0.2))
        channels = [width + num_classes, 2 * width, 4 * width, 8 * width]
        layers: list[nn.Module] = []
        for inputs, outputs in zip(channels, channels[1:], strict=False):
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
        self.main = nn.Sequential(*layers, nn.Conv2d(8 * width, 1, image_size_px // 2**LEVELS))
        initialise_dcgan(self)

    def forward(self, image: Tensor, condition: Tensor) -> DiscriminatorOutput:
        """Judges pairs.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: ±1 one-hot expression ``(N, K)``.

        Returns:
            ``scores`` ``(N, 1)``, unbounded.
        """
        return DiscriminatorOutput(self.main(tile_condition(self.first(image), condition)).flatten(1))


def _decoder(code_size: int, image_channels: int, width: int, smallest_px: int) -> nn.Sequential:
    channels = [8 * width, 4 * width, 2 * width, width]
    layers: list[nn.Module] = [nn.ConvTranspose2d(code_size, channels[0], smallest_px), nn.BatchNorm2d(channels[0]), nn.ReLU()]
    for inputs, outputs in zip(channels, channels[1:], strict=False):
        layers += [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, image_channels, 4, 2, 1), nn.Tanh())


def _encoder(image_channels: int, width: int, encoded: int, features: int, outputs: int) -> nn.Sequential:
    channels = [image_channels, width, 2 * width, 4 * width, 8 * width]
    layers: list[nn.Module] = []
    for low, high in zip(channels, channels[1:], strict=False):
        layers += [nn.Conv2d(low, high, 5, 2, 2), nn.BatchNorm2d(high), nn.ReLU()]
    layers += [nn.Flatten(), nn.Linear(encoded, features), nn.BatchNorm1d(features), nn.ReLU(), nn.Linear(features, outputs)]
    return nn.Sequential(*layers)
