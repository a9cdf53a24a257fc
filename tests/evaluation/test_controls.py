from __future__ import annotations

from typing import Any

import pytest
import torch

from ganzoo.data.base import Dataset
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.controls import ModelRow, NoEditRow, OracleRow, RealRow, control_rows
from ganzoo.evaluation.evaluator import EvaluationSettings
from ganzoo.evaluation.features import NotAvailable


@pytest.fixture
def context(toy: Dataset, judges: Any) -> EvaluationContext:
    return EvaluationContext(toy, judges, EvaluationSettings(max_sources=9, batch_size=4))


def test_model_row_translates_each_thing_once(context: EvaluationContext, make_translator: Any) -> None:
    translator = make_translator(1)
    row = ModelRow(context, translator)
    for _ in range(2):
        assert len(row.faces) == len(row.cycles) == 18
        assert len(row.selfs) == 9
    assert translator.images_made == 18 + 18 + 9
    assert torch.equal(row.faces.images, context.counterfactuals.images)
    assert torch.equal(row.cycles.images, context.source_of_pair.images)
    assert torch.equal(row.cycles.targets, context.grid.source)


def test_no_edit_and_oracle_stand_for_their_images(context: EvaluationContext) -> None:
    no_edit, oracle = NoEditRow(context), OracleRow(context)
    assert torch.equal(no_edit.faces.images, context.split.images[context.source_index[context.grid.position]])
    assert torch.equal(oracle.faces.images, context.counterfactuals.images)
    assert torch.equal(no_edit.faces.targets, context.grid.target)
    assert torch.equal(oracle.selfs.images, no_edit.selfs.images)


def test_real_row_is_the_whole_held_out_part(context: EvaluationContext, toy: Dataset) -> None:
    row = RealRow(context)
    assert torch.equal(row.faces.images, toy.test.images)
    assert torch.equal(row.faces.targets, toy.test.labels)
    with pytest.raises(NotAvailable, match="not translations"):
        _ = row.cycles


def test_untouched_sources_and_real_faces_are_judged_once(context: EvaluationContext, judges: Any) -> None:
    context.votes(RealRow(context).faces)
    context.votes(NoEditRow(context).faces)
    assert judges.images_judged == 27


@pytest.mark.parametrize(("split", "others"), [("test", "val"), ("val", "test")])
def test_somebody_else_comes_from_the_held_out_part_that_is_not_scored(
    split: Any, others: str, toy: Dataset, judges: Any
) -> None:
    context = EvaluationContext(toy, judges, EvaluationSettings(split=split, max_sources=9, batch_size=4))
    (row,) = [row for row in control_rows(context) if row.name == "nearest-real"]
    assert len(row.faces) == len(context.grid)
    assert torch.equal(row.faces.pool.images, toy.splits[others].images)
    shown = toy.splits[others].labels[row.faces.index]
    assert torch.equal(shown, context.grid.target)
