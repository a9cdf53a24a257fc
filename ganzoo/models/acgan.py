"""ACGAN: Conditional Image Synthesis with Auxiliary Classifier GANs (arXiv 1610.09585), at 48 px.

The layout is PyTorch-GAN's (github.com/eriklindernoren/PyTorch-GAN, implementations/acgan) for small images, not the paper's
deeper stack for 128 px: noise times an embedding of the class, two levels up; four levels down to one head for realness and
one for the class. Differs from it:

* Batch norm has the usual epsilon, 1e-5, where 0.8 stands there.
* Heads give logits; sigmoid and softmax are part of the losses, where the class's loss there takes a second softmax.
* Linear layers start as N(0, 0.02) and all biases at 0, where they are PyTorch's there.
* The share of channels that are dropped is a setting.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from ganzoo.models.base import Discriminator, DiscriminatorOutput, DiscriminatorSpec, Generator, GeneratorOutput, GeneratorSpec
from ganzoo.models.blocks import initialise_dcgan
from ganzoo.registry import DISCRIMINATORS, GENERATORS

LEVELS_UP = 2
LEVELS_DOWN = 4


@GENERATORS.register("acgan")
class ACGANGenerator(Generator):
    """Draws a face of the wanted expression from noise; it sees no source.

    Args:
        image_channels: Channels of the output.
        image_size_px: Side of the square images; a multiple of 4.
        num_classes: Number of expressions.
        width: Channels before the last layer; the first feature map has twice as many.
    """

    spec: ClassVar = GeneratorSpec(
        condition="index",
        takes_image=False,
        noise_size=100,
        size_multiple_px=4,
        min_size_px=8,
        couples_batch=True,
        tiny={"width": 4},
    )

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        side = image_size_px // 2**LEVELS_UP
        self.embedding = nn.Embedding(num_classes, self.spec.noise_size)
        self.main = nn.Sequential(
            nn.Linear(self.spec.noise_size, 2 * width * side**2),
            nn.Unflatten(1, (2 * width, side, side)),
            nn.BatchNorm2d(2 * width),
            *_up(2 * width, 2 * width),
            *_up(2 * width, width),
            nn.Conv2d(width, image_channels, 3, 1, 1),
            nn.Tanh(),
        )
        initialise_dcgan(self)

    def forward(self, noise: Tensor, condition: Tensor) -> GeneratorOutput:
        """Draws faces.

        Args:
            noise: float ``(N, 100)``, standard normal.
            condition: Index of the target, int64 ``(N,)``.

        Returns:
            ``image`` ``(N, C, H, W)`` in (-1, 1).
        """
        return GeneratorOutput(self.main(noise * self.embedding(condition)))


@DISCRIMINATORS.register("acgan")
class ACGANDiscriminator(Discriminator):
    """Scores an image as real and classifies its expression.

    Args:
        image_channels: Channels of the images.
        image_size_px: Side of the square images; a multiple of 16.
        num_classes: Number of expressions.
        width: Channels after the first convolution; doubles with every level.
        dropout: Share of channels dropped after every level.
    """

    spec: ClassVar = DiscriminatorSpec(
        condition=None,
        gives=frozenset({"scores", "class_logits"}),
        size_multiple_px=16,
        min_size_px=32,
        couples_batch=True,
        tiny={"width": 4},
    )

    def __init__(
        self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 16, dropout: float = 0.25
    ) -> None:
        super().__init__()
        channels = [image_channels, *(width * 2**level for level in range(LEVELS_DOWN))]
        levels: list[nn.Module] = []
        for inputs, outputs in zip(channels, channels[1:], strict=False):
            norm = [nn.BatchNorm2d(outputs)] if levels else []  # none on the first level, as in DCGAN
            levels += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout2d(dropout), *norm]
        self.main = nn.Sequential(*levels, nn.Flatten())
        features = channels[-1] * (image_size_px // 2**LEVELS_DOWN) ** 2
        self.score_head = nn.Linear(features, 1)
        self.class_head = nn.Linear(features, num_classes)
        initialise_dcgan(self)

    def forward(self, image: Tensor) -> DiscriminatorOutput:
        """Judges images.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].

        Returns:
            ``scores`` ``(N, 1)`` and ``class_logits`` ``(N, K)``; unbounded.
        """
        features = self.main(image)
        return DiscriminatorOutput(self.score_head(features), self.class_head(features))


def _up(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, 1, 1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
