from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from ganzoo.compare.statistics import Scores, compare_rows, pareto_front, rank, rank_intervals, tie_letters
from ganzoo.runs.schema import MetricInfo

ACC = MetricInfo(label="accuracy", direction="higher", ranked=True, beats="no-edit", aspect="expression")
FID = MetricInfo(label="FID", direction="lower", ranked=True, aspect="distribution")
L1 = MetricInfo(label="L1", direction="lower", ranked=True, aspect="identity")


def _seeds(mean: float, count: int = 6, spread: float = 0.01) -> tuple[float, ...]:
    return tuple(mean + spread * np.linspace(-1, 1, count))


def _scores(info: MetricInfo, unproven: Sequence[str] = (), metric: str = "", **values: float | tuple[float, ...]) -> Scores:
    rows = {label: value if isinstance(value, tuple) else (value,) for label, value in values.items()}
    return Scores(metric or info.label, info, rows, unproven)


def test_rows_come_best_first_whatever_the_direction() -> None:
    values = {"a": 0.2, "b": 0.5, "c": 0.3}
    assert rank(_scores(ACC, **values)).order == ("b", "c", "a")
    assert rank(_scores(FID, **values)).order == ("a", "c", "b")


def test_under_six_seeds_nothing_is_tested() -> None:
    ranking = rank(_scores(ACC, a=_seeds(0.1, 5), b=_seeds(0.9, 5), c=_seeds(0.5, 6)))
    assert ranking.order == ("b", "c", "a")
    assert not ranking.pairs and not ranking.ranks and not ranking.ties


def test_clear_and_unclear_differences() -> None:
    ranking = rank(_scores(ACC, a=_seeds(0.9), b=_seeds(0.505), c=_seeds(0.5), d=_seeds(0.1)))
    assert {(pair.better, pair.worse): pair.distinguishable for pair in ranking.pairs} == {
        ("a", "b"): True, ("a", "c"): True, ("a", "d"): True, ("b", "c"): False, ("b", "d"): True, ("c", "d"): True,
    }  # fmt: skip
    assert ranking.ranks == {"a": (1, 1), "b": (2, 3), "c": (2, 3), "d": (4, 4)}
    assert ranking.ties == {"a": "A", "b": "B", "c": "B", "d": "C"}
    (unclear,) = [pair for pair in ranking.neighbours if not pair.distinguishable]
    assert (unclear.better, unclear.worse, unclear.seeds) == ("b", "c", (6, 6))
    assert unclear.difference == pytest.approx(0.005) and unclear.p > 0.05
    assert unclear.seeds_needed is not None and unclear.more_seeds == unclear.seeds_needed - 6 > 0
    clear = ranking.pairs[0]
    assert clear.p == pytest.approx(2 / 924) == pytest.approx(clear.smallest_p)
    assert clear.p_holm == pytest.approx(6 * 2 / 924) and clear.seeds_needed is None


def test_too_many_rows_for_six_seeds_can_never_be_told_apart_and_say_how_many_seeds_would_do() -> None:
    ranking = rank(_scores(ACC, **{f"r{at}": _seeds(at) for at in range(8)}))  # 28 pairs
    assert not any(pair.distinguishable for pair in ranking.pairs)
    assert set(ranking.ranks.values()) == {(1, 8)} and set(ranking.ties.values()) == {"A"}
    assert all(pair.seeds_needed == 7 and pair.more_seeds == 1 for pair in ranking.pairs)


def test_groups_of_different_size_are_tested_together() -> None:
    ranking = rank(_scores(FID, a=_seeds(1.0, 6), b=_seeds(2.0, 9), c=_seeds(2.001, 7)))
    assert [(pair.better, pair.worse, pair.seeds, pair.distinguishable) for pair in ranking.pairs] == [
        ("a", "b", (6, 9), True), ("a", "c", (6, 7), True), ("b", "c", (9, 7), False),
    ]  # fmt: skip


