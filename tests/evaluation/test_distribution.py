from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ganzoo.data.base import Dataset
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.controls import ModelRow, control_rows
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate
from ganzoo.evaluation.features import Faces, Pool
from ganzoo.evaluation.frechet import fit_gaussian, frechet_distance
from ganzoo.evaluation.frechet_infinity import frechet_infinity
from ganzoo.evaluation.grid import class_counts
from ganzoo.evaluation.kernel_distance import kernel_distance
from ganzoo.evaluation.neighbours import neighbour_scores
from ganzoo.evaluation.rows import Row
from ganzoo.registry import METRICS

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


def test_within_classes_a_copy_is_no_better_than_no_edit_and_the_truth_is(
    toy: Dataset, judges: Any, make_translator: Any
) -> None:
    true = evaluate(make_translator(1), toy, judges, SETTINGS).metrics
    copy = evaluate(make_translator(0), toy, judges, SETTINGS).metrics
    floor = true.controls["no-edit"]["intra_fd_judge"]
    assert copy.metrics["intra_fd_judge"] == pytest.approx(floor)
    assert true.metrics["intra_fd_judge"] == pytest.approx(np.mean([*true.per_class["fd_judge"].values()]))
    assert true.metrics["intra_fd_judge"] < 0.5 * floor  # type: ignore[operator]  # never None here: the line would raise


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


def test_secondary_metrics_are_those_of_the_judges_features(toy: Dataset, judges: Any, make_translator: Any) -> None:
    context = EvaluationContext(toy, judges, SETTINGS)
    row = ModelRow(context, make_translator(0.5))
    faces = context.balanced(row)
    seen, real = judges.features(faces.images), judges.features(context.reference.images)
    sources = context.balanced_origin(row)
    scored = evaluate(make_translator(0.5), toy, judges, SETTINGS).metrics
    distance = kernel_distance(seen, real, sources)
    assert scored.metrics["kd_judge"] == pytest.approx(distance.value, rel=1e-6)
    assert scored.details["kd_judge_se"] == pytest.approx(distance.standard_error, rel=1e-4)
    happy = [each == 1 for each in (faces.targets, context.reference.targets)]
    of_happy = kernel_distance(seen[happy[0]], real[happy[1]], sources[happy[0]])
    assert scored.per_class["kd_judge"]["happy"] == pytest.approx(of_happy.value, rel=1e-6)
    assert scored.details["kd_judge_se_happy"] == pytest.approx(of_happy.standard_error, rel=1e-4)
    expected = neighbour_scores(seen, real)._asdict()
    assert {name: scored.metrics[name] for name in expected} == pytest.approx(expected)
    assert scored.metrics["fd_judge_infinity"] is None
    assert scored.reasons["fd_judge_infinity"] == "needs at least 20 faces of each class, not 6"


def test_sources_are_those_of_the_balanced_faces(toy: Dataset, judges: Any, make_translator: Any) -> None:
    context = EvaluationContext(toy, judges, SETTINGS)
    row = ModelRow(context, make_translator(0))  # copies its sources
    assert torch.equal(context.balanced(row).images, toy.test.images[context.balanced_origin(row)])


def test_secondary_metrics_rank_nothing_and_are_no_headlines(toy: Dataset, judges: Any, make_translator: Any) -> None:
    info = evaluate(make_translator(), toy, judges, SETTINGS).metrics.info
    secondary = {
        "kid",
        "kd_judge",
        "fid_infinity",
        "fd_judge_infinity",
        "fd_dinov2",
        "precision",
        "recall",
        "density",
        "coverage",
    }
    assert {name for name in info if not info[name].headline} >= secondary
    assert not any(info[name].ranked for name in secondary)
    assert info["fid"].headline and info["fd_judge"].headline


def test_definitions_are_in_the_protocol(toy: Dataset, judges: Any, make_translator: Any) -> None:
    protocol = evaluate(make_translator(), toy, judges, SETTINGS).metrics.protocol
    definitions = {name: definition["parameters"] for name, definition in protocol["metrics"].items()}
    assert definitions["fid_infinity"] == {"points": 15, "smallest_share": 0.1, "seed": 0}
    assert definitions["kd_judge"]["degree"] == 3 and definitions["recall"] == {"neighbours": 5}
    assert protocol["backbones"]["dinov2"] is None


