"""GANimation: anatomically-aware facial animation from a single image (Pumarola et al., ECCV 2018, arXiv 1807.09251).

StarGAN's encoder, bottleneck and decoder with two heads: a colour image C and an attention mask A, blended with the source x as
y = A x + (1 - A) C, so that a mask of 1 keeps the pixel. The condition are the intensities of 17 action units, all of them
continuous. Differs from the publication:

* The discriminator's depth follows the image size, as StarGAN's does here (4 halvings at 48 px, 6 at the published 128).
* ``ganimation_onehot`` reads a class instead of action units, for data without any: what masks alone are worth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from torch import Tensor, nn

from ganzoo.models.base import (
    NUM_ACTION_UNITS,
    DiscriminatorOutput,
    DiscriminatorSpec,
    GeneratorOutput,
    GeneratorSpec,
    condition_width,
)
from ganzoo.models.blocks import HeadConv2d, spectrally_normalised, tile_condition
from ganzoo.models.stargan import PatchClassifier, StarGANGenerator
from ganzoo.registry import DISCRIMINATORS, GENERATORS


@GENERATORS.register("ganimation")
class GANimationGenerator(StarGANGenerator):
    """StarGAN's trunk with a colour and an attention head, told the intensities of action units.

    Args:
        image_channels: Channels of source and output.
        image_size_px: Side of the square images; a multiple of 4.
        num_classes: Number of expressions; action units describe them, so that it changes nothing here.
        width: Channels after the first convolution (64 in the paper).
        residual_blocks: Blocks at the bottleneck (6 in the paper).
    """

    spec: ClassVar = GeneratorSpec(
        condition="action_units",
        gives=frozenset({"image", "attention"}),
        continuous=True,
        size_multiple_px=4,
        min_size_px=8,
        tiny={"width": 4, "residual_blocks": 1},
    )

    def __init__(
        self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64, residual_blocks: int = 6
    ) -> None:
        super().__init__(
            image_channels=image_channels,
            image_size_px=image_size_px,
            num_classes=condition_width(self.spec.condition, num_classes),
            width=width,
            residual_blocks=residual_blocks,
        )
        self.main = self.main[:-2]  # without StarGAN's own head
        self.color_head = HeadConv2d(width, image_channels, 7)
        self.attention_head = HeadConv2d(width, 1, 7)
        self.apply(_initialise)

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        """Translates faces.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: Action units in [0, 1], ``(N, 17)``; one-hot ``(N, K)`` for ``ganimation_onehot``.

        Returns:
            ``image`` in [-1, 1] and ``attention`` ``(N, 1, H, W)`` in (0, 1).
        """
        features = self.main(tile_condition(image, condition))
        color = self.color_head(features).tanh()
        attention = self.attention_head(features).sigmoid()
        return GeneratorOutput(attention * image + (1 - attention) * color, attention)


@GENERATORS.register("ganimation_onehot")
class OneHotGANimationGenerator(GANimationGenerator):
    """GANimation's generator told a class, as StarGAN is; arguments as there."""

    spec: ClassVar = replace(GANimationGenerator.spec, condition="onehot", continuous=False)


@DISCRIMINATORS.register("patch_regressor")
class PatchRegressor(PatchClassifier):
    """Scores patches of an image as real and measures its action units; no normalisation.

    Args:
        image_channels: Channels of the images.
        image_size_px: Side of the square images.
        num_classes: Number of expressions; changes nothing here.
        width: Channels after the first convolution (64 in the paper); doubles with every level.
        depth: Stride-2 levels; None takes the most that leave a map of at least 3x3.
        spectral_norm: Divide all weights by their spectral norm (SNGAN, arXiv 1802.05957); not in the paper.
    """

    spec: ClassVar = DiscriminatorSpec(
        condition=None, gives=frozenset({"scores", "action_units"}), size_multiple_px=2, min_size_px=6, tiny={"width": 4}
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
        super().__init__(
            image_channels=image_channels, image_size_px=image_size_px, num_classes=NUM_ACTION_UNITS, width=width, depth=depth
        )
        self.apply(_initialise)
        if spectral_norm:
            spectrally_normalised(self)

    def forward(self, image: Tensor) -> DiscriminatorOutput:
        """Judges images.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].

        Returns:
            ``scores`` ``(N, 1, h, w)`` and ``action_units`` ``(N, 17)``, linear, nominally in [0, 1].
        """
        output = super().forward(image)
        return DiscriminatorOutput(output.scores, action_units=output.class_logits)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
