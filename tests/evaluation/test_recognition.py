from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.evaluation.backbones import BACKBONES
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate

SETTINGS = EvaluationSettings(metrics=("identity_recall", "identity_cosine"))


class LeftHalf:
    """The toy world's identity."""

    name, identity = "face", "left half"

    def __call__(self, images: Tensor) -> Tensor:
        half = images[..., : images.shape[-1] // 2].flatten(1).double()
        return (half - half.mean(dim=1, keepdim=True)).float()


@pytest.fixture(autouse=True)
def _face_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A face network from elsewhere, which faces without a shipped one are described by."""
    monkeypatch.setitem(BACKBONES._registered, "face", lambda context: LeftHalf())


def test_whoever_keeps_the_face_is_recognised(toy: Dataset, judges: Any, make_translator: Any) -> None:
    metrics = evaluate(make_translator(1), toy, judges, SETTINGS).metrics
    for scores in (metrics.metrics, metrics.controls["no-edit"], metrics.controls["oracle"]):
        assert scores == {"identity_recall": 1.0, "identity_cosine": pytest.approx(1.0, abs=1e-6)}
    assert metrics.controls["real"]["identity_recall"] is None
    assert metrics.controls["nearest-real"]["identity_recall"] < 0.5


def test_recall_counts_faces_that_find_their_source(toy: Dataset, judges: Any) -> None:
    other = toy.test.images[3]

    class SadIsSomebodyElse:
        takes_image = True

        def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
            output = images.clone()
            output[target == 2] = other / 127.5 - 1
            return output

    evaluation = evaluate(SadIsSomebodyElse(), toy, judges, SETTINGS)
    metrics, grid = evaluation.metrics, evaluation.per_image.query("source != target")
    asked = 6 + 9  # not sad yet
    right = float(toy.test.labels[3] != 2)  # unless sad itself, the other is asked too and finds itself
    assert metrics.metrics["identity_recall"] == pytest.approx((54 - asked + right) / 54)
    assert metrics.per_class["identity_recall"]["angry"] == 1.0
    assert grid.identity_recall.mean() == pytest.approx(metrics.metrics["identity_recall"], rel=1e-12)
    assert grid.identity_cosine.mean() == pytest.approx(metrics.metrics["identity_cosine"], rel=1e-12)


def test_copies_among_the_sources_are_one_person(toy: Dataset, judges: Any, make_translator: Any) -> None:
    toy.test.images[5] = toy.test.images[4]
    assert evaluate(make_translator(0), toy, judges, SETTINGS).metrics.metrics["identity_recall"] == 1.0


def test_without_any_network_there_is_a_reason(
    toy: Dataset, judges: Any, make_translator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganzoo.evaluation.identity_network.OTHER_BACKBONES", ())
    metrics = evaluate(make_translator(1), toy, judges, SETTINGS).metrics
    assert metrics.metrics["identity_recall"] is None
    assert "no network that recognises" in metrics.reasons["identity_recall"]
