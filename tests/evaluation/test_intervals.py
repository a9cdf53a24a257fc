from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from ganzoo.data.base import Dataset
from ganzoo.evaluation import intervals
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate
from ganzoo.evaluation.intervals import bootstrap_intervals

CLASSES = 4


def _grid(counts: tuple[int, ...]) -> pd.DataFrame:
    """Every source with every class, its own included."""
    source = np.repeat(np.arange(len(counts)), counts)
    return pd.DataFrame({
        "source_index": np.repeat(np.arange(len(source)), len(counts)),
        "source": np.repeat(source, len(counts)),
        "target": np.tile(np.arange(len(counts)), len(source)),
    })  # fmt: skip


def _clustered(rng: np.random.Generator, table: pd.DataFrame, shift_by_class: float = 2.0) -> npt.NDArray[np.float64]:
    """Values whose variance lies mostly between sources, with class means apart; their expectation is 0 + class shifts."""
    of_source = rng.normal(size=table.source_index.nunique())[table.source_index]
    return of_source + 0.5 * rng.normal(size=len(table)) + shift_by_class * table.source.to_numpy()


def _only_grid(table: pd.DataFrame, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    return np.where(table.source == table.target, np.nan, values)


def test_intervals_cover_the_truth_as_often_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 300)
    rng, counts = np.random.default_rng(0), (20, 30, 40, 50)
    table = _grid(counts)
    truth = np.average(2.0 * np.arange(CLASSES), weights=counts)
    covered = 0
    for _ in range(200):
        table["m"] = _only_grid(table, _clustered(rng, table))
        low, high = bootstrap_intervals(table, {"m": table.m.mean()})["m"]
        covered += low <= truth <= high
    assert covered / 200 == pytest.approx(0.945, abs=0.045)


def test_macro_intervals_of_hits_cover_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "RESAMPLES", 300)
    rng, table = np.random.default_rng(1), _grid((60, 25, 40, 35))
    easy = np.array([0.9, 0.5, 0.7, 0.3])
    covered = 0
    for _ in range(200):
        # A face is easy or hard for all targets at once: sources are clusters.
        luck = rng.uniform(size=160)[table.source_index]
        table["m"] = _only_grid(table, luck < easy[table.target])
        score = table.groupby("target").m.mean().mean()
        low, high = bootstrap_intervals(table, {"m": score}, macro={"m"})["m"]
        covered += low <= easy.mean() <= high
    assert covered / 200 == pytest.approx(0.945, abs=0.045)


def test_the_width_is_that_of_whole_sources_within_classes() -> None:
    rng, table = np.random.default_rng(2), _grid((300, 200, 100, 400))
    table["m"] = _only_grid(table, _clustered(rng, table, shift_by_class=5.0))
    low, high = bootstrap_intervals(table, {"m": table.m.mean()})["m"]
    means = table.groupby(["source", "source_index"]).m.mean()
    by_class = means.groupby("source")
    error = np.sqrt((by_class.var(ddof=0) * by_class.size()).sum()) / 1000  # stratified, one value per source
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.05)
    assert (low + high) / 2 == pytest.approx(table.m.mean(), abs=0.2 * error)


def test_faces_of_one_source_count_as_little_more_than_one() -> None:
    table = _grid((100, 100, 100, 100))
    table["m"] = _only_grid(table, np.random.default_rng(3).normal(size=400)[table.source_index])
    once = table[table.target == (table.source + 1) % CLASSES]
    (low, high), (low_once, high_once) = (bootstrap_intervals(part, {"m": part.m.mean()})["m"] for part in (table, once))
    assert high - low == pytest.approx(high_once - low_once)


def test_a_metric_of_faces_that_keep_their_class_is_read_there() -> None:
    table = _grid((30, 30))
    table["m"] = np.where(table.source == table.target, 1.0 * table.source_index, np.nan)
    low, high = bootstrap_intervals(table, {"m": 29.5})["m"]
    assert low < 29.5 < high


def test_a_value_that_is_not_the_mean_of_its_column_gets_none() -> None:
    table = _grid((30, 30))
    table["m"], table["words"] = _only_grid(table, np.arange(120.0)), "x"
    assert bootstrap_intervals(table, {"m": float(table.m.median()) + 1, "absent": 1.0, "none": None}) == {}
    table["empty"] = np.nan
    assert bootstrap_intervals(table, {"empty": 1.0}) == {}


@pytest.mark.filterwarnings("error")
def test_a_column_of_so_few_faces_that_a_resample_has_none_gets_none() -> None:
    table = _grid((3, 3))
    table["few"] = np.where(table.source_index == 1, 0.5, np.nan)
    table["all"] = np.arange(12.0)
    assert set(bootstrap_intervals(table, {"few": 0.5, "all": table.query("source != target")["all"].mean()})) == {"all"}


def test_many_sources_are_resampled_a_few_times_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    table = _grid((10, 20))
    table["m"] = np.arange(60.0)
    whole = bootstrap_intervals(table, {"m": table.m[table.source != table.target].mean()})["m"]
    monkeypatch.setattr(intervals, "_AT_ONCE", 30 * 7)
    parts = bootstrap_intervals(table, {"m": table.m[table.source != table.target].mean()})["m"]
    assert parts == pytest.approx(whole, abs=1.0)


def test_an_evaluation_holds_intervals_of_its_means_and_of_nothing_else(toy: Dataset, judges: Any, make_translator: Any) -> None:
    scores = evaluate(make_translator(0.6), toy, judges, EvaluationSettings(inception=False)).metrics
    wanted = {"acc", "l1_cycle", "l1_self", "l1_edit", "l1_paired"}
    assert wanted <= set(scores.intervals) and not {"fid", "fd_judge"} & set(scores.intervals)
    for name in wanted:
        low, high = scores.intervals[name]
        value = scores.metrics[name]
        assert value is not None and low - 1e-9 <= value <= high + 1e-9
    low, high = scores.intervals["l1_edit"]
    assert low < high
