from __future__ import annotations

from typing import Any

import pytest
import torch

from ganzoo.data.base import Dataset
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.controls import ModelRow, control_rows
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate
from ganzoo.evaluation.frechet import frechet_distance
from ganzoo.evaluation.grid import class_counts

SETTINGS = EvaluationSettings(inception=False)


def test_every_row_gives_the_same_number_of_each_class(toy: Dataset, judges: Any, make_translator: Any) -> None:
    context = EvaluationContext(toy, judges, SETTINGS)
    for row in (ModelRow(context, make_translator()), *control_rows(context)):
        assert class_counts(context.balanced(row).targets, 3) == [6, 6, 6]  # angry has 6 held-out faces
    assert class_counts(context.reference.targets, 3) == [40, 40, 40]


def test_the_number_follows_the_sources(toy: Dataset, judges: Any) -> None:
    context = EvaluationContext(toy, judges, EvaluationSettings(max_sources=6))
    assert class_counts(context.labels, 3) == [2, 2, 2]
    assert context.faces_per_class == 4  # pairs of each target: the other classes' sources
    assert len(EvaluationContext(toy, judges, EvaluationSettings(reference_per_class=7)).reference) == 21


def test_real_faces_are_nearest_and_blank_ones_far(toy: Dataset, judges: Any, make_translator: Any) -> None:
    true = evaluate(make_translator(1), toy, judges, SETTINGS).metrics
    off = evaluate(make_translator(1, offset=60), toy, judges, SETTINGS).metrics
    real, no_edit = true.controls["real"]["fd_judge"], true.controls["no-edit"]["fd_judge"]
    assert real is not None
    assert no_edit is not None
    assert true.metrics["fd_judge"] == pytest.approx(true.controls["oracle"]["fd_judge"])
    assert true.metrics["fd_judge"] == pytest.approx(real, rel=0.5)
    assert off.metrics["fd_judge"] > 3 * real  # type: ignore[operator]  # never None here: the line would raise


def test_per_class_values_see_the_wrong_expression(toy: Dataset, judges: Any, make_translator: Any) -> None:
    true = evaluate(make_translator(1), toy, judges, SETTINGS).metrics.per_class["fd_judge"]
    copy = evaluate(make_translator(0), toy, judges, SETTINGS).metrics.per_class["fd_judge"]
    assert set(true) == {"angry", "happy", "sad"}
    assert all(copy[name] > 2 * true[name] for name in true)  # type: ignore[operator]  # never None here


def test_value_is_the_distance_of_the_judges_features(toy: Dataset, judges: Any, make_translator: Any) -> None:
    context = EvaluationContext(toy, judges, SETTINGS)
    row = ModelRow(context, make_translator(0.5))
    expected = frechet_distance(judges.features(context.balanced(row).images), judges.features(context.reference.images))
    metrics = evaluate(make_translator(0.5), toy, judges, SETTINGS).metrics
    assert metrics.metrics["fd_judge"] == pytest.approx(expected, rel=1e-9)


def test_fakes_are_asked_for_what_they_are_compared_with(toy: Dataset, judges: Any, make_translator: Any) -> None:
    context = EvaluationContext(toy, judges, SETTINGS)
    shown = judges.each(context.balanced(ModelRow(context, make_translator(1))).images)[0].argmax(dim=1)
    assert torch.equal(shown, torch.arange(3).repeat_interleave(6))
