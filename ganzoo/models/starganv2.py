"""StarGAN v2: diverse image synthesis for multiple domains (Choi et al., CVPR 2020, arXiv 1912.01865).

One generator, a style vector for every wanted expression: from noise by a mapping network, or from a picture by a style encoder.
The discriminator has one branch per class. Differs from the publication:

* Sizes of 32 to 128 px: 64 channels at the start and 256 at most; the generator halves twice, discriminator and style encoder as
  often as leaves a map of at least 3×3, which their last convolution covers (the published formulas cannot be built at 48 px).
* No high-pass skip (``w_hpf=0``, as published for animal faces): it needs a landmark network.
* Translations are scored with the class's mean style, over 64 fixed draws of noise, so that a score has no chance in it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from ganzoo.models.base import (
    Discriminator,
    DiscriminatorOutput,
    DiscriminatorSpec,
    GeneratorOutput,
    GeneratorSpec,
    StyledGenerator,
)
from ganzoo.models.blocks import InstanceNorm2d, halved, halvings, spectrally_normalised
from ganzoo.registry import DISCRIMINATORS, GENERATORS

NOISE_SIZE = 16
LEVELS = 2
_MEAN_OVER = 64
_SQRT_2 = 2**0.5


@GENERATORS.register("starganv2")
class StarGANv2Generator(StyledGenerator):
    """``synthesis``, ``mapping`` and ``style_encoder``, which recipes may train with rates of their own.

    Args:
        image_channels: Channels of source and output.
        image_size_px: Side of the square images; a multiple of 8.
        num_classes: Number of expressions.
        width: Channels after the first convolution.
        most_channels: Channels that no layer exceeds.
        style_size: Length of a style (64 in the paper).
        mapping_width: Hidden width of the mapping network (512 in the paper).
    """

    spec: ClassVar = GeneratorSpec(
        condition="index",
        gives=frozenset({"image", "style"}),
        noise_size=NOISE_SIZE,
        largest_value=float("inf"),
        size_multiple_px=8,
        min_size_px=24,
        tiny={"width": 4, "most_channels": 8, "style_size": 4, "mapping_width": 8},
    )

    def __init__(
        self,
        *,
        image_channels: int,
        image_size_px: int,
        num_classes: int,
        width: int = 64,
        most_channels: int = 256,
        style_size: int = 64,
        mapping_width: int = 512,
    ) -> None:
        super().__init__()
        self.synthesis = _Synthesis(image_channels, width, most_channels, style_size)
        self.mapping = _Mapping(mapping_width, style_size, num_classes)
        self.style_encoder = _StyleEncoder(image_channels, image_size_px, width, most_channels, style_size, num_classes)
        self.register_buffer("fixed_noise", torch.randn(_MEAN_OVER, NOISE_SIZE))
        self._mean_styles: Tensor | None = None
        self.apply(_initialise)

    def train(self, mode: bool = True) -> StarGANv2Generator:
        """Switching to evaluation finds the mean styles of the present weights."""
        super().train(mode)
        self._mean_styles = None
        if not mode:
            with torch.no_grad():
                self._mean_styles = self.mapping(self.fixed_noise).mean(dim=0)
        return self

    def load_state_dict(self, *args: Any, **keywords: Any) -> Any:
        """As every module; what was found of earlier weights is forgotten."""
        keys = super().load_state_dict(*args, **keywords)
        self.train(self.training)
        return keys

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        """Translates faces with the mean style of the class.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: Target class, int64 ``(N,)``.

        Returns:
            ``image``, same shape as the source, unbounded, and the ``style`` ``(N, style_size)``.
        """
        styles = self.mapping(self.fixed_noise).mean(dim=0) if self._mean_styles is None else self._mean_styles
        return self.restyle(image, styles[condition])

    def restyle(self, image: Tensor, style: Tensor) -> GeneratorOutput:
        return GeneratorOutput(self.synthesis(image, style), style=style)

    def style_from_noise(self, noise: Tensor, condition: Tensor) -> Tensor:
        return _of_class(self.mapping(noise), condition)

    def style_of(self, image: Tensor, condition: Tensor) -> Tensor:
        return _of_class(self.style_encoder(image), condition)


@DISCRIMINATORS.register("class_branches")
class ClassBranches(Discriminator):
    """Scores realness in a branch for each class; no normalisation.

    Args:
        image_channels: Channels of the images.
        image_size_px: Side of the square images; a multiple of 8.
        num_classes: Number of expressions.
        width: Channels after the first convolution.
        most_channels: Channels that no layer exceeds.
        spectral_norm: Divide all weights by their spectral norm (SNGAN, arXiv 1802.05957); not in the paper.
    """

    spec: ClassVar = DiscriminatorSpec(
        condition="index", size_multiple_px=8, min_size_px=24, tiny={"width": 4, "most_channels": 8}
    )

    def __init__(
        self,
        *,
        image_channels: int,
        image_size_px: int,
        num_classes: int,
        width: int = 64,
        most_channels: int = 256,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        self.trunk, features = _trunk(image_channels, image_size_px, width, most_channels)
        self.branches = nn.Conv2d(features, num_classes, 1)
        self.apply(_initialise)
        if spectral_norm:
            spectrally_normalised(self)

    def forward(self, image: Tensor, condition: Tensor) -> DiscriminatorOutput:
        """Judges images as faces of a class.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: Class, int64 ``(N,)``.

        Returns:
            ``scores`` ``(N, 1)``, unbounded.
        """
        return DiscriminatorOutput(self.branches(self.trunk(image)).flatten(1).gather(1, condition[:, None]))


class _Synthesis(nn.Module):
    """Encoder with instance norm, decoder with adaptive instance norm, no tanh."""

    def __init__(self, image_channels: int, width: int, most_channels: int, style_size: int) -> None:
        super().__init__()
        channels = [min(width * 2**level, most_channels) for level in range(LEVELS + 1)]
        self.first = nn.Conv2d(image_channels, width, 3, 1, 1)
        self.encoder = nn.Sequential(
            *(_Residual(low, high, norm=True, down=True) for low, high in zip(channels, channels[1:], strict=False)),
            *(_Residual(channels[-1], channels[-1], norm=True) for _ in range(2)),
        )
        self.decoder = nn.ModuleList(
            [
                *(_StyledResidual(channels[-1], channels[-1], style_size) for _ in range(2)),
                *(
                    _StyledResidual(high, low, style_size, up=True)
                    for low, high in zip(channels[-2::-1], channels[:0:-1], strict=True)
                ),
            ]
        )
        self.last = nn.Sequential(InstanceNorm2d(width, affine=True), nn.LeakyReLU(0.2), nn.Conv2d(width, image_channels, 1))

    def forward(self, image: Tensor, style: Tensor) -> Tensor:
        features = self.encoder(self.first(image))
        for block in self.decoder:
            features = block(features, style)
        output: Tensor = self.last(features)
        return output


class _Mapping(nn.Module):
    """Noise ``(N, 16)`` to a style of every class ``(N, K, style_size)``."""

    def __init__(self, width: int, style_size: int, num_classes: int) -> None:
        super().__init__()
        sizes = [NOISE_SIZE, *[width] * 4]
        self.shared = nn.Sequential(*_linear_layers(sizes))
        self.unshared = nn.ModuleList(
            nn.Sequential(*_linear_layers([width] * 4), nn.Linear(width, style_size)) for _ in range(num_classes)
        )

    def forward(self, noise: Tensor) -> Tensor:
        shared = self.shared(noise)
        return torch.stack([head(shared) for head in self.unshared], dim=1)


class _StyleEncoder(nn.Module):
    """Images to a style of every class ``(N, K, style_size)``."""

    def __init__(
        self, image_channels: int, image_size_px: int, width: int, most_channels: int, style_size: int, num_classes: int
    ) -> None:
        super().__init__()
        self.trunk, features = _trunk(image_channels, image_size_px, width, most_channels)
        self.unshared = nn.ModuleList(nn.Linear(features, style_size) for _ in range(num_classes))

    def forward(self, image: Tensor) -> Tensor:
        features = self.trunk(image).flatten(1)
        return torch.stack([head(features) for head in self.unshared], dim=1)


class _Residual(nn.Module):
    """Pre-activation block, kept at unit variance; the shortcut is pooled after its convolution."""

    def __init__(self, inputs: int, outputs: int, *, norm: bool = False, down: bool = False) -> None:
        super().__init__()
        self.down = down
        self.norms = nn.ModuleList(InstanceNorm2d(inputs, affine=True) if norm else nn.Identity() for _ in range(2))
        self.convolutions = nn.ModuleList([nn.Conv2d(inputs, inputs, 3, 1, 1), nn.Conv2d(inputs, outputs, 3, 1, 1)])
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        inner = self.convolutions[0](leaky_relu(self.norms[0](features), 0.2))
        inner = halved(inner) if self.down else inner
        inner = self.convolutions[1](leaky_relu(self.norms[1](inner), 0.2))
        shortcut = self.shortcut(features)
        total: Tensor = inner + (halved(shortcut) if self.down else shortcut)
        return total / _SQRT_2


class _AdaptiveNorm(nn.Module):
    """Instance norm whose gain and shift come from the style (AdaIN, arXiv 1703.06868)."""

    def __init__(self, channels: int, style_size: int) -> None:
        super().__init__()
        self.norm = InstanceNorm2d(channels)
        self.affine = nn.Linear(style_size, 2 * channels)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        gain, shift = self.affine(style)[:, :, None, None].chunk(2, dim=1)
        scaled: Tensor = (1 + gain) * self.norm(features) + shift
        return scaled


class _StyledResidual(nn.Module):
    """Pre-activation block with adaptive norms."""

    def __init__(self, inputs: int, outputs: int, style_size: int, *, up: bool = False) -> None:
        super().__init__()
        self.up = up
        self.norms = nn.ModuleList([_AdaptiveNorm(inputs, style_size), _AdaptiveNorm(outputs, style_size)])
        self.convolutions = nn.ModuleList([nn.Conv2d(inputs, outputs, 3, 1, 1), nn.Conv2d(outputs, outputs, 3, 1, 1)])
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        inner = self._larger(leaky_relu(self.norms[0](features, style), 0.2))
        inner = self.convolutions[1](leaky_relu(self.norms[1](self.convolutions[0](inner), style), 0.2))
        total: Tensor = inner + self.shortcut(self._larger(features))
        return total / _SQRT_2

    def _larger(self, features: Tensor) -> Tensor:
        return interpolate(features, scale_factor=2, mode="nearest") if self.up else features


def _trunk(image_channels: int, image_size_px: int, width: int, most_channels: int) -> tuple[nn.Sequential, int]:
    """Image to one position of so many features."""
    levels = halvings(image_size_px)
    channels = [min(width * 2**level, most_channels) for level in range(levels + 1)]
    blocks = [_Residual(low, high, down=True) for low, high in zip(channels, channels[1:], strict=False)]
    last = nn.Conv2d(channels[-1], channels[-1], image_size_px // 2**levels)
    first = nn.Conv2d(image_channels, width, 3, 1, 1)
    return nn.Sequential(first, *blocks, nn.LeakyReLU(0.2), last, nn.LeakyReLU(0.2)), channels[-1]


def _linear_layers(sizes: list[int]) -> list[nn.Module]:
    return [layer for low, high in zip(sizes, sizes[1:], strict=False) for layer in (nn.Linear(low, high), nn.ReLU())]


def _of_class(styles: Tensor, classes: Tensor) -> Tensor:
    return styles[torch.arange(len(classes), device=classes.device), classes]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
