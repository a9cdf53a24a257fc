from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate

SETTINGS = EvaluationSettings(inception=False)


def test_the_true_answer_scores_one_and_a_copy_the_floor(toy: Dataset, judges: Any, make_translator: Any) -> None:
    true = evaluate(make_translator(1), toy, judges, SETTINGS).metrics
    copy = evaluate(make_translator(0), toy, judges, SETTINGS).metrics
    assert true.metrics["acc"] == true.details["acc_ceiling"] == true.details["acc_calibrated"] == 1.0
    assert copy.metrics["acc"] == copy.details["acc_floor"] == copy.controls["no-edit"]["acc"] == 0.0
    assert copy.details["acc_calibrated"] == 0.0
    assert true.controls["real"]["acc"] == true.controls["oracle"]["acc"] == 1.0


def test_confusion_counts_the_off_diagonal_grid(toy: Dataset, judges: Any, make_translator: Any) -> None:
    copy = evaluate(make_translator(0), toy, judges, SETTINGS).metrics
    assert copy.confusion is not None
    assert copy.confusion.counts == [[0, 9, 12], [6, 0, 12], [6, 9, 0]]  # a copy is taken for what its source is
    assert copy.translations == 2 * 27


def test_accuracy_is_macro_over_targets(toy: Dataset, judges: Any) -> None:
    class OnlySadWorks:
        takes_image = True

        def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
            output = images.clone()
            output[target == 2] = 210 / 127.5 - 1
            return output

    metrics = evaluate(OnlySadWorks(), toy, judges, SETTINGS).metrics
    assert metrics.per_class["acc"] == {"angry": 0.0, "happy": 0.0, "sad": 1.0}
    assert metrics.metrics["acc"] == pytest.approx(1 / 3)  # and not 15 of 54


def test_each_judge_is_reported(toy: Dataset, judges: Any, make_translator: Any) -> None:
    metrics = evaluate(make_translator(1), toy, judges, SETTINGS).metrics
    assert metrics.per_judge == {"sharp": 1.0, "blurred": pytest.approx(1 / 3)}  # its levels are turned round: only happy fits
    assert metrics.details["acc_min_judge"] == pytest.approx(1 / 3)
    assert metrics.details["acc_judge_spread"] == pytest.approx(2 / 3)
    assert metrics.judge_note is None
    assert metrics.info["acc"].ranked


def test_weak_judges_describe_and_do_not_rank(toy: Dataset, judges: Any, make_translator: Any) -> None:
    judges.voter_names = ("blurred",)
    each = judges.each
    judges.each = lambda images: each(images)[1:]
    metrics = evaluate(make_translator(1), toy, judges, SETTINGS).metrics
    assert metrics.judge_note is not None
    assert "0.33 of real faces" in metrics.judge_note
    assert not metrics.info["acc"].ranked
    assert metrics.info["l1_cycle"].ranked


def test_without_judges_there_is_a_reason(toy: Dataset, make_translator: Any) -> None:
    metrics = evaluate(make_translator(1), toy, None, SETTINGS).metrics
    assert metrics.metrics["acc"] is None
    assert metrics.metrics["fd_judge"] is None
    assert metrics.reasons["acc"] == metrics.reasons["fd_judge"]
    assert "ganzoo judge train" in metrics.reasons["acc"]
    assert metrics.metrics["l1_paired"] == 0.0


def test_the_table_of_faces_gives_the_same_accuracies(toy: Dataset, judges: Any, make_translator: Any) -> None:
    evaluation = evaluate(make_translator(0.6), toy, judges, SETTINGS)
    metrics, table = evaluation.metrics, evaluation.per_image
    grid = table[table.source != table.target]

    def macro(column: pd.Series[Any]) -> float:
        return float((column == grid.target).groupby(grid.target).mean().mean())

    assert 0 < macro(grid.predicted) < 1
    assert macro(grid.predicted) == pytest.approx(metrics.metrics["acc"], rel=1e-12)
    assert macro(grid.predicted_source) == pytest.approx(metrics.details["acc_floor"], abs=1e-12)
    assert macro(grid.predicted_sharp) == pytest.approx(metrics.per_judge["sharp"], rel=1e-12)
    assert grid.p_target.between(0, 1).all()
    own = table[table.source == table.target]
    assert (own.predicted == own.source).all()


def test_a_class_without_held_out_faces_is_left_out_of_the_ceiling(toy: Dataset, judges: Any, make_translator: Any) -> None:
    test = toy.test
    kept = test.labels != 1
    split = replace(test, images=test.images[kept], labels=test.labels[kept])
    smaller = replace(toy, splits={**toy.splits, "test": split}, counterfactual=None)
    metrics = evaluate(make_translator(1), smaller, judges, SETTINGS).metrics
    assert metrics.details["acc_ceiling"] == 1.0
    assert metrics.metrics["acc"] == 1.0
    assert metrics.metrics["fd_judge"] is None
    assert "happy 0" in metrics.reasons["fd_judge"]
    assert torch.bincount(split.labels).tolist() == [6, 0, 12]
