"""Tests of the difference between two groups of seeds: permutation, Holm's correction, and the seeds that a test needs."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]

ALPHA = 0.05
"""Chance, over all pairs of a table on one metric, of calling any two rows different that are not."""
LEAST_SEEDS = 6
"""Seeds of each row below which nothing is tested: mean and range say all that can be said."""
POWER = 0.8
MOST_SEEDS = 100
"""Beyond so many seeds each, a difference is too small to be worth settling."""
MOST_PARTITIONS = 13_000
"""Up to so many ways of splitting the seeds into two groups (8 + 8 has 12,870) all are looked at; of more, so many at random."""
SEED = 0
_AT_ONCE = 500_000
_LARGEST_EFFECT = 10.0


def permutation_p_values(first: Floats, second: Floats) -> Floats:
    """Two-sided permutation tests of the difference of means, many pairs of groups at once.

    As ``scipy.stats.permutation_test`` on the difference of means: twice the smaller one-sided share of splits that are at
    least as extreme, over all splits where they are few, else over random ones, (count + 1) / (splits + 1). All pairs share
    their splits, so that a table of thousands of pairs takes a matrix product; and of groups that do not overlap no split
    needs to be drawn, because none is as extreme.

    Args:
        first: ``(P, n)``, one row per pair of groups.
        second: ``(P, m)``.

    Returns:
        ``(P,)``, each in (0, 1].
    """
    p_values = np.full(len(first), smallest_p(first.shape[1], second.shape[1]))
    overlap = (first.min(axis=1) <= second.max(axis=1)) & (first.max(axis=1) >= second.min(axis=1))
    if overlap.any():
        p_values[overlap] = _resampled(first[overlap], second[overlap])
    return p_values


def _resampled(first: Floats, second: Floats) -> Floats:
    """The share of splits that are at least as extreme as the one seen, twice the smaller side: ``(P,)``."""
    pooled = np.concatenate([first, second], axis=1)
    pooled -= pooled.mean(axis=1, keepdims=True)  # (P, n + m)
    seen, slack = pooled[:, : first.shape[1]].sum(axis=1), 1e-12 * np.abs(pooled).sum(axis=1)
    splits, is_complete = _splits(first.shape[1], second.shape[1])
    p_values = np.empty(len(pooled))
    step = max(1, _AT_ONCE // splits.shape[1])
    for start in range(0, len(pooled), step):
        part = slice(start, start + step)
        sums = pooled[part] @ splits  # (pairs, splits): sum of the seeds that a split puts into the first group
        above = [np.count_nonzero(row >= least) for row, least in zip(sums, (seen - slack)[part], strict=True)]
        below = [np.count_nonzero(row <= most) for row, most in zip(sums, (seen + slack)[part], strict=True)]
        fewer = np.minimum(above, below)
        p_values[part] = fewer / splits.shape[1] if is_complete else (fewer + 1) / (splits.shape[1] + 1)
    return np.minimum(2 * p_values, 1.0)


def smallest_p(first: int, second: int) -> float:
    """The smallest p that groups of so many seeds can reach: 0.0022 for 6 and 6."""
    return min(1.0, 2 / comb(first + second, first))


@lru_cache(maxsize=8)
def _splits(first: int, second: int) -> tuple[Floats, bool]:
    """Which seeds go into the first group, as 0 and 1, ``(n + m, splits)``; and whether these are all ways."""
    seeds = first + second
    is_complete = comb(seeds, first) <= MOST_PARTITIONS
    if is_complete:
        members = np.array(list(combinations(range(seeds), first)))
    else:
        members = np.random.default_rng(SEED).random((MOST_PARTITIONS - 1, seeds)).argsort(axis=1)[:, :first]
    splits = np.zeros((len(members), seeds))
    np.put_along_axis(splits, members, 1.0, axis=1)
    return np.ascontiguousarray(splits.T), is_complete


def holm(p_values: Floats) -> Floats:
    """Holm's step-down adjustment (Scandinavian Journal of Statistics 6, 1979): compare the result with the level itself.

    Args:
        p_values: ``(P,)``.

    Returns:
        ``(P,)``, in the order given.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return adjusted


def least_seeds(pairs: int) -> int:
    """The fewest seeds of each row with which one of so many pairs can be told apart at all after Holm's correction."""
    return next(seeds for seeds in range(LEAST_SEEDS, MOST_SEEDS) if smallest_p(seeds, seeds) * pairs <= ALPHA)


def seeds_needed(effects: Floats, pairs: int) -> npt.NDArray[np.int64]:
    """Seeds of each row with which a test of one of ``pairs`` pairs would tell them apart in four of five cases.

    Power of the two-sided t test (noncentral distribution), which the permutation test of means approaches, at the level
    ``ALPHA / pairs`` that Holm asks of the smallest p; and never fewer than can reach that level. It takes the effect as
    seen for the true one, so it is a plan and no promise.

    Args:
        effects: ``(P,)``, difference of means in standard deviations of one seed, NaN where neither differs.
        pairs: Pairs that are tested together.

    Returns:
        ``(P,)``; ``MOST_SEEDS + 1`` stands for more than that.
    """
    effects = np.minimum(np.nan_to_num(np.abs(effects), posinf=_LARGEST_EFFECT), _LARGEST_EFFECT)
    low = np.full(len(effects), least_seeds(pairs), dtype=np.int64)
    high = np.full(len(effects), MOST_SEEDS + 1, dtype=np.int64)
    while np.any(low < high):
        middle = (low + high) // 2
        enough = _power(effects, middle, ALPHA / pairs) >= POWER
        low, high = np.where(enough | (low >= high), low, middle + 1), np.where(enough, middle, high)
    return high


def _power(effects: Floats, seeds: npt.NDArray[np.int64], level: float) -> Floats:
    """Chance that a two-sided t test of two groups of so many seeds finds a difference of ``effects`` deviations."""
    # t² follows a noncentral F; scipy's noncentral t is NaN in its far tail.
    freedom, noncentrality = 2 * seeds - 2, effects**2 * seeds / 2
    power: Floats = stats.ncf.sf(stats.f.isf(level, 1, freedom), 1, freedom, noncentrality)
    return power
