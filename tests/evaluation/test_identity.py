from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate
from ganzoo.evaluation.features import Faces, Pool
from ganzoo.evaluation.identity import mean_absolute_difference

SETTINGS = EvaluationSettings(inception=False)


def _faces(*images: list[int]) -> Faces:
    pool = torch.tensor(images, dtype=torch.uint8).view(len(images), 1, 1, -1)
    return Faces(Pool(pool, fixed=False), torch.arange(len(images)), torch.zeros(len(images), dtype=torch.int64))


def test_difference_by_hand() -> None:
    difference = mean_absolute_difference(_faces([0, 255], [7, 7]), _faces([255, 0], [7, 10]))
    assert difference.tolist() == [1.0, pytest.approx(1.5 / 255)]
    assert difference.dtype == torch.float64


def test_a_copy_changes_nothing(toy: Dataset, judges: Any, make_translator: Any) -> None:
    copy = evaluate(make_translator(0), toy, judges, SETTINGS).metrics
    assert (copy.metrics["l1_edit"], copy.metrics["l1_self"], copy.metrics["l1_cycle"]) == (0.0, 0.0, 0.0)
    assert copy.metrics["l1_paired"] == copy.controls["no-edit"]["l1_paired"]


def test_the_true_answer_is_exact_and_its_edit_known(toy: Dataset, judges: Any, make_translator: Any) -> None:
    true = evaluate(make_translator(1), toy, judges, SETTINGS).metrics
    assert (true.metrics["l1_paired"], true.metrics["l1_self"], true.metrics["l1_cycle"]) == (0.0, 0.0, 0.0)
    # Half of each face moves by 80 levels between neighbours and 160 between angry (6 faces) and sad (12).
    steps = 6 * (80 + 160) + 9 * (80 + 80) + 12 * (160 + 80)
    assert true.metrics["l1_edit"] == pytest.approx(steps / 54 / 2 / 255, rel=1e-12)
    assert true.controls["oracle"]["l1_edit"] == true.metrics["l1_edit"]
    assert true.controls["no-edit"]["l1_paired"] == true.metrics["l1_edit"]
    assert true.per_class["l1_edit"]["happy"] == pytest.approx(80 / 2 / 255, rel=1e-12)


def test_the_cycle_goes_through_whole_grey_levels(toy: Dataset, judges: Any) -> None:
    class HidesHalfALevel:
        """Adds 0.4 of a level on the way there and takes it away on the way back: Q leaves no trace of it to find."""

        takes_image = True

        def __init__(self) -> None:
            self.was_whole: list[bool] = []

        def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
            levels = (images + 1) * 127.5
            self.was_whole.append(bool((levels - levels.round()).abs().max() < 1e-3))
            return images + 0.4 / 127.5 if source[0] < target[0] else images - 0.6 / 127.5

    translator = HidesHalfALevel()
    metrics = evaluate(translator, toy, judges, EvaluationSettings(metrics=("l1_cycle",), batch_size=1)).metrics
    assert all(translator.was_whole)
    # One level is lost on one of the two ways of every pair; unrounded it would be 0.2 of a level. Level 0 cannot fall further.
    assert metrics.metrics["l1_cycle"] == pytest.approx(1 / 255, rel=0.01)


def test_own_class_is_apart_from_the_grid(toy: Dataset, judges: Any) -> None:
    class BreaksOwnClass:
        takes_image = True

        def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
            return torch.where((source == target)[:, None, None, None], torch.ones_like(images), images)

    metrics = evaluate(BreaksOwnClass(), toy, judges, SETTINGS).metrics
    assert metrics.metrics["l1_edit"] == metrics.metrics["l1_cycle"] == 0.0
    expected = (255 - toy.test.images.double()).mean() / 255
    assert metrics.metrics["l1_self"] == pytest.approx(float(expected), rel=1e-12)


def test_noise_to_image_has_no_identity(toy: Dataset, judges: Any, make_translator: Any) -> None:
    metrics = evaluate(make_translator(1, takes_image=False), toy, judges, SETTINGS).metrics
    for name in ("l1_cycle", "l1_self", "l1_edit", "l1_paired"):
        assert metrics.metrics[name] is None
        assert "noise to image" in metrics.reasons[name]
        assert metrics.controls["no-edit"][name] is not None
    assert metrics.metrics["acc"] == 1.0
    assert metrics.metrics["fd_judge"] is not None


def test_without_true_answers_there_is_no_oracle(plain_toy: Dataset, judges: Any, make_translator: Any) -> None:
    metrics = evaluate(make_translator(1), plain_toy, judges, SETTINGS).metrics
    assert metrics.metrics["l1_paired"] is None
    assert "true answer is not known" in metrics.reasons["l1_paired"]
    assert set(metrics.controls) == {"real", "no-edit", "nearest-real"}


def test_the_table_of_faces_gives_the_same_means(toy: Dataset, judges: Any, make_translator: Any) -> None:
    evaluation = evaluate(make_translator(0.7, offset=3), toy, judges, SETTINGS)
    table, metrics = evaluation.per_image, evaluation.metrics.metrics
    diagonal = table.source == table.target
    for name in ("l1_edit", "l1_cycle", "l1_paired"):
        assert table.loc[~diagonal, name].mean() == pytest.approx(metrics[name], rel=1e-12)
        assert table.loc[diagonal, name].isna().all()
    assert table.loc[diagonal, "l1_self"].mean() == pytest.approx(metrics["l1_self"], rel=1e-12)
    assert table.loc[~diagonal, "l1_self"].isna().all()
    assert metrics["l1_self"] > 0
