"""ExprGAN: facial expression editing with controllable expression intensity (Ding et al., AAAI 2018, arXiv 1709.03842).

An encoder gives a face's latent, a decoder draws a face from latent and expression code, a discriminator tells images of a class
from real ones and reads their code (the regulariser Q), and another tells latents from uniform noise. Trained in stages: decoder
and Q on noise; then encoder and decoder on reconstructions; then all together. Only reconstructions train the last two: editing
appears when a face's code is exchanged. Differs from the publication:

* Any size that is a multiple of 8 px: as many levels as leave a map of at least 4×4 (three and 6×6 at 48 px, where the
  publication has five and 4×4 at 128 px), so the last maps are wider; the discriminator's last map is 3×3 at 48 px.
* Translations are scored at full intensity (every number of the code ±1), so that a score has no chance in it.

As in its public code are: where convolutions of every other pixel lie (TensorFlow's padding), batch norm without gain and with
epsilon 1e-3, the label beside the features that both score and Q are read off, and how weights start (`_initialise`).
"""

from __future__ import annotations

from math import sqrt
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from ganzoo.models.base import (
    CODE_SIZE,
    DiscriminatorOutput,
    DiscriminatorSpec,
    GeneratorOutput,
    GeneratorSpec,
    LatentDiscriminator,
    LatentGenerator,
)
from ganzoo.models.blocks import halvings, tile_condition
from ganzoo.registry import DISCRIMINATORS, GENERATORS

NOISE_SIZE = 50
SMALLEST_PX = 4
JUDGING_LEVELS = 4
BATCH_NORM_EPS, BATCH_NORM_MOMENTUM = 1e-3, 1e-3


@GENERATORS.register("exprgan")
class ExprGANGenerator(LatentGenerator):
    """``encoder`` and ``decoder``; the decoder is told the code at its start and at every convolution.

    Args:
        image_channels: Channels of source and output.
        image_size_px: Side of the square images; a multiple of 8.
        num_classes: Number of expressions.
        width: Channels after the encoder's first convolution (64 in the paper); the decoder starts with 16 times as many.
    """

    spec: ClassVar = GeneratorSpec(
        condition="code",
        gives=frozenset({"image", "sample", "latent"}),
        noise_size=NOISE_SIZE,
        noise="uniform",
        continuous=True,
        size_multiple_px=8,
        min_size_px=16,
        revision=2,
        tiny={"width": 4},
    )

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        levels = halvings(image_size_px, SMALLEST_PX)
        smallest_px = image_size_px // 2**levels
        self.encoder = _encoder(image_channels, width, levels, smallest_px)
        self.decoder = _Decoder(image_channels, 16 * width, levels, smallest_px, num_classes)
        _initialise(self)

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        """Translates faces.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: Target's expression code in [-1, 1], float ``(N, 5 K)``.

        Returns:
            ``image`` in (-1, 1), same shape as the source.
        """
        return self.sample(self.encode(image), condition)

    def sample(self, noise: Tensor, condition: Tensor) -> GeneratorOutput:
        """Draws faces ``(N, C, H, W)`` from noise ``(N, 50)``, uniform in (-1, 1)."""
        return GeneratorOutput(self.decoder(noise, condition))

    def encode(self, image: Tensor) -> Tensor:
        """The latents of faces ``(N, C, H, W)``: float ``(N, 50)`` in (-1, 1)."""
        latent: Tensor = self.encoder(image)
        return latent


@DISCRIMINATORS.register("exprgan")
class ExprGANDiscriminator(LatentDiscriminator):
    """``image`` scores images of a class and reads their expression code; ``latent`` tells noise from latents.

    Args:
        image_channels: Channels of the images.
        image_size_px: Side of the square images; a multiple of 8.
        num_classes: Number of expressions.
        width: Channels after the first convolution (16 in the paper); doubles with every level.
        features: Features that score and code are read off (1024 in the paper).
    """

    spec: ClassVar = DiscriminatorSpec(
        condition="onehot",
        gives=frozenset({"scores", "code", "latent_scores"}),
        latent_size=NOISE_SIZE,
        couples_batch=True,
        size_multiple_px=8,
        min_size_px=16,
        revision=2,
        tiny={"width": 4, "features": 16},
    )

    def __init__(
        self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 16, features: int = 1024
    ) -> None:
        super().__init__()
        self.image = _ImageJudge(image_channels, image_size_px, num_classes, width, features)
        self.latent = nn.Sequential(*_dense(NOISE_SIZE, 64), *_dense(64, 32), *_dense(32, 16), nn.Linear(16, 1))
        _initialise(self)

    def forward(self, image: Tensor, condition: Tensor) -> DiscriminatorOutput:
        """Judges images as faces of a class.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: One-hot expression ``(N, K)``.

        Returns:
            ``scores`` ``(N, 1)``, unbounded, and ``code`` ``(N, 5 K)`` in (-1, 1).
        """
        scores, code = self.image(image, condition)
        return DiscriminatorOutput(scores, code=code)

    def judge_latent(self, latent: Tensor) -> Tensor:
        scores: Tensor = self.latent(latent)
        return scores