def test_a_row_of_too_few_seeds_widens_the_ranks_of_the_others() -> None:
    ranking = rank(_scores(ACC, a=_seeds(0.9), b=_seeds(0.1), c=_seeds(0.5, 2)))
    assert ranking.order == ("a", "c", "b") and ranking.ranks == {"a": (1, 2), "b": (2, 3)}
    assert [(pair.better, pair.worse) for pair in ranking.neighbours] == [("a", "b")]


def test_ranks_are_those_of_all_orders_that_the_tests_allow() -> None:
    order, apart = ["a", "b", "c", "d"], {("a", "c"), ("a", "d"), ("b", "d")}
    assert rank_intervals(order, order, apart) == {"a": (1, 2), "b": (1, 3), "c": (2, 4), "d": (3, 4)}


def test_rows_share_a_letter_exactly_if_they_are_not_told_apart() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        rows = [f"r{at}" for at in range(7)]
        apart = {pair for pair in combinations(rows, 2) if rng.random() < 0.4}
        letters = tie_letters(rows, apart)
        assert all(bool(set(letters[a]) & set(letters[b])) == ((a, b) not in apart) for a, b in combinations(rows, 2))
        assert "A" in letters["r0"] and all(letters.values())


def test_neighbours_may_tie_where_the_ends_differ() -> None:
    assert tie_letters(["a", "b", "c"], {("a", "c")}) == {"a": "A", "b": "AB", "c": "B"}


def test_the_front_holds_what_nothing_beats_everywhere() -> None:
    front = pareto_front([
        _scores(FID, a=10.0, b=20.0, c=20.0, d=30.0),
        _scores(ACC, a=0.5, b=0.9, c=0.8, d=0.9),
        _scores(L1, a=0.01, b=0.02, c=0.02, d=0.001),
    ])  # fmt: skip
    assert front is not None and front.metrics == ("FID", "accuracy", "L1")
    assert front.rows == ("a", "b", "d") and front.left_out == {}


def test_equal_rows_are_both_on_the_front() -> None:
    front = pareto_front([_scores(FID, a=1.0, b=1.0), _scores(ACC, a=0.5, b=0.5)])
    assert front is not None and front.rows == ("a", "b")


def test_a_copier_with_perfect_identity_is_on_no_front() -> None:
    front = pareto_front([_scores(ACC, unproven=["copier"], copier=0.1, model=0.8), _scores(L1, copier=0.0, model=0.05)])
    assert front is not None and front.rows == ("model",)
    assert front.left_out == {"copier": "does not clearly beat no-edit in accuracy"}


def test_what_lacks_a_metric_is_not_compared_by_it() -> None:
    front = pareto_front([_scores(ACC, a=0.5, b=0.4, noise=0.9), _scores(L1, a=0.1, b=0.2)])
    assert front is not None and front.rows == ("a",) and front.left_out == {"noise": "no L1"}


def test_of_each_aspect_the_metric_that_most_rows_have_decides_the_first_on_ties() -> None:
    other = FID.model_copy(update={"label": "FD judge"})
    accuracy = _scores(ACC, a=0.5, b=0.9)
    some = pareto_front([_scores(FID, a=1.0), _scores(other, a=1.0, b=2.0), accuracy])
    both = pareto_front([_scores(FID, a=1.0, b=2.0), _scores(other, a=1.0, b=2.0), accuracy])
    assert some is not None and some.metrics == ("FD judge", "accuracy")
    assert both is not None and both.metrics == ("FID", "accuracy")


def test_one_aspect_or_one_row_makes_no_front() -> None:
    assert pareto_front([_scores(ACC, a=0.5, b=0.9)]) is None
    assert pareto_front([_scores(ACC, a=0.5), _scores(L1, a=0.1)]) is None


def test_metrics_that_rank_nothing_are_passed_over() -> None:
    silent = ACC.model_copy(update={"ranked": False, "label": "silent"})
    aimless = MetricInfo(label="aimless", direction="none", ranked=True)
    found = compare_rows([_scores(info, a=_seeds(0.1), b=_seeds(0.9)) for info in (silent, aimless, ACC)])
    assert list(found.rankings) == ["accuracy"] and found.pareto is None
