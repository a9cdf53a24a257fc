from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from ganzoo.data.base import Dataset
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.evaluator import EvaluationSettings
from ganzoo.evaluation.protocol import EvaluationProtocol, canary, canary_images, describe_protocol
from ganzoo.registry import METRICS
from ganzoo.runs.fingerprint import fingerprint


def _protocol(dataset: Dataset, judges: Any, **settings: Any) -> EvaluationProtocol:
    context = EvaluationContext(dataset, judges, EvaluationSettings(inception=False, **settings))
    return describe_protocol(context, {name: METRICS.get(name)() for name in ("acc", "fd_judge", "l1_cycle")})


def test_equal_evaluations_have_equal_fingerprints(toy: Dataset, judges: Any) -> None:
    record = _protocol(toy, judges)
    assert record.fingerprint() == _protocol(toy, judges, batch_size=3, cache=False).fingerprint()
    assert record.fingerprint() == fingerprint(record.canonical())
    assert record.version == "ganzoo-eval/1"
    assert record.sources.counts == [6, 9, 12]
    assert record.reference.counts == [40, 40, 40]


@pytest.mark.parametrize("field", sorted(EvaluationProtocol.model_fields))
def test_every_field_counts(field: str, toy: Dataset, judges: Any) -> None:
    record = _protocol(toy, judges)
    changed = record.canonical()
    old = changed[field]
    changed[field] = old + 1 if isinstance(old, int) else f"{old}!" if isinstance(old, str) else type(old)()
    assert fingerprint(changed) != record.fingerprint()


def test_quick_and_full_settings_differ(toy: Dataset, judges: Any) -> None:
    full = _protocol(toy, judges).fingerprint()
    settings: list[dict[str, Any]] = [
        {"max_sources": 9}, {"max_sources": 6}, {"reference_per_class": 20}, {"split": "val"}, {"precision": "bf16"},
    ]  # fmt: skip
    assert len({full, *(_protocol(toy, judges, **changed).fingerprint() for changed in settings)}) == 6


def test_changed_judges_data_and_definitions_differ(toy: Dataset, judges: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {_protocol(toy, judges).fingerprint()}
    train = replace(toy.train, images=toy.train.images.flip(3))
    seen.add(_protocol(replace(toy, splits={**toy.splits, "train": train}), judges).fingerprint())
    judges.card = judges.card.model_copy(update={"temperature": 2.0})
    seen.add(_protocol(toy, judges).fingerprint())
    judges.weight_hashes = {**judges.weight_hashes, "sharp": "ab"}
    seen.add(_protocol(toy, judges).fingerprint())
    monkeypatch.setattr(METRICS.get("acc"), "version", 2)
    seen.add(_protocol(toy, judges).fingerprint())
    assert len(seen) == 5


def test_the_canary_sees_changed_numbers_and_not_their_last_digits(toy: Dataset, judges: Any) -> None:
    before = _protocol(toy, judges)
    features = judges.features
    judges.features = lambda images: features(images) * (1 + 1e-7)
    assert _protocol(toy, judges) == before
    judges.features = lambda images: features(images) * 1.02
    assert _protocol(toy, judges).fingerprint() != before.fingerprint()


def test_canary_by_hand() -> None:
    assert canary(torch.tensor([[3.0, 4.0], [0.0, 0.0]])) == ["3.54e+00", "0.00e+00"]


def test_canary_images_are_fixed_and_unlike_one_another() -> None:
    images = canary_images(3, 48)
    assert images.shape == (4, 3, 48, 48)
    assert images.dtype == torch.uint8
    assert torch.equal(images, canary_images(3, 48))
    assert len(images.flatten(1).unique(dim=0)) == 4
    assert all(int(image.max()) - int(image.min()) > 100 for image in images)