def test_fid_is_not_given_per_class() -> None:
    assert not METRICS.get("fid").per_class and not METRICS.get("kid").per_class  # type: ignore[attr-defined]  # both are distances


class Altered(Row):
    """Real held-out faces of the toy, altered."""

    name = "altered"

    def __init__(self, context: EvaluationContext, images: torch.Tensor, targets: torch.Tensor) -> None:
        self._faces = Faces(Pool(images, fixed=False), torch.arange(len(images)), targets)
        self._origin = torch.arange(len(context.split))

    @property
    def faces(self) -> Faces:
        return self._faces

    @property
    def origin(self) -> torch.Tensor:
        return self._origin


def _values(context: EvaluationContext, images: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    row = Altered(context, images, targets)
    results = {name: METRICS.get(name)().compute(context, row) for name in ("fd_judge", "kd_judge")}
    per_class = {f"{name} by class": sum(result.per_class.values()) for name, result in results.items()}
    return {name: result.value or 0.0 for name, result in results.items()} | per_class


@pytest.mark.parametrize("kind", ["blur", "noise", "dropped class", "shuffled labels"])
def test_distances_grow_with_every_kind_of_damage(kind: str, toy: Dataset, judges: Any) -> None:
    context = EvaluationContext(toy, judges, SETTINGS)
    images, labels = toy.test.images.float(), toy.test.labels
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    swapped = (labels + 1) % 3
    found = []
    for level in (0.0, 0.3, 0.6, 1.0):
        altered, targets = images.clone(), labels.clone()
        part = (torch.arange(len(labels)) % 10) < 10 * level
        if kind == "blur":
            altered = (1 - level) * images + level * images.mean(dim=(2, 3), keepdim=True)
        elif kind == "noise":
            altered = images + 120 * level * noise
        elif kind == "dropped class":
            altered[part & (labels == 2)] = images[labels == 1][0]
        else:
            targets[part] = swapped[part]
        found.append(_values(context, altered.round().clamp(0, 255).to(torch.uint8), targets))
    # Labels in a wrong order leave the faces as a whole what they are: only distances by class can tell.
    names = [name for name in found[0] if ("by class" in name) == (kind == "shuffled labels")]
    for name in names:
        values = [value[name] for value in found]
        assert values == sorted(values) and values[-1] > values[0] + 1e-3, (name, values)


def test_the_reference_is_described_once_and_for_all(toy: Dataset, judges: Any, make_translator: Any) -> None:
    described: Counter[bytes] = Counter()
    features = judges.features

    def counting(images: torch.Tensor) -> torch.Tensor:
        described.update(image.numpy().tobytes() for image in images)
        return features(images)

    judges.features = counting
    reference = EvaluationContext(toy, judges, SETTINGS).reference.images
    evaluate(make_translator(0.5), toy, judges, SETTINGS)
    assert all(described[image.numpy().tobytes()] == 1 for image in reference)
    described.clear()
    tasks = []
    second = evaluate(
        make_translator(0.25), toy, judges, SETTINGS, progress=lambda task, done, total: tasks.append((task, done, total))
    )
    assert not any(described[image.numpy().tobytes()] for image in reference)
    assert second.metrics.metrics["fd_judge"] is not None
    assert ("judge features", 18, 18) in tasks
    fresh = evaluate(make_translator(0.25), toy, judges, EvaluationSettings(inception=False, cache=False)).metrics
    assert fresh.metrics == second.metrics.metrics


def test_the_extrapolation_takes_the_same_faces(toy: Dataset, judges: Any, make_translator: Any) -> None:
    images = toy.test.images.repeat(5, 1, 1, 1)
    images = (images.float() + torch.randint(-9, 10, images.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 255)
    test = type(toy.test)(images.to(torch.uint8), toy.test.labels.repeat(5))
    larger = replace(toy, splits={**toy.splits, "test": test}, counterfactual=None)
    context = EvaluationContext(larger, judges, SETTINGS)
    row = ModelRow(context, make_translator(0.5))
    faces, reference = context.balanced(row), fit_gaussian(judges.features(context.reference.images))
    expected = frechet_infinity(judges.features(faces.images), faces.targets, reference)
    scored = evaluate(make_translator(0.5), larger, judges, SETTINGS).metrics.metrics
    assert scored["fd_judge_infinity"] == pytest.approx(expected, rel=1e-6)
    assert expected < (scored["fd_judge"] or 0)
