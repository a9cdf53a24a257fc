"""Fréchet distance between two sets of features, in float64.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium"
(arXiv 1706.08500), eq. 6: ``|μa - μb|² + Tr(Σa + Σb - 2 (Σa Σb)^½)`` with unbiased covariances.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo.errors import GanzooError


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Distance between the Gaussians fitted to two sets of features.

    Symmetric, 0 for equal sets, lower is better. Its expectation falls as the number of rows rises: only values at one
    number of rows are comparable.

    Args:
        first: Features, any float ``(N, D)``, N >= 2.
        second: Features, any float ``(M, D)``, M >= 2.

    Returns:
        A number >= 0, in squared units of the features.

    Raises:
        GanzooError: Fewer than two rows, unequal widths, or values that are not finite.
    """
    _check(first, second)
    mean_a, scaled_a = _centred(first)
    mean_b, scaled_b = _centred(second)
    spread = float(scaled_a.square().sum() + scaled_b.square().sum())  # Tr(Σa + Σb)
    offset = float((mean_a - mean_b).square().sum())
    # Rounding can leave a hair below zero where the sets are equal.
    return max(0.0, offset + spread - 2.0 * _root_trace(scaled_a, scaled_b))


def _check(first: Tensor, second: Tensor) -> None:
    shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise GanzooError(f"The Fréchet distance takes two sets of features (N, D) of one width D, not {shapes}.")
    if min(len(first), len(second)) < 2:
        raise GanzooError(f"The Fréchet distance needs at least 2 rows in each set, not {shapes}.")
    if not (first.isfinite().all() and second.isfinite().all()):
        raise GanzooError("The Fréchet distance was given features that are not finite (NaN or infinity).")


def _centred(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean ``(D,)``, and rows without it over √(N-1), so that ``rowsᵀ rows`` is the covariance."""
    rows = features.detach().cpu().double()
    mean = rows.mean(dim=0)
    return mean, (rows - mean) / (len(rows) - 1) ** 0.5


def _root_trace(scaled_a: Tensor, scaled_b: Tensor) -> float:
    """``Tr (Σa Σb)^½``, by whichever exact form is cheaper and well-conditioned at these shapes."""
    if min(len(scaled_a), len(scaled_b)) <= scaled_a.shape[1]:
        return _nuclear_norm(scaled_a @ scaled_b.T)
    covariance_a, covariance_b = scaled_a.T @ scaled_a, scaled_b.T @ scaled_b
    root, failed = torch.linalg.cholesky_ex(covariance_a)
    if int(failed):  # a feature that is constant, or copies another
        values, vectors = torch.linalg.eigh(covariance_a)
        root = vectors * values.clamp_min(0.0).sqrt()
    return _sum_of_roots(root.T @ covariance_b @ root)


def _nuclear_norm(matrix: Tensor) -> float:
    """Sum of singular values: below full rank ``Tr (Σa Σb)^½`` is that of ``a bᵀ``, N x M and not D x D."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    return _sum_of_roots(wide @ wide.T)


def _sum_of_roots(positive: Tensor) -> float:
    symmetric = (positive + positive.T) / 2
    return float(torch.linalg.eigvalsh(symmetric).clamp_min(0.0).sqrt().sum())
