from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy import stats

from ganzoo.compare import significance
from ganzoo.compare.significance import ALPHA, POWER, holm, least_seeds, permutation_p_values, seeds_needed, smallest_p


@pytest.mark.parametrize("seeds", [(6, 6), (6, 7), (8, 8)])
def test_exact_p_values_are_those_of_scipy(seeds: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    shift = np.array([0.0, 0.8, 1.5, 9.0])
    first, second = rng.normal(size=(4, seeds[0])), rng.normal(size=(4, seeds[1])) + shift[:, None]
    second[0, 0] = first[0, 0]
    wanted = stats.permutation_test(
        (first, second), lambda a, b, axis: a.mean(axis) - b.mean(axis), axis=1, vectorized=True, n_resamples=20_000
    )
    assert permutation_p_values(first, second) == pytest.approx(wanted.pvalue)


def test_random_splits_come_near_the_exact_p(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(20, 8)), rng.normal(size=(20, 8)) + 0.7
    exact = permutation_p_values(first, second)
    significance._splits.cache_clear()
    monkeypatch.setattr(significance, "MOST_PARTITIONS", 8_000)
    assert permutation_p_values(first, second) == pytest.approx(exact, abs=0.03)
    significance._splits.cache_clear()


def test_groups_that_do_not_overlap_reach_the_smallest_p_even_where_splits_are_drawn() -> None:
    first = np.arange(12.0)[None]
    assert permutation_p_values(first, first + 12) == pytest.approx([2 / comb(24, 12)])
    assert permutation_p_values(first + 12, first) == pytest.approx([2 / comb(24, 12)])
    assert smallest_p(6, 6) == pytest.approx(2 / 924)


def test_equal_seeds_are_no_evidence() -> None:
    assert permutation_p_values(np.full((1, 6), 0.1), np.full((1, 6), 0.1)) == pytest.approx([1.0])


@pytest.mark.parametrize("seeds", [(6, 6), (10, 12)])
def test_under_the_null_a_pair_is_called_different_as_rarely_as_promised(seeds: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    # Skewed, as losses are: no normal distribution is assumed.
    p_values = permutation_p_values(rng.exponential(size=(3000, seeds[0])), rng.exponential(size=(3000, seeds[1])))
    for level in (0.01, 0.05, 0.2):
        assert np.mean(p_values <= level) == pytest.approx(level, abs=4 * np.sqrt(level / 3000))


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.5, 0.6])) == pytest.approx([1.0, 1.0])
    assert holm(np.array([0.02])) == pytest.approx([0.02])


def test_holm_keeps_the_chance_of_any_false_claim() -> None:
    rng = np.random.default_rng(3)
    claims = 0
    for _ in range(400):
        rows = rng.normal(size=(4, 7))
        left, right = np.array([(i, j) for i in range(4) for j in range(i + 1, 4)]).T
        claims += bool((holm(permutation_p_values(rows[left], rows[right])) <= ALPHA).any())
    assert claims / 400 <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / 400)


@pytest.mark.parametrize(("pairs", "seeds"), [(1, 6), (23, 6), (24, 7), (1000, 9)])
def test_the_fewest_seeds_that_can_tell(pairs: int, seeds: int) -> None:
    assert least_seeds(pairs) == seeds
    assert smallest_p(seeds, seeds) * pairs <= ALPHA and (seeds == 6 or smallest_p(seeds - 1, seeds - 1) * pairs > ALPHA)


@pytest.mark.parametrize(("effect", "pairs"), [(1.2, 1), (1.5, 10), (0.8, 3)])
def test_with_the_seeds_needed_the_test_finds_the_difference_in_four_of_five_cases(effect: float, pairs: int) -> None:
    (seeds,) = seeds_needed(np.array([effect]), pairs)
    rng = np.random.default_rng(4)

    def power(seeds: int) -> float:
        p_values = permutation_p_values(rng.normal(size=(1500, seeds)), rng.normal(size=(1500, seeds)) + effect)
        return float(np.mean(p_values <= ALPHA / pairs))

    assert power(seeds) == pytest.approx(POWER, abs=0.06)
    assert power(max(6, int(0.7 * seeds))) < POWER - 0.05


def test_seeds_needed_for_no_or_a_huge_difference() -> None:
    needed = seeds_needed(np.array([0.0, np.nan, np.inf, -np.inf, 50.0, -1.2, 1.2]), 1)
    assert needed.tolist()[:5] == [101, 101, 6, 6, 6] and needed[5] == needed[6]
