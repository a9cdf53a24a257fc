"""Kernel distance between two sets of features: the KID where they are Inception's.

Source: Bińkowski et al., "Demystifying MMD GANs" (arXiv 1801.01401), section 4: the unbiased squared maximum mean discrepancy
under the kernel ``(xᵀy / D + 1)³``, here over all features at once and not over random subsets of them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ganzoo.errors import GanzooError

DEGREE = 3
_AT_ONCE = 512


class KernelDistance(NamedTuple):
    """A kernel distance, and how far it would move with other fakes.

    Attributes:
        value: Unbiased, so that it can fall below 0 where the sets are alike; lower is better.
        standard_error: By the jackknife over clusters of fakes, the reals held fixed; too large, by √2, where the distributions
            are equal. None for fewer than three clusters.
    """

    value: float
    standard_error: float | None


def kernel_distance(
    fakes: Tensor, reals: Tensor, clusters: Tensor | None = None, *, real_mean: float | None = None
) -> KernelDistance:
    """Unbiased squared MMD between all of two sets of features.

    Kernels are computed in float32, whose rounding averages out over the pairs, and summed in float64.

    Its standard error leaves out one cluster after the other. (A bootstrap would draw some fakes twice, and the kernel of a
    face with itself, which the estimator takes pains to leave out, would come back in.)

    Args:
        fakes: Any float ``(N, D)``, N >= 2.
        reals: Any float ``(M, D)``, M >= 2.
        clusters: What each fake hangs together with, such as its source image, int64 ``(N,)``; each stands alone where left
            out.
        real_mean: `mean_kernel` of the reals, where it is known already.

    Raises:
        GanzooError: Fewer than two rows, or unequal widths.
    """
    if fakes.ndim != 2 or reals.ndim != 2 or fakes.shape[1] != reals.shape[1] or min(len(fakes), len(reals)) < 2:
        shapes = f"{tuple(fakes.shape)} and {tuple(reals.shape)}"
        raise GanzooError(f"The kernel distance takes two sets (N, D) of at least 2 features of one width, not {shapes}.")
    own = torch.arange(len(fakes)) if clusters is None else torch.unique(clusters, return_inverse=True)[1]
    within, same, across = _row_sums(fakes.float(), reals.float(), own)
    real = mean_kernel(reals) if real_mean is None else real_mean
    value = _from_sums(within.sum(), across.sum(), torch.tensor(len(fakes)), len(reals), real)
    sizes = torch.bincount(own)
    left = len(fakes) - sizes
    if len(sizes) < 3 or int(left.min()) < 2:
        return KernelDistance(float(value), None)
    # A pair within a cluster stands in the sums of both of its ends, and goes only once.
    of_cluster = [torch.bincount(own, weights=sums) for sums in (within, same, across)]
    without = _from_sums(within.sum() - 2 * of_cluster[0] + of_cluster[1], across.sum() - of_cluster[2], left, len(reals), real)
    variance = (len(sizes) - 1) * without.var(correction=0)
    return KernelDistance(float(value), float(variance.sqrt()))


def mean_kernel(features: Tensor) -> float:
    """Mean kernel of all pairs of different rows of ``(N, D)``, N >= 2."""
    rows = features.float()
    total = 0.0
    for start in range(0, len(rows), _AT_ONCE):
        pairs = _kernel(rows[start : start + _AT_ONCE], rows[start:])
        total += float(pairs.triu_(1).sum(dim=1).double().sum())
    return 2 * total / (len(rows) * (len(rows) - 1))


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    base = torch.addmm(first.new_ones(1), first, second.T, alpha=1 / first.shape[1])
    return base.square().mul_(base)  # a power would take several times as long


def _row_sums(fakes: Tensor, reals: Tensor, own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each fake, sums of its kernel with the other fakes, with those of its cluster, and with all reals; ``(N,)`` each."""
    sums = torch.empty((3, len(fakes)), dtype=torch.float64)
    for part in torch.arange(len(fakes)).split(_AT_ONCE):
        pairs = _kernel(fakes[part], fakes)
        pairs[torch.arange(len(part)), part] = 0
        sums[0, part] = pairs.sum(dim=1).double()
        sums[1, part] = pairs.mul_(own[part, None] == own).sum(dim=1).double()
        sums[2, part] = _kernel(fakes[part], reals).sum(dim=1).double()
    return sums[0], sums[1], sums[2]


def _from_sums(within: Tensor, across: Tensor, fakes: Tensor, reals: int, real_mean: float) -> Tensor:
    return within / (fakes * (fakes - 1)) + real_mean - 2 * across / (fakes * reals)
