"""Fréchet distance as it would be for endlessly many faces: a line through the distances of growing samples.

Source: Chong and Forsyth, "Effectively Unbiased FID and Inception Score and where to find them" (arXiv 1911.07023): for N
faces the distance is, up to terms of higher order, a constant plus a multiple of 1/N.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganzoo.evaluation.frechet import Gaussian, frechet_distance

POINTS = 15
SMALLEST_SHARE = 0.1
SEED = 0
LEAST_PER_CLASS = 20
"""Faces of each class below which samples of a tenth of them would say nothing."""


def sample_sizes(per_class: int) -> list[int]:
    """Faces of each class in the growing samples: evenly from a tenth to all of ``per_class``."""
    sizes = np.linspace(SMALLEST_SHARE * per_class, per_class, POINTS).round().astype(int)
    return sorted({max(2, int(size)) for size in sizes})


def frechet_infinity(features: Tensor, targets: Tensor, reference: Gaussian) -> float:
    """The distance of ``features`` from ``reference``, extrapolated to endlessly many of them.

    The number of reals stays what it is, and their part in the bias with it. Where the features have more dimensions than
    the samples have faces, a line is a poor model and the value only a hint.

    Args:
        features: Any float ``(N, D)``, the same number of each class.
        targets: Their classes, int64 ``(N,)``; every sample holds equally many of each.
        reference: Fitted to the reals.

    Returns:
        The intercept; may be negative.
    """
    generator = torch.Generator().manual_seed(SEED)
    members = [(targets == label).nonzero().squeeze(1) for label in torch.unique(targets)]
    counts, distances = [], []
    for size in sample_sizes(min(map(len, members))):
        chosen = torch.cat([each[torch.randperm(len(each), generator=generator)[:size]] for each in members])
        counts.append(len(chosen))
        distances.append(frechet_distance(features[chosen], reference))
    _, intercept = np.polyfit(1 / np.array(counts), distances, deg=1)
    return float(intercept)
