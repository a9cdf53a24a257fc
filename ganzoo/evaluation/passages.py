"""Ways in which a translation may go back to the generator other than as bytes, and the cycles along them.

A generator may hide the source in its translation and find it again on the way back (Chu et al., "CycleGAN, a Master of
Steganography", arXiv 1712.02950). Rounding destroys what is hidden in fractions of a grey level; what is hidden in the lowest
bits survives it, and is destroyed by noise alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ganzoo.data.pixels import to_minus1_1, to_uint8

NOISE_LEVELS = 2.0
"""Standard deviation of the noise, in grey levels of 255."""
PROBED_SOURCES = 500
"""Sources, at most, whose cycles are made along every passage."""

Passage = Callable[[Tensor, Tensor], Tensor]
"""What becomes of translated faces, float ``(N, C, H, W)``, before they are translated back; each has a seed, int64 ``(N,)``."""


def untouched(faces: Tensor, seeds: Tensor) -> Tensor:
    """What the generator gave, in all its digits, as in training."""
    return faces


def noisy(faces: Tensor, seeds: Tensor) -> Tensor:
    """Clamped and rounded like every picture, after normal noise of two grey levels, each face's from its own seed."""
    drawn = [torch.randn(faces.shape[1:], generator=torch.Generator().manual_seed(seed)) for seed in seeds.tolist()]
    return to_minus1_1(to_uint8(faces + torch.stack(drawn).to(faces.device) * (NOISE_LEVELS / 127.5)))


PASSAGES: Mapping[str, Passage] = {"untouched": untouched, "noisy": noisy}


def probed_sources(max_sources: int | None) -> int:
    """Sources whose cycles are made along every passage; a tenth of those scored where a limit says that it is to be quick."""
    return PROBED_SOURCES if max_sources is None else min(PROBED_SOURCES, max_sources // 10)
