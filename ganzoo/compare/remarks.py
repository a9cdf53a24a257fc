"""The sentences below a table: what its numbers are, how sure they are, and how its rows and its siblings differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ganzoo.compare.groups import Group, ScoredRun, plain, recipe_differences
from ganzoo.compare.significance import ALPHA, LEAST_SEEDS, MOST_SEEDS, POWER, least_seeds
from ganzoo.compare.statistics import MetricRanking, PairTest, ParetoFront, Statistics
from ganzoo.runs.schema import MetricInfo

FRONT = "◆"
"""Marks rows on the Pareto front."""
LONGEST_LIST = 4
"""Differences of settings, rows or pairs of them that a remark names."""


def remarks(group: Group, statistics: Statistics, *, has_best: bool) -> list[str]:
    """All sentences below one table.

    Args:
        group: Its runs.
        statistics: What may be said of them.
        has_best: Whether any cell is marked as the best.
    """
    info = group.metric_info
    said = [_numbers(group, has_best)]
    said += dict.fromkeys(plain(run.metrics.judge_note) for run in group.runs if run.metrics.judge_note)
    unranked = [label for label in group.labels if not all(run.may_rank for run in group.of(label))]
    said += [f"Shown but not ranked, because the run did not end as meant: {', '.join(unranked)}."] if unranked else []
    said += _significance(statistics.rankings.values(), info)
    said += _front(statistics.pareto, info) if statistics.pareto else []
    said += _variants(group)
    if group.differences:
        fields = "; ".join(f"{name} ({there} there, {here} here)" for name, (there, here) in group.differences.items())
        said.append(f"Not comparable with the first {group.data} table. What differs: {fields}.")
    return said


def _numbers(group: Group, has_best: bool) -> str:
    """How many seeds and images stand behind a number, and what the one below it is."""
    seeds = sorted({len(group.of(label)) for label in group.labels})
    several = f"Mean over seeds, min–max below (n = {_span(seeds)})"
    alone = "One seed each: the spread over seeds is unknown"
    sizes = sorted({(run.metrics.sources, run.metrics.translations) for run in group.runs})
    images = " or ".join(f"{translations:,} translations of {sources:,} sources" for sources, translations in sizes)
    has_intervals = any(run.metrics.intervals for label in group.labels if len(group.of(label)) == 1 for run in group.of(label))
    brackets = " In brackets: 95 % bootstrap interval over the source images of one seed." if has_intervals else ""
    bold = " Bold: best mean at this precision, no claim of significance." if has_best else ""
    return f"{several if seeds[-1] > 1 else alone}; {images} per run.{brackets}{bold}"


def _span(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"


def _significance(rankings: Iterable[MetricRanking], info: Mapping[str, MetricInfo]) -> Iterator[str]:
    """How rows were tested, and which neighbours cannot be told apart; or why nothing was."""
    rankings = [ranking for ranking in rankings if len(ranking.order) > 1]
    tested = [ranking for ranking in rankings if ranking.pairs]
    if rankings and not tested:
        rows = max(len(ranking.order) for ranking in rankings)
        pairs = rows * (rows - 1) // 2
        enough = least_seeds(pairs)
        more = f"; of {pairs} pairs, {enough} seeds each can tell one apart" if enough > LEAST_SEEDS else ""
        yield f"No test of significance: that takes {LEAST_SEEDS} seeds of each of two rows{more}."
    for count in sorted({len(ranking.pairs) for ranking in tested}):
        yield _method([ranking for ranking in tested if len(ranking.pairs) == count], count)
    for ranking in tested:
        alike = [pair for pair in ranking.neighbours if not pair.distinguishable]
        if alike:
            yield f"Not distinguishable in {plain(info[ranking.metric].label)}: {_listed([_in_words(pair) for pair in alike])}."


def _method(rankings: Sequence[MetricRanking], pairs: int) -> str:
    smallest = sorted({pair.smallest_p for ranking in rankings for pair in ranking.pairs})
    reach = " to ".join(f"{value:.2g}" for value in dict.fromkeys((smallest[0], smallest[-1])))
    corrected = min(1.0, smallest[0] * pairs)
    holm = f", {corrected:.2g} after Holm's correction" if pairs > 1 else ""
    untested = any(len(ranking.order) > len(ranking.ranks) for ranking in rankings)
    others = f" A row of fewer than {LEAST_SEEDS} seeds is not tested and may stand anywhere." if untested else ""
    verdict = f", so no pair can be told apart with fewer than {least_seeds(pairs)} seeds each" if corrected > ALPHA else ""
    return (
        "Rank: places that a row may hold; rows that share a capital letter are not distinguishable (two-sided permutation "
        f"test of the means, Holm over {pairs} pair{'s' if pairs > 1 else ''} per metric, {ALPHA:.0%}). Smallest reachable p: "
        f"{reach}{holm}{verdict}.{others} Seeds that would tell: for a power of {POWER:g} at the difference and spread seen."
    )


def _in_words(pair: PairTest) -> str:
    seeds = (
        f"about {pair.more_seeds} more seed{'s' if pair.more_seeds != 1 else ''} would tell"
        if pair.more_seeds
        else (f"more than {MOST_SEEDS} seeds would be needed")
    )
    return f"{pair.better} and {pair.worse} (p {pair.p_holm:.2g}, {seeds})"


def _front(pareto: ParetoFront, info: Mapping[str, MetricInfo]) -> Iterator[str]:
    names = [plain(info[metric].label) for metric in pareto.metrics]
    yield (
        f"{FRONT} Pareto front of {', '.join(names[:-1])} and {names[-1]}, by means: no other row is as good in all and better "
        "in one." + ("" if pareto.rows else " No row is on it.")
    )
    if pareto.left_out:
        yield f"Not on the front: {_listed([f'{label} ({plain(why)})' for label, why in pareto.left_out.items()])}."


def _variants(group: Group) -> Iterable[str]:
    """In which settings rows of one recipe differ that only a fingerprint tells apart; nothing where that is unknown."""
    first_of: dict[str, ScoredRun] = {}
    told: set[str] = set()
    for run in group.runs:
        first = first_of.setdefault(run.info.recipe, run)
        if run.info.fingerprint in (first.info.fingerprint, *told):
            continue
        told.add(run.info.fingerprint)
        changes = recipe_differences(first, run)
        if changes:
            yield f"{run.label} is not {first.label}: {_listed(changes)}."


def _listed(items: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = [f"and {len(items) - LONGEST_LIST} more"] if len(items) > LONGEST_LIST else []
    return "; ".join([*items[:LONGEST_LIST], *more])