class _Decoder(nn.Module):
    """Linear, then enlarge and convolve at each level, one convolution more at full size, and one to the image."""

    def __init__(self, image_channels: int, channels: int, levels: int, smallest_px: int, num_classes: int) -> None:
        super().__init__()
        code_size = num_classes * CODE_SIZE
        self.smallest_px, self.repeats = smallest_px, max(1, NOISE_SIZE // num_classes)
        self.start = nn.Linear(NOISE_SIZE + self.repeats * code_size, channels * smallest_px**2)
        sizes = [channels // 2**level for level in range(levels + 2)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(above + code_size, below, 3, 1, 1, bias=False) for above, below in zip(sizes, sizes[1:], strict=False)
        )
        self.last = nn.Conv2d(sizes[-1] + code_size, image_channels, 3, 1, 1, bias=False)

    def forward(self, latent: Tensor, code: Tensor) -> Tensor:
        start = self.start(torch.cat([latent, code.to(latent.dtype).repeat(1, self.repeats)], dim=1)).relu()
        maps = start.unflatten(1, (-1, self.smallest_px, self.smallest_px))
        for level, convolution in enumerate(self.convolutions):
            at_full_size = level == len(self.convolutions) - 1
            enlarged = maps if at_full_size else interpolate(maps, scale_factor=2, mode="nearest")
            maps = convolution(tile_condition(enlarged, code)).relu()
        image: Tensor = self.last(tile_condition(maps, code)).tanh()
        return image


class _ImageJudge(nn.Module):
    """Convolutions that are told the class at every level, shared features, a score, and the regulariser Q."""

    def __init__(self, image_channels: int, image_size_px: int, num_classes: int, width: int, features: int) -> None:
        super().__init__()
        channels = [image_channels, *(width * 2**level for level in range(JUDGING_LEVELS))]
        self.convolutions = nn.ModuleList(
            nn.Sequential(
                _HalvingConv2d(above + num_classes, below),
                _shifting(nn.BatchNorm2d(below, BATCH_NORM_EPS, BATCH_NORM_MOMENTUM)),
                nn.ReLU(),
            )
            for above, below in zip(channels, channels[1:], strict=False)
        )
        smallest_px = -(-image_size_px // 2**JUDGING_LEVELS)
        self.shared = nn.Sequential(*_dense((channels[-1] + num_classes) * smallest_px**2, features, leak=0.2))
        self.score = nn.Linear(features + num_classes, 1)
        self.code = nn.Sequential(*_dense(features + num_classes, 128, leak=0.2))
        self.blocks = nn.ModuleList(
            nn.Sequential(*_dense(128, 64, leak=0.2), nn.Linear(64, CODE_SIZE), nn.Tanh()) for _ in range(num_classes)
        )

    def forward(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        maps = tile_condition(image, label)
        for convolution in self.convolutions:
            maps = tile_condition(convolution(maps), label)
        features = self.shared(maps.flatten(1))
        features = torch.cat([features, label.to(features.dtype)], dim=1)
        code = self.code(features)
        scores: Tensor = self.score(features)
        return scores, torch.cat([block(code) for block in self.blocks], dim=1)


def _encoder(image_channels: int, width: int, levels: int, smallest_px: int) -> nn.Sequential:
    channels = [image_channels, *(width * 2**level for level in range(levels))]
    layers: list[nn.Module] = []
    for above, below in zip(channels, channels[1:], strict=False):
        layers += [_HalvingConv2d(above, below), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * smallest_px**2, NOISE_SIZE), nn.Tanh())


def _dense(inputs: int, outputs: int, leak: float = 0.0) -> list[nn.Module]:
    return [
        nn.Linear(inputs, outputs),
        _shifting(nn.BatchNorm1d(outputs, BATCH_NORM_EPS, BATCH_NORM_MOMENTUM)),
        nn.LeakyReLU(leak),
    ]


class _HalvingConv2d(nn.Conv2d):
    """5×5 at every other pixel; padded as in TensorFlow, which gives an even side one row at its start and two at its end."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 5, 2)

    def forward(self, input: Tensor) -> Tensor:
        height, width = input.shape[2:]
        return super().forward(pad(input, (1 + width % 2, 2, 1 + height % 2, 2)))


def _shifting(norm: nn.Module) -> nn.Module:
    """Batch norm without a gain."""
    norm.register_parameter("weight", None)
    return norm


def _initialise(network: nn.Module) -> None:
    """Weights ~ N(0, σ), biases 0, with m = √(inputs · outputs): linear layers σ = √(1 / m); convolutions drawn again beyond 2σ,
    of every other pixel σ = √(2 / (25 m)), the decoder's σ = 0.02."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, (module.in_features * module.out_features) ** -0.25)
        elif isinstance(module, nn.Conv2d):
            deviation = 0.02
            if isinstance(module, _HalvingConv2d):
                deviation = sqrt(2 / (25 * sqrt(module.in_channels * module.out_channels)))
            nn.init.trunc_normal_(module.weight, 0.0, deviation, -2 * deviation, 2 * deviation)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
