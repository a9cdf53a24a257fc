"""Fréchet distance between two sets of features, in float64.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium"
(arXiv 1706.08500), eq. 6: ``|μa - μb|² + Tr(Σa + Σb - 2 (Σa Σb)^½)`` with unbiased covariances.

With ``Σa = AᵀA`` and ``Σb = BᵀB``, ``Tr (Σa Σb)^½`` is the nuclear norm (the sum of singular values) of ``A Bᵀ``, and any
such factors will do: the centred features themselves where they are few, Cholesky's where they are many.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from scipy.linalg.blas import dsyrk
from torch import Tensor

from ganzoo.errors import GanzooError

ACCURACY = 1e-6
"""Relative error of a distance, by an estimate that is seldom reached, above which a slower and exact form is taken."""
_ROUNDING = torch.finfo(torch.float64).eps
"""Error of a squared singular value, as a share of the largest. What sums of roots were off by, for spectra falling as rank^-0.25
to rank^-2, was at most a twentieth of the bound that follows from it."""
_ALIKE = 100.0
"""Variances of features that are no further apart need not be put in order."""
_SMALLEST_PIVOT = 1e-6
"""Of the largest: below, a covariance is so close to singular that Cholesky's factor has lost most of its digits."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """The Gaussian fitted to a set of features.

    Attributes:
        mean: float64 ``(D,)``.
        factor: float64 ``(min(N, D), D)``, or fewer rows where features are constant; ``factorᵀ factor`` is the covariance.
        variance: Trace of the covariance.
        log_determinant: Of the factor's absolute determinant, without constant features; None where N <= D.
    """

    mean: Tensor
    factor: Tensor
    variance: float
    log_determinant: float | None


def fit_gaussian(features: Tensor) -> Gaussian:
    """Mean and covariance of features, any float ``(N, D)``, N >= 2.

    Raises:
        GanzooError: Another shape, fewer than two rows, or values that are not finite.
    """
    shape = tuple(features.shape)
    if features.ndim != 2:
        raise GanzooError(f"The Fréchet distance takes sets of features (N, D), not {shape}.")
    if len(features) < 2:
        raise GanzooError(f"The Fréchet distance needs at least 2 rows in each set, not {shape}.")
    rows = features.detach().cpu().double()
    mean = rows.mean(dim=0)
    if not mean.isfinite().all():
        raise GanzooError("The Fréchet distance was given features that are not finite (NaN or infinity).")
    centred, divisor = rows - mean, (len(rows) - 1) ** 0.5
    if len(centred) <= centred.shape[1]:
        factor = centred / divisor
        return Gaussian(mean, factor, float(factor.square().sum()), None)
    factor, log_determinant = _triangular_factor(centred)
    return Gaussian(
        mean, factor / divisor, float(factor.square().sum()) / divisor**2, log_determinant - len(factor) * log(divisor)
    )


def _triangular_factor(rows: Tensor) -> tuple[Tensor, float]:
    """``(D, D)`` with the same products between columns as ``(N, D)``, N > D, and the logarithm of its absolute determinant.

    A triangle, once its columns are put in order: its rows shrink from top to bottom, on which the accuracy of eigenvalues
    rests, and for that the features that vary most come first. Such as vary alike need no order; those that are constant have no
    row, and the determinant is that of the others.
    """
    products = _gram(rows.T)
    variances = products.diagonal()
    order: Tensor | slice = slice(None)
    if variances.max() > _ALIKE * variances.min():
        order = variances.argsort(descending=True)[: max(1, int(variances.count_nonzero()))]
        products = products + products.tril(-1).T
    root, failed = torch.linalg.cholesky_ex(products[order][:, order])
    pivots = root.diagonal().abs()
    if int(failed) or bool(pivots.min() < _SMALLEST_PIVOT * pivots.max()):  # a feature that is constant, or copies another
        root = torch.linalg.qr(rows[:, order], mode="r").R.T
    factor = rows.new_zeros(len(root), rows.shape[1])
    factor[:, order] = root.T
    return factor, float(root.diagonal().abs().log().sum())


def frechet_distance(first: Tensor | Gaussian, second: Tensor | Gaussian) -> float:
    """Distance between the Gaussians fitted to two sets of features.

    Symmetric, 0 for equal sets, lower is better. Its expectation falls as the number of rows rises: only values at one
    number of rows are comparable.

    Args:
        first: Features, any float ``(N, D)``, N >= 2, or what `fit_gaussian` made of them.
        second: Features, any float ``(M, D)``, M >= 2, likewise.

    Returns:
        A number >= 0, in squared units of the features.

    Raises:
        GanzooError: Fewer than two rows, unequal widths, or values that are not finite.
    """
    a, b = (each if isinstance(each, Gaussian) else fit_gaussian(each) for each in (first, second))
    if len(a.mean) != len(b.mean):
        raise GanzooError(f"The Fréchet distance takes features of one width, not {len(a.mean)} and {len(b.mean)}.")
    apart = float((a.mean - b.mean).square().sum()) + a.variance + b.variance
    product = (b.factor @ a.factor.T).T
    values = _quick_singular_values(product)
    norm, missed = float(values.sum()), torch.inf
    if a.log_determinant is not None and b.log_determinant is not None and product.shape[0] == product.shape[1]:
        # The product of all values is known from both triangles.
        missed = float((values.log().sum() - a.log_determinant - b.log_determinant).abs())
    if not 2 * _error_of_sum(values, missed) <= ACCURACY * (apart - 2 * norm):  # spectra are steep, or little is left
        norm = float(torch.linalg.svdvals(product).sum())
    return max(0.0, apart - 2 * norm)  # rounding can leave a hair below zero where the sets are equal


def _quick_singular_values(matrix: Tensor) -> Tensor:
    """Roots of the eigenvalues of the square, ascending: squaring costs small ones half of their digits.

    Where rows shrink from top to bottom, small ones keep nearly all: LAPACK reduces a lower triangle from the top.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    squares: Tensor = torch.linalg.eigvalsh(_gram(wide), UPLO="L").clamp_min(0.0)
    return squares.sqrt()


def _error_of_sum(values: Tensor, missed: float) -> float:
    """How far the sum of quick singular values, ascending, may be off.

    Args:
        values: Their squares are off by at most `_ROUNDING` of the largest square, which is little for large values.
        missed: By how much the sum of their logarithms is off, infinite where it is not known: were each of the small ones off by
            the same share, their sum would be off by so much of their mean.
    """
    squares = values.square()
    uncertain = _ROUNDING * squares.max()
    large = uncertain / (2 * (squares + uncertain).sqrt())
    large = torch.cat([large.flip(0).cumsum(0).flip(0), large.new_zeros(1)])  # of all from the k-th on
    small = missed * values.cumsum(0) / torch.arange(1, len(values) + 1)  # of the first k
    return float((large + torch.cat([small.new_zeros(1), small])).nan_to_num(nan=torch.inf).min())


def _gram(matrix: Tensor) -> Tensor:
    """The lower triangle of ``matrix matrixᵀ``, float64, in half the time of a whole product; zeros above it."""
    return torch.from_numpy(dsyrk(1.0, matrix.numpy(), lower=1))
