"""SNGAN with projection discriminator (arXiv 1802.05957, 1802.05637): noise and expression to face, by residual networks.

The layout is the one in use for 48 px: three levels up from 6×6, four down to 3×3. Differs from the authors' 64 px networks:

* One level fewer in the generator, which starts from 6×6, and half its width; the discriminator's last block keeps its size.
* The generator enlarges by nearest neighbours, as the authors do; other 48 px versions interpolate.
* Glorot initialisation has gain √2 inside residual blocks, 1 elsewhere.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import interpolate

from ganzoo.models.base import Discriminator, DiscriminatorOutput, DiscriminatorSpec, Generator, GeneratorOutput, GeneratorSpec
from ganzoo.models.blocks import halved, spectrally_normalised
from ganzoo.registry import DISCRIMINATORS, GENERATORS

LEVELS_UP = 3
LEVELS_DOWN = 4
BATCH_NORM_EPS = 2e-5


@GENERATORS.register("sngan")
class SNGANGenerator(Generator):
    """Draws a face of the wanted expression from noise, which it is told by conditional batch norm; it sees no source.

    Args:
        image_channels: Channels of the output.
        image_size_px: Side of the square images; a multiple of 8.
        num_classes: Number of expressions.
        width: Channels of the last feature map; the first has 8 times as many. 32 is the half-width network, 256 to 32.
    """

    spec: ClassVar = GeneratorSpec(
        condition="index",
        takes_image=False,
        noise_size=128,
        size_multiple_px=8,
        min_size_px=16,
        couples_batch=True,
        revision=2,
        tiny={"width": 4},
    )

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        channels = [width * 2**level for level in reversed(range(LEVELS_UP + 1))]
        self.start = (channels[0], image_size_px // 2**LEVELS_UP, image_size_px // 2**LEVELS_UP)
        self.project = nn.Linear(self.spec.noise_size, prod(self.start))
        self.blocks = nn.ModuleList(
            _UpBlock(inputs, outputs, num_classes) for inputs, outputs in zip(channels, channels[1:], strict=False)
        )
        self.to_image = nn.Sequential(
            nn.BatchNorm2d(channels[-1], eps=BATCH_NORM_EPS),
            nn.ReLU(),
            nn.Conv2d(channels[-1], image_channels, 3, 1, 1),
            nn.Tanh(),
        )
        _initialise(self)

    def forward(self, noise: Tensor, condition: Tensor) -> GeneratorOutput:
        """Draws faces.

        Args:
            noise: float ``(N, 128)``, standard normal.
            condition: Index of the target, int64 ``(N,)``.

        Returns:
            ``image`` ``(N, C, H, W)`` in (-1, 1).
        """
        features = self.project(noise).unflatten(1, self.start)
        for block in self.blocks:
            features = block(features, condition)
        return GeneratorOutput(self.to_image(features))


@DISCRIMINATORS.register("projection")
class ProjectionDiscriminator(Discriminator):
    """Scores a pair of image and expression: a score of the features plus their inner product with the class's embedding.

    All weights, the embedding's among them, are divided by their spectral norm. Judges translations as well as drawn faces.

    Args:
        image_channels: Channels of the images.
        image_size_px: Side of the square images; a multiple of 16.
        num_classes: Number of expressions.
        width: Channels of the first feature map; the last has 16 times as many. 32 is the half-width network, 32 to 512.
    """

    spec: ClassVar = DiscriminatorSpec(
        condition="index",
        size_multiple_px=16,
        min_size_px=16,
        tiny={"width": 4},
        # While all scores lie within the margins of the hinge loss, what is added to all of them cancels.
        no_gradient=frozenset({"score.bias"}),
    )

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(LEVELS_DOWN + 1)]
        self.blocks = nn.Sequential(
            _FirstBlock(image_channels, channels[0]),
            *(_DownBlock(low, high) for low, high in zip(channels[:-2], channels[1:-1], strict=True)),
            _DownBlock(channels[-2], channels[-1], halve=False),
            nn.ReLU(),
        )
        self.score = nn.Linear(channels[-1], 1)
        self.embedding = nn.Embedding(num_classes, channels[-1])
        _initialise(self)
        spectrally_normalised(self)

    def forward(self, image: Tensor, condition: Tensor) -> DiscriminatorOutput:
        """Judges pairs.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: Index of the expression, int64 ``(N,)``.

        Returns:
            ``scores`` ``(N, 1)``, unbounded.
        """
        features = self.blocks(image).sum(dim=(2, 3))
        fit = (self.embedding(condition) * features).sum(dim=1, keepdim=True)
        return DiscriminatorOutput(self.score(features) + fit)


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose gain and bias are those of the sample's class (arXiv 1707.00683)."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, affine=False)
        self.gain, self.bias = nn.Embedding(num_classes, channels), nn.Embedding(num_classes, channels)

    def forward(self, features: Tensor, index: Tensor) -> Tensor:
        """float ``(N, C, H, W)`` and int64 ``(N,)`` to the first's shape."""
        scaled: Tensor = self.norm(features) * self.gain(index)[:, :, None, None] + self.bias(index)[:, :, None, None]
        return scaled


class _UpBlock(nn.Module):
    """Norm, activation, twice the size, convolution, norm, activation, convolution; added to an enlarged 1×1 shortcut."""

    def __init__(self, inputs: int, outputs: int, num_classes: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([ConditionalBatchNorm(inputs, num_classes), ConditionalBatchNorm(outputs, num_classes)])
        self.first, self.second = nn.Conv2d(inputs, outputs, 3, 1, 1), nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor, index: Tensor) -> Tensor:
        hidden = self.first(interpolate(self.norms[0](features, index).relu(), scale_factor=2))
        changed = self.second(self.norms[1](hidden, index).relu())
        added: Tensor = changed + self.shortcut(interpolate(features, scale_factor=2))
        return added


class _FirstBlock(nn.Module):
    """Convolution, activation, convolution, half the size; added to a halved 1×1 shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(inputs, outputs, 3, 1, 1), nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        changed = halved(self.second(self.first(image).relu()))
        added: Tensor = changed + self.shortcut(halved(image))
        return added


class _DownBlock(nn.Module):
    """Activation, convolution, activation, convolution, added to a 1×1 shortcut; then half the size."""

    def __init__(self, inputs: int, outputs: int, halve: bool = True) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(inputs, inputs, 3, 1, 1), nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1)
        self.halve = halve

    def forward(self, features: Tensor) -> Tensor:
        changed = self.shortcut(features) + self.second(self.first(features.relu()).relu())
        smaller: Tensor = halved(changed) if self.halve else changed
        return smaller


def _initialise(network: nn.Module) -> None:
    """Weights Glorot-uniform, biases 0; gains of conditional batch norm 1."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight, sqrt(2) if name.endswith((".first", ".second")) else 1.0)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
        elif isinstance(module, ConditionalBatchNorm):
            nn.init.ones_(module.gain.weight)
            nn.init.zeros_(module.bias.weight)
        elif isinstance(module, nn.Embedding) and not name.endswith((".gain", ".bias")):
            nn.init.xavier_uniform_(module.weight)
