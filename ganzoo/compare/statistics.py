"""What the seeds of a table's rows allow to be said: which pairs differ, which ranks a row may hold, the Pareto front.

``compare_rows`` takes plain scores and gives one `Statistics` per table; tables, pages and figures read it from
``Table.statistics``. No row is scored by one number: each metric ranks by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import fmean

import numpy as np

from ganzoo.compare.significance import ALPHA, LEAST_SEEDS, MOST_SEEDS, holm, permutation_p_values, seeds_needed, smallest_p
from ganzoo.runs.schema import ASPECTS, MetricInfo


@dataclass(frozen=True)
class Scores:
    """One metric's scores of the rows that may be ranked.

    Attributes:
        metric: Its name.
        info: What it is.
        values: Row -> one value per seed; rows without a value are left out.
        unproven: Rows that do not clearly beat the control that a working model must; they are on no front.
        doubted: Rows whose values are not to be believed; they keep their ranks, with a note, and are on no front.
        discriminating: Whether some row beats that control; without, nothing is ranked by it, and no row is on a front.
    """

    metric: str
    info: MetricInfo
    values: Mapping[str, tuple[float, ...]]
    unproven: Collection[str] = ()
    doubted: Collection[str] = ()
    discriminating: bool = True

    @property
    def means(self) -> dict[str, float]:
        """Row -> mean over its seeds."""
        return {label: fmean(values) for label, values in self.values.items()}


@dataclass(frozen=True)
class PairTest:
    """Two rows with at least ``LEAST_SEEDS`` seeds each, on one metric.

    Attributes:
        better: Row with the better mean.
        worse: The other row.
        difference: Mean of ``better`` minus mean of ``worse``.
        seeds: Seeds of ``better`` and of ``worse``.
        p: Two-sided permutation test of the difference of means.
        p_holm: The same after Holm's correction over the pairs of the metric.
        smallest_p: The smallest p that so many seeds can reach, before the correction.
        seeds_needed: Seeds of each row that would tell them apart (power 0.8, differences and spread as seen); None where
            they are told apart already, or where more than ``MOST_SEEDS`` would be needed.
    """

    better: str
    worse: str
    difference: float
    seeds: tuple[int, int]
    p: float
    p_holm: float
    smallest_p: float
    seeds_needed: int | None

    @property
    def distinguishable(self) -> bool:
        """Whether the rows differ at the level ``ALPHA``, over all pairs of the metric together."""
        return self.p_holm <= ALPHA

    @property
    def more_seeds(self) -> int | None:
        """About how many more seeds (of the row that has fewer) would tell; None as for ``seeds_needed``."""
        return None if self.seeds_needed is None else max(1, self.seeds_needed - min(self.seeds))


@dataclass(frozen=True)
class MetricRanking:
    """An order of rows by one metric, and how sure it is.

    Attributes:
        metric: Its name.
        order: Rows by their means, best first.
        pairs: Every tested pair, by the order of ``better``, then of ``worse``; empty where fewer than two rows have
            ``LEAST_SEEDS`` seeds.
        ranks: Row -> lowest and highest rank it may hold, given which pairs are told apart; only rows that were tested. A row
            of too few seeds may stand anywhere, so it widens the others' ranks.
        ties: Row -> letters; rows that share one are not distinguishable. Only rows that were tested.
    """

    metric: str
    order: tuple[str, ...]
    pairs: tuple[PairTest, ...] = ()
    ranks: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    ties: Mapping[str, str] = field(default_factory=dict)

    @property
    def neighbours(self) -> tuple[PairTest, ...]:
        """Tested pairs that stand next to each other in the order of tested rows."""
        tested = [label for label in self.order if label in self.ranks]
        beside = set(zip(tested, tested[1:], strict=False))
        return tuple(pair for pair in self.pairs if (pair.better, pair.worse) in beside)


@dataclass(frozen=True)
class ParetoFront:
    """Rows that no other row beats, by means, on one metric for each aspect.

    Attributes:
        metrics: The metrics, in the order of ``ASPECTS``.
        rows: Rows on the front: none other is at least as good on all metrics and better on one.
        left_out: Row -> why it cannot be on it: it lacks a value, or does not clearly beat the control that a working model must.
    """

    metrics: tuple[str, ...]
    rows: tuple[str, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class Statistics:
    """What may be said of a table.

    Attributes:
        rankings: Metric -> its ranking, for every metric that ranks and discriminates.
        pareto: The front; None with fewer than two aspects or fewer than two rows to compare.
    """

    rankings: Mapping[str, MetricRanking] = field(default_factory=dict)
    pareto: ParetoFront | None = None


def compare_rows(scores: Sequence[Scores]) -> Statistics:
    """Ranks rows on each metric, as far as their seeds allow, and finds the Pareto front.

    Args:
        scores: One for each metric, in the order of the table's columns; those that rank nothing are passed over.

    Returns:
        Rankings and front.
    """
    ranked = [one for one in scores if one.info.ranked and one.info.direction != "none" and one.values]
    return Statistics({one.metric: rank(one) for one in ranked if one.discriminating}, pareto_front(ranked))


def rank(scores: Scores) -> MetricRanking:
    """The ranking by one metric."""
    means = scores.means
    order = tuple(sorted(means, key=means.__getitem__, reverse=scores.info.direction == "higher"))
    tested = [label for label in order if len(scores.values[label]) >= LEAST_SEEDS]
    if len(tested) < 2:
        return MetricRanking(scores.metric, order)
    pairs = _test(scores, tested)
    apart = {(pair.better, pair.worse) for pair in pairs if pair.distinguishable}
    return MetricRanking(scores.metric, order, pairs, rank_intervals(order, tested, apart), tie_letters(tested, apart))


def _test(scores: Scores, tested: Sequence[str]) -> tuple[PairTest, ...]:
    """Tests every pair of rows; pairs with the same numbers of seeds are tested in one go."""
    values = [np.array(scores.values[label]) for label in tested]
    means, variances = np.array([one.mean() for one in values]), np.array([one.var(ddof=1) for one in values])
    counts = np.array([len(one) for one in values])
    left, right = np.array(list(combinations(range(len(tested)), 2))).T
    p_values = np.empty(len(left))
    for sizes in {(counts[i], counts[j]) for i, j in zip(left, right, strict=True)}:
        which = np.flatnonzero((counts[left] == sizes[0]) & (counts[right] == sizes[1]))
        first, second = (np.stack([values[at] for at in side[which]]) for side in (left, right))
        p_values[which] = permutation_p_values(first, second)
    adjusted = holm(p_values)
    freedom = counts - 1.0
    spread = np.sqrt((freedom[left] * variances[left] + freedom[right] * variances[right]) / (freedom[left] + freedom[right]))
    differences = means[left] - means[right]
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = seeds_needed(differences / spread, len(left))
    return tuple(
        PairTest(
            better=tested[i],
            worse=tested[j],
            difference=float(differences[at]),
            seeds=(int(counts[i]), int(counts[j])),
            p=float(p_values[at]),
            p_holm=float(adjusted[at]),
            smallest_p=smallest_p(int(counts[i]), int(counts[j])),
            seeds_needed=int(needed[at]) if adjusted[at] > ALPHA and needed[at] <= MOST_SEEDS else None,
        )
        for at, (i, j) in enumerate(zip(left.tolist(), right.tolist(), strict=True))
    )


def rank_intervals(order: Sequence[str], tested: Sequence[str], apart: set[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """The ranks that rows may hold: 1 + the rows that are surely better, up to all rows less those that are surely worse.

    Args:
        order: All rows.
        tested: Rows that were tested.
        apart: (better, worse) of every pair that is told apart.

    Returns:
        Tested row -> (lowest, highest) rank, 1 for the best.
    """
    better = {label: 0 for label in tested}
    worse = dict(better)
    for one, other in apart:
        worse[one] += 1
        better[other] += 1
    return {label: (1 + better[label], len(order) - worse[label]) for label in tested}


def tie_letters(tested: Sequence[str], apart: set[tuple[str, str]]) -> dict[str, str]:
    """Letters such that two rows share one exactly if they are not told apart (a compact letter display).

    Every letter is one largest set of rows none of which is told from another; ``A`` holds the best row.

    Args:
        tested: Rows, best first.
        apart: (better, worse) of every pair that is told apart.
    """
    alike = {
        label: {other for other in tested if other != label and not {(label, other), (other, label)} & apart} for label in tested
    }
    place = {label: at for at, label in enumerate(tested)}
    sets = sorted(sorted(place[label] for label in one) for one in _cliques(set(), set(tested), set(), alike))
    letters = dict.fromkeys(tested, "")
    for number, members in enumerate(sets):
        for at in members:
            letters[tested[at]] += _letter(number)
    return letters


def _cliques(chosen: set[str], free: set[str], done: set[str], alike: Mapping[str, set[str]]) -> Iterator[set[str]]:
    """All largest sets of mutually alike rows (Bron and Kerbosch, CACM 16, 1973, with a pivot)."""
    if not free and not done:
        yield chosen
        return
    pivot = max(free | done, key=lambda label: len(alike[label] & free))
    for label in list(free - alike[pivot]):
        yield from _cliques(chosen | {label}, free & alike[label], done & alike[label], alike)
        free.remove(label)
        done.add(label)


def _letter(number: int) -> str:
    """A, B, ..., Z, A1, B1, ..."""
    turn, at = divmod(number, 26)
    return chr(ord("A") + at) + (str(turn) if turn else "")


def pareto_front(scores: Sequence[Scores]) -> ParetoFront | None:
    """The front over the aspects that metrics declare; of each aspect the metric that most rows have, first columns first."""
    chosen = []
    for aspect in ASPECTS:
        choices = [one for one in scores if one.info.aspect == aspect and one.info.direction != "none" and one.values]
        chosen += [max(choices, key=lambda one: len(one.values))] if choices else []
    rows = list(dict.fromkeys(label for one in chosen for label in one.values))
    if len(chosen) < 2 or len(rows) < 2:
        return None
    left_out = {label: reason for label in rows if (reason := _why_left_out(label, chosen))}
    rivals = [label for label in rows if label not in left_out]
    means = [one.means for one in chosen]
    signs = np.array([1.0 if one.info.direction == "higher" else -1.0 for one in chosen])
    points = signs * np.array([[mean[label] for mean in means] for label in rivals]).reshape(len(rivals), len(chosen))
    front = [label for label, point in zip(rivals, points, strict=True) if not _is_dominated(point, points)]
    return ParetoFront(tuple(one.metric for one in chosen), tuple(front), left_out)


def _why_left_out(label: str, chosen: Sequence[Scores]) -> str | None:
    for one in chosen:
        if label not in one.values:
            return f"no {one.info.label}"
        if label in one.unproven:
            return f"does not clearly beat {one.info.beats} in {one.info.label}"
        if label in one.doubted:
            return f"{one.info.label} in doubt, see its note"
    return None


def _is_dominated(point: np.ndarray, points: np.ndarray) -> bool:
    """Whether some other point is at least as high everywhere and higher somewhere."""
    return bool((np.all(points >= point, axis=1) & np.any(points > point, axis=1)).any())
