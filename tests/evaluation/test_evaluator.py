from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ganzoo.data.base import Dataset
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate
from ganzoo.runs.schema import MetricsFile

SETTINGS = EvaluationSettings(inception=False)


def test_batch_size_cache_and_a_second_time_change_nothing(toy: Dataset, judges: Any, make_translator: Any) -> None:
    first = evaluate(make_translator(0.6), toy, judges, SETTINGS)
    for settings in (SETTINGS, replace(SETTINGS, batch_size=5), replace(SETTINGS, cache=False)):
        again = evaluate(make_translator(0.6), toy, judges, settings)
        assert again.metrics.model_copy(update={"scored": ""}) == first.metrics.model_copy(update={"scored": ""})
        pd.testing.assert_frame_equal(again.per_image, first.per_image)
        assert all(np.array_equal(again.gallery[name], first.gallery[name]) for name in first.gallery)


def test_every_source_goes_to_every_class_once(toy: Dataset, judges: Any, make_translator: Any) -> None:
    evaluation = evaluate(make_translator(), toy, judges, SETTINGS)
    table = evaluation.per_image
    assert len(table) == 27 * 3
    assert not table.duplicated(["source_index", "target"]).any()
    assert (toy.test.labels[torch.tensor(table.source_index.to_numpy(dtype=np.int64))].numpy() == table.source).all()
    assert evaluation.metrics.sources == 27
    assert evaluation.metrics.translations == 54


def test_fewer_sources_are_balanced_and_always_the_same(toy: Dataset, judges: Any, make_translator: Any) -> None:
    settings = replace(SETTINGS, max_sources=10)
    table = evaluate(make_translator(), toy, judges, settings).per_image
    again = evaluate(make_translator(0), toy, judges, settings).per_image
    assert table.groupby("source").source_index.nunique().tolist() == [3, 3, 3]
    assert (table.source_index == again.source_index).all()


def test_the_gallery_holds_balanced_faces_with_every_target(toy: Dataset, judges: Any, make_translator: Any) -> None:
    gallery = evaluate(make_translator(1), toy, judges, SETTINGS).gallery
    smaller = evaluate(make_translator(1), toy, judges, replace(SETTINGS, max_sources=18)).gallery
    assert np.bincount(gallery["labels"]).tolist() == [3, 3, 2]
    assert gallery["translations"].shape == (8, 3, 1, 8, 8)
    assert np.array_equal(gallery["sources"], toy.test.images[torch.tensor(gallery["source_index"])].numpy())
    assert toy.counterfactual is not None
    for target in range(3):
        truth = toy.counterfactual("test", torch.tensor(gallery["source_index"]), torch.full((8,), target))
        assert np.array_equal(gallery["translations"][:, target], truth.numpy())
    assert np.array_equal(gallery["sources"], smaller["sources"])


def test_the_outcome_can_be_written_and_read(toy: Dataset, judges: Any, make_translator: Any, tmp_path: Path) -> None:
    evaluation = evaluate(make_translator(0.5), toy, judges, SETTINGS)
    assert MetricsFile.model_validate_json(evaluation.metrics.model_dump_json()) == evaluation.metrics
    evaluation.per_image.to_parquet(tmp_path / "table.parquet", index=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), evaluation.per_image)


def test_it_says_how_far_it_is(toy: Dataset, judges: Any, make_translator: Any) -> None:
    tasks: dict[str, tuple[int, int]] = {}
    evaluate(make_translator(), toy, judges, SETTINGS, progress=lambda task, done, total: tasks.update({task: (done, total)}))
    assert tasks["translate"] == (54, 54)
    assert tasks["translate back"] == (54, 54)
    assert tasks["own class"] == (27, 27)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "tset"}, "cannot come from 'tset'"),
        ({"max_sources": 0}, "max_sources must be at least 1, not 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"reference_per_class": 1}, "reference_per_class must be at least 2, not 1"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        EvaluationSettings(**settings)


def test_settings_that_do_not_suit_the_data_are_refused(toy: Dataset, judges: Any, make_translator: Any) -> None:
    with pytest.raises(GanzooError, match="number of classes, 3, not 2"):
        evaluate(make_translator(), toy, judges, replace(SETTINGS, max_sources=2))
    judges.class_names = ("happy", "angry", "sad")
    with pytest.raises(GanzooError, match="in this order"):
        evaluate(make_translator(), toy, judges, SETTINGS)
