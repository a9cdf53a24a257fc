"""STGAN: A Unified Selective Transfer Network for Arbitrary Image Attribute Editing (Liu et al., CVPR 2019, arXiv 1904.09709).

AttGAN's encoder and decoder, told what is to change instead of what is wanted, with a selective transfer unit in the skip
connection of every level. Trained against AttGAN's discriminator. Made for binary attributes, of which a face has several; here
they are the expressions, of which it has one: the difference is +1 for the wanted expression, -1 for the present one, 0 for all
others, and all 0 where nothing is to change. Differs from the published code:

* The depth follows the image size: the most halvings, up to the published 5, that leave a map of at least 3x3 (4 at 48 px, hence
  3 units).
* PyTorch's default initialisation.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ganzoo.models.attgan import MIN_SIZE_PX, SIZE_MULTIPLE_PX, Decoder, Encoder, level_channels
from ganzoo.models.base import Generator, GeneratorOutput, GeneratorSpec
from ganzoo.models.blocks import tile_condition
from ganzoo.registry import GENERATORS


class SelectiveTransferUnit(nn.Module):
    """A gated recurrent cell that runs over levels, from deep to shallow: it decides what of a map passes to the decoder.

    With s↑ the state of the deeper level, doubled in size, and x the encoder's map::

        r, u = σ(conv[x, s↑]), σ(conv[x, s↑])      s' = r ⊙ s↑
        h = tanh(conv[x, s'])                      output = (1 - u) ⊙ s↑ + u ⊙ h

    The state handed on is s' (the published mode "stu"). No normalisation.

    Args:
        state_channels: Channels of the deeper state, condition included.
        channels: Channels of the map, of the output and of the new state.
    """

    def __init__(self, state_channels: int, channels: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(state_channels, channels, 4, 2, 1)
        self.reset = nn.Sequential(nn.Conv2d(2 * channels, channels, 3, 1, 1), nn.Sigmoid())
        self.update = nn.Sequential(nn.Conv2d(2 * channels, channels, 3, 1, 1), nn.Sigmoid())
        self.candidate = nn.Sequential(nn.Conv2d(2 * channels, channels, 3, 1, 1), nn.Tanh())

    def forward(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Transfers a map.

        Args:
            features: float ``(N, channels, H, W)``.
            state: float ``(N, state_channels, H/2, W/2)``.

        Returns:
            The output and the new state, each shaped as ``features``.
        """
        enlarged = self.enlarge(state)
        both = torch.cat([features, enlarged], dim=1)
        kept = self.reset(both) * enlarged
        share = self.update(both)
        new = self.candidate(torch.cat([features, kept], dim=1))
        return (1 - share) * enlarged + share * new, kept


@GENERATORS.register("stgan")
class STGANGenerator(Generator):
    """Encoder, selective transfer units and a decoder, each told the difference of expressions.

    Args:
        image_channels: Channels of source and output.
        image_size_px: Side of the square images; a multiple of 4.
        num_classes: Number of expressions.
        width: Channels after the first convolution (64 in the paper); doubles with every level, up to 16 times.
    """

    spec: ClassVar = GeneratorSpec(
        condition="difference",
        size_multiple_px=SIZE_MULTIPLE_PX,
        min_size_px=MIN_SIZE_PX,
        couples_batch=True,
        continuous=True,
        revision=2,
        tiny={"width": 4},
    )

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        channels = level_channels(image_channels, image_size_px, width)
        skips = len(channels) - 2
        self.encoder = Encoder(channels)
        self.transfer = nn.ModuleList(
            SelectiveTransferUnit(channels[level + 1] + num_classes, channels[level]) for level in range(skips, 0, -1)
        )
        self.decoder = Decoder(channels, num_classes, shortcut_layers=skips, inject_layers=skips)

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        """Translates faces.

        Args:
            image: float ``(N, C, H, W)`` in [-1, 1].
            condition: Target minus source ``(N, K)`` in {-1, 0, 1}; zeros ask for the face itself.

        Returns:
            ``image`` in (-1, 1), same shape as the source.
        """
        *maps, deepest = self.encoder(image)
        state, skips = deepest, []
        for unit, features in zip(self.transfer, maps[::-1], strict=True):
            skip, state = unit(features, tile_condition(state, condition))
            skips.append(skip)
        return GeneratorOutput(self.decoder(deepest, skips, condition))
