from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.errors import GanzooError
from ganzoo.evaluation.backbones import BACKBONES
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.rows import Row
from ganzoo.registry import METRICS
from ganzoo.runs.schema import MetricInfo

SETTINGS = EvaluationSettings(inception=False)


class Brightness(Metric):
    info = MetricInfo(label="brightness", direction="none", ranked=False)
    needs = frozenset({"translations"})
    version = 3

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        values = row.faces.images.double().mean(dim=(1, 2, 3))
        return MetricResult(
            float(values.mean()), per_pair={"brightness": values}, details={"brightness_max": float(values.max())}
        )

    def parameters(self) -> dict[str, Any]:
        return {"gamma": 1.0}


class Short(Brightness):
    """Gives a column of too few faces."""

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        return MetricResult(0.5, per_pair={"short": row.faces.images[:3, 0, 0, 0]})


class Failing(Brightness):
    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        raise ZeroDivisionError("oh")


class OwnBackbone(Metric):
    info = MetricInfo(label="spread", direction="lower", ranked=True)
    needs = frozenset({"faces", "features:corner"})

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        return MetricResult(float(context.features("corner", context.balanced(row)).double().mean()))


class Corner:
    name = "corner"
    identity = "corner:1"

    def __call__(self, images: Tensor) -> Tensor:
        return images[:, :, 0, 0].float()


@pytest.fixture
def plugins() -> Iterator[None]:
    """Three metrics and a backbone from elsewhere, gone after the test."""
    METRICS.add("brightness", Brightness, "elsewhere")
    METRICS.add("failing", Failing, "elsewhere")
    METRICS.add("corner", OwnBackbone, "elsewhere")
    BACKBONES.add("corner", lambda context: Corner(), "elsewhere")
    yield
    for registry in (METRICS, BACKBONES):  # What a test loaded of the package's own stays: modules register their parts once.
        for name in [name for name, origin in registry._origins.items() if origin == "elsewhere"]:
            del registry._registered[name], registry._origins[name]


@pytest.mark.usefixtures("plugins")
def test_a_metric_from_elsewhere_is_computed_on_every_row(toy: Dataset, judges: Any, make_translator: Any) -> None:
    evaluation = evaluate(make_translator(0), toy, judges, SETTINGS)
    metrics, grid = evaluation.metrics, evaluation.per_image.query("source != target")
    assert metrics.metrics["brightness"] == pytest.approx(float(toy.test.images.double().mean()))
    assert metrics.metrics["brightness"] == metrics.controls["no-edit"]["brightness"]
    assert metrics.controls["real"]["brightness"] is None
    assert grid.brightness.mean() == pytest.approx(metrics.metrics["brightness"])
    assert metrics.details["brightness_max"] == grid.brightness.max()
    assert metrics.info["brightness"].label == "brightness"
    assert metrics.protocol["metrics"]["brightness"] == {"version": 3, "parameters": {"gamma": 1.0}}


@pytest.mark.usefixtures("plugins")
def test_a_column_of_wrong_length_costs_only_its_metric(toy: Dataset, judges: Any, make_translator: Any) -> None:
    METRICS.add("short", Short, "elsewhere")
    evaluation = evaluate(make_translator(0), toy, judges, SETTINGS)
    assert evaluation.metrics.metrics["short"] is None and evaluation.metrics.metrics["acc"] is not None
    assert "column 'short' has 3 entries" in evaluation.metrics.reasons["short"]
    assert "short" not in evaluation.per_image


@pytest.mark.usefixtures("plugins")
def test_a_backbone_from_elsewhere_serves_its_metric(toy: Dataset, judges: Any, make_translator: Any) -> None:
    metrics = evaluate(make_translator(1), toy, judges, SETTINGS).metrics
    assert metrics.metrics["corner"] is not None
    assert metrics.protocol["backbones"]["corner"]["dimensions"] == 1
    assert metrics.protocol["backbones"]["inception"] is None


@pytest.mark.usefixtures("plugins")
def test_a_broken_metric_from_elsewhere_costs_only_itself(toy: Dataset, judges: Any, make_translator: Any) -> None:
    def unloadable() -> Metric:
        raise RuntimeError("no such licence")

    METRICS.add("unloadable", unloadable, "elsewhere")  # type: ignore[arg-type]  # what a careless author might register
    metrics = evaluate(make_translator(1), toy, judges, SETTINGS).metrics
    assert metrics.metrics["failing"] is None
    assert metrics.reasons["failing"] == "failed: ZeroDivisionError: oh"
    assert metrics.metrics["unloadable"] is None
    assert "no such licence" in metrics.reasons["unloadable"]
    assert metrics.metrics["acc"] == 1.0


def test_only_the_metrics_asked_for_cost_anything(toy: Dataset, judges: Any, make_translator: Any) -> None:
    translator = make_translator(1)
    metrics = evaluate(translator, toy, judges, EvaluationSettings(metrics=("l1_edit",))).metrics
    assert set(metrics.metrics) == {"l1_edit"}
    assert translator.images_made == 27 * 3  # the grid, and own classes for the gallery; no cycles
    assert judges.images_judged == 0


def test_an_unknown_metric_is_refused(toy: Dataset, judges: Any, make_translator: Any) -> None:
    with pytest.raises(GanzooError, match="Did you mean 'l1_edit'"):
        evaluate(make_translator(1), toy, judges, EvaluationSettings(metrics=("l1_edi",)))


def test_every_builtin_metric_says_what_it_is() -> None:
    known = {"faces", "translations", "sources", "selfs", "cycles", "passages", "variants", "counterfactuals", "votes"}
    for name in METRICS.names():
        metric = METRICS.get(name)()
        assert metric.info.label
        assert all(need in known or need.removeprefix("features:") in BACKBONES for need in metric.needs)
        assert metric.__class__.__doc__
