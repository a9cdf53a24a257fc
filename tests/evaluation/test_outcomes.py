"""A metric of another package that is wrong in any way costs the run its own score and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console

from ganzoo.config import RunConfig
from ganzoo.data.base import Dataset
from ganzoo.errors import GanzooError
from ganzoo.evaluation import scoring
from ganzoo.evaluation.backbones import BACKBONES
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.evaluator import Evaluation, EvaluationSettings, evaluate
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.rows import Row
from ganzoo.evaluation.scoring import Scorer
from ganzoo.registry import METRICS
from ganzoo.reporting import Reporter
from ganzoo.runs.folder import RunFolder, as_json
from ganzoo.runs.schema import MetricInfo, SourceTargetAccuracy
from ganzoo.runs.writing import write_together

INFO = MetricInfo(label="guest", direction="none", ranked=False)
CHEAP = ("l1_edit", "acc")
PAIRS = 54


@pytest.fixture
def register() -> Iterator[Callable[..., None]]:
    """Registers metrics from elsewhere, gone after the test."""
    added = []

    def add(name: str, part: Any) -> None:
        METRICS.add(name, part, "elsewhere")
        added.append(name)

    yield add
    for name in added:
        del METRICS._registered[name], METRICS._origins[name]


def guest(compute: Callable[[EvaluationContext, Row], Any], **attributes: Any) -> type[Metric]:
    return type("Guest", (Metric,), {"info": INFO, "compute": lambda self, *given: compute(*given), **attributes})


def same_but_for_time(first: Evaluation, second: Evaluation) -> None:
    """Every score of the first is found in the second."""
    one, other = (evaluation.metrics for evaluation in (first, second))
    assert {name: other.metrics[name] for name in one.metrics} == one.metrics
    for name, scores in one.controls.items():
        assert {metric: other.controls[name][metric] for metric in scores} == scores
    assert (other.details, other.per_judge, other.intervals) == (one.details, one.per_judge, one.intervals)
    assert (other.confusion, other.source_target) == (one.confusion, one.source_target)
    assert all(other.protocol[key] == one.protocol[key] for key in ("reference", "sources", "held_out"))
    pd.testing.assert_frame_equal(first.per_image, second.per_image)
    assert all(np.array_equal(first.gallery[name], second.gallery[name]) for name in first.gallery)


NAN, INF = float("nan"), float("inf")
UNCHECKED = SourceTargetAccuracy.model_construct(class_names=["a"], values=[[NAN]])
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nan": ({"value": NAN}, "its value is nan, not a finite number"),
    "infinity": ({"value": INF}, "its value is inf"),
    "words": ({"value": "abc"}, "its value is 'abc'"),
    "digits": ({"value": "0.5"}, "its value is '0.5'"),
    "huge": ({"value": 10**400}, "its value is 1000"),
    "class": ({"per_class": {1: NAN}}, "per_class of 1 is nan"),
    "unknown class": ({"per_class": {7: 0.5}}, "per_class has 7, which is no class"),
    "judge": ({"per_judge": {"j": INF}}, "per_judge of 'j' is inf"),
    "details": ({"details": {"d": NAN}}, "details of 'd' is nan"),
    "list of details": ({"details": [1.0]}, "details must be a mapping, not a list"),
    "nameless detail": ({"details": {1: 1.0}}, "the keys of details must be words"),
    "confusion": ({"confusion": [[1]]}, "a list where a Confusion is asked for"),
    "matrix": ({"source_target": UNCHECKED}, "not plain finite JSON"),
    "array": ({"per_pair": {"c": np.zeros(PAIRS)}}, "column 'c' is a ndarray, not a tensor"),
    "list": ({"per_pair": {"c": [0.0] * PAIRS}}, "column 'c' is a list"),
    "two dimensions": ({"per_pair": {"c": torch.zeros(PAIRS, 1)}}, "column 'c' has 2 dimensions, not 1"),
    "short": ({"per_source": {"c": torch.zeros(3)}}, "column 'c' has 3 entries"),
    "complex": ({"per_pair": {"c": torch.zeros(PAIRS, dtype=torch.complex64)}}, "column 'c' holds torch.complex64"),
    "infinite column": ({"per_pair": {"c": torch.full((PAIRS,), INF)}}, "column 'c' holds infinity"),
    "a column of another": ({"per_pair": {"l1_edit": torch.zeros(PAIRS)}}, "column 'l1_edit' has the name of one of 'l1_edit'"),
    "a column of acc": ({"per_pair": {"p_target": torch.zeros(PAIRS)}}, "column 'p_target' has the name of one of 'acc'"),
    "a column not asked for": ({"per_pair": {"l1_self": torch.zeros(PAIRS)}}, "'l1_self' has the name of one of 'l1_self'"),
    "a column of the table": ({"per_pair": {"source": torch.zeros(PAIRS)}}, "'source' has the name of one of the table of faces"),
    "a detail of another": ({"details": {"acc_floor": 0.0}}, "detail 'acc_floor' has the name of one of 'acc'"),
    "a judge of another": ({"per_judge": {"sharp": 0.0}}, "judge 'sharp' has the name of one of 'acc'"),
}  # fmt: skip


def test_a_result_that_is_not_right_costs_only_its_metric(
    toy: Dataset, judges: Any, make_translator: Any, register: Callable[..., None]
) -> None:
    alone = evaluate(make_translator(0.6), toy, judges, EvaluationSettings(metrics=CHEAP))
    for name, (given, _) in WRONG.items():
        register(name, guest(lambda context, row, given=given: MetricResult(**{"value": 0.5, **given})))  # type: ignore[misc]
    register("none", guest(lambda context, row: 0.5))
    register("reason", guest(lambda context, row: MetricResult(0.5), applicable=lambda self, context, row: True))
    names = (*WRONG, "none", "reason")
    evaluation = evaluate(make_translator(0.6), toy, judges, EvaluationSettings(metrics=(*names, *CHEAP)))
    same_but_for_time(alone, evaluation)
    for name, (_, reason) in WRONG.items():
        assert evaluation.metrics.metrics[name] is None and reason in evaluation.metrics.reasons[name]
    assert "gave a float, not a MetricResult" in evaluation.metrics.reasons["none"]
    assert "applicable() gave a bool" in evaluation.metrics.reasons["reason"]
    assert as_json(evaluation.metrics)


def test_nor_does_a_value_of_ganzoo_itself_that_is_not_finite(
    toy: Dataset, judges: Any, make_translator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(METRICS.get("l1_edit"), "compute", lambda self, context, row: MetricResult(NAN))
    metrics = evaluate(make_translator(), toy, judges, EvaluationSettings(metrics=CHEAP)).metrics
    assert metrics.metrics == {"l1_edit": None, "acc": 1.0}
    assert metrics.reasons == {"l1_edit": "failed: its value is nan, not a finite number"}


def test_numbers_of_every_kind_are_plain_afterwards(
    toy: Dataset, judges: Any, make_translator: Any, register: Callable[..., None], tmp_path: Path
) -> None:
    grey = torch.ones(PAIRS, requires_grad=True)
    columns = {"grad": grey, "half": grey.bfloat16(), "flag": grey > 0, "byte": grey.byte(), "gap": grey.detach() * NAN}
    result = MetricResult(np.float32(0.5), details={"d": torch.tensor(2)}, per_pair=columns)  # type: ignore[arg-type, dict-item]
    register("kinds", guest(lambda context, row: result))
    evaluation = evaluate(make_translator(), toy, judges, EvaluationSettings(metrics=("kinds",)))
    assert (evaluation.metrics.metrics["kinds"], evaluation.metrics.details["d"]) == (0.5, 2.0)
    assert evaluation.per_image.query("source != target")[["grad", "half", "flag", "byte"]].eq(1).all(axis=None)
    assert evaluation.per_image.dtypes[["grad", "half", "flag", "byte"]].tolist() == ["float32", "float32", "Int64", "Int64"]
    evaluation.per_image.to_parquet(tmp_path / "table.parquet")


MALFORMED: dict[str, tuple[dict[str, Any], str]] = {
    "info": ({"info": None}, "its info must be a MetricInfo, not None"),
    "needs": ({"needs": "faces"}, "its needs must be a frozenset of words, not 'faces'"),
    "version": ({"version": "two"}, "its version must be a whole number, not 'two'"),
    "truth": ({"version": True}, "its version must be a whole number, not True"),
    "macro": ({"macro": None}, "its macro must be True or False"),
    "raises": ({"parameters": lambda self: 1 / 0}, "its parameters() must give plain JSON: ZeroDivisionError"),
    "tensor": ({"parameters": lambda self: {"t": torch.zeros(2)}}, "its parameters() must give plain JSON"),
    "not a number": ({"parameters": lambda self: {"t": NAN}}, "its parameters() must give plain JSON"),
    "backbone": ({"needs": frozenset({"features:zzz"})}, "it needs the backbone 'zzz'; there are dinov2, identity, inception, j"),
}  # fmt: skip


def test_a_class_that_is_not_right_is_told_before_anything_is_computed(
    toy: Dataset, judges: Any, make_translator: Any, register: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, (attributes, _) in MALFORMED.items():
        register(name, guest(lambda context, row: MetricResult(0.5), **attributes))
    register("function", lambda context, row: MetricResult(0.5))
    register("other", dict)
    reasons = {name: reason for name, (_, reason) in MALFORMED.items()}
    reasons |= {"function": "missing 2 required positional arguments", "other": "makes a dict, not a Metric"}
    for name, reason in reasons.items():
        translator = make_translator()
        with pytest.raises(GanzooError) as error:
            evaluate(translator, toy, judges, EvaluationSettings(metrics=("l1_edit", name)))
        assert f"The metric '{name}' cannot be loaded: " in str(error.value) and reason in str(error.value)
        assert "\n" not in str(error.value) and translator.images_made == 0
    monkeypatch.setattr(METRICS, "names", lambda: ["l1_edit", *reasons])
    metrics = evaluate(make_translator(), toy, judges).metrics
    assert metrics.metrics["l1_edit"] is not None
    assert all(metrics.metrics[name] is None and reason in metrics.reasons[name] for name, reason in reasons.items())


def test_a_backbone_that_fails_costs_only_the_metrics_that_need_it(
    toy: Dataset, judges: Any, make_translator: Any, register: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(context: EvaluationContext) -> Any:
        raise RuntimeError("no such weights")

    monkeypatch.setitem(BACKBONES._registered, "corner", broken)
    monkeypatch.setitem(BACKBONES._origins, "corner", "elsewhere")
    register("corner", guest(lambda context, row: MetricResult(0.5), needs=frozenset({"features:corner"})))
    metrics = evaluate(make_translator(), toy, judges, EvaluationSettings(metrics=("corner", "l1_edit"))).metrics
    assert metrics.reasons == {"corner": "failed: RuntimeError: no such weights"}
    assert metrics.protocol["backbones"] == {"corner": None}


def test_so_does_one_that_cannot_be_imported(
    toy: Dataset, judges: Any, make_translator: Any, register: Callable[..., None]
) -> None:
    register("far", guest(lambda context, row: MetricResult(0.5), needs=frozenset({"features:no_such_module:Net"})))
    metrics = evaluate(make_translator(), toy, judges, EvaluationSettings(metrics=("far", "l1_edit"))).metrics
    assert metrics.metrics["l1_edit"] is not None and "no_such_module" in metrics.reasons["far"]


CHANGES: dict[str, Callable[[EvaluationContext, Row], object]] = {
    "split.images": lambda context, row: context.source_of_pair.pool.images.zero_(),
    "rows.model.faces.pool.images": lambda context, row: context.rows["model"].faces.pool.images.zero_(),
    "grid.": lambda context, row: context.grid.target.fill_(0),
    "labels": lambda context, row: context.labels.add_(1),
    "source_index": lambda context, row: context.source_index.zero_(),
    "judges": lambda context, row: setattr(context, "judges", None),
    "dataset": lambda context, row: setattr(context, "dataset", None),
    "grid": lambda context, row: setattr(context, "grid", None),
    "rows.model": lambda context, row: context.rows.pop("model", None),
}


@pytest.mark.parametrize("place", CHANGES)
def test_a_metric_that_changes_what_all_share_changes_no_score(
    toy: Dataset, judges: Any, make_translator: Any, register: Callable[..., None], place: str
) -> None:
    def careless(context: EvaluationContext, row: Row) -> MetricResult:
        CHANGES[place](context, row)
        return MetricResult(0.5)

    alone = evaluate(make_translator(0.6), toy, judges, EvaluationSettings(metrics=CHEAP))
    register("before", guest(lambda context, row: MetricResult(float(row.faces.images.double().mean()))))
    register("careless", guest(careless))
    register("after", guest(lambda context, row: MetricResult(0.5)))
    evaluation = evaluate(make_translator(0.6), toy, judges, EvaluationSettings(metrics=("before", "careless", "after", *CHEAP)))
    same_but_for_time(alone, evaluation)
    metrics = evaluation.metrics
    assert metrics.metrics["before"] is not None
    assert metrics.metrics["careless"] is None and f"changes what it is given ({place}" in metrics.reasons["careless"]
    assert metrics.metrics["after"] is None and "'careless' changed what all metrics share" in metrics.reasons["after"]
    assert all(scores["careless"] is None for scores in metrics.controls.values())


def test_every_part_of_a_result_is_checked() -> None:
    given = {name for wrong, _ in WRONG.values() for name in wrong}
    assert given == {field.name for field in fields(MetricResult)}


def test_files_that_belong_together_are_replaced_together(tmp_path: Path) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    write_together({first: lambda file: file.write_text("old"), second: lambda file: file.write_text("old")})
    with pytest.raises(ZeroDivisionError):
        write_together({first: lambda file: file.write_text("new"), second: lambda file: 1 / 0})
    assert sorted(tmp_path.iterdir()) == [first, second]
    assert first.read_text() == second.read_text() == "old"


def test_scores_that_cannot_be_written_leave_the_old_ones(
    toy: Dataset, judges: Any, make_translator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritable(record: Any) -> str:
        raise ValueError("Out of range float values are not JSON compliant")

    scorer = Scorer(toy, judges, EvaluationSettings(metrics=("l1_edit",)), torch.device("cpu"), Reporter(quiet=True))
    folder = RunFolder(tmp_path / "run")
    scorer.score(make_translator(0.2), folder)
    before = {file: file.read_bytes() for file in folder.path.iterdir()}
    monkeypatch.setattr(scoring, "as_json", unwritable)
    with pytest.raises(ValueError, match="not JSON"):
        scorer.score(make_translator(0.9), folder)
    assert {file: file.read_bytes() for file in folder.path.iterdir()} == before and len(before) == 3


def test_a_metric_that_cannot_be_loaded_is_told_when_scoring_is_prepared(
    toy: Dataset, judges: Any, register: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    register("unfit", guest(lambda context, row: MetricResult(0.5), info=None))
    monkeypatch.setattr(scoring, "_judges", lambda *asked: judges)
    text = StringIO()
    reporter = Reporter(Console(file=text, width=200))
    config = RunConfig.model_construct(max_sources=None, inception=False, precision="32")
    Scorer.prepare(toy, config, torch.device("cpu"), None, None, reporter)
    assert "The metric 'unfit' cannot be loaded: its info must be a MetricInfo, not None" in text.getvalue()
