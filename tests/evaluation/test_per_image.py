"""Every additive score can be had again from the table of faces, by other means than those that computed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.data.face_regions import REGIONS
from ganzoo.evaluation import lpips
from ganzoo.evaluation.backbones import BACKBONES
from ganzoo.evaluation.evaluator import Evaluation, EvaluationSettings, evaluate
from ganzoo.registry import METRICS

Frame = pd.DataFrame


def _macro(grid: Frame, column: str) -> float:
    return float((grid[column] == grid.target).groupby(grid.target).mean().mean())


def _share(grid: Frame, regions: tuple[str, ...]) -> float:
    sums = grid[[f"edit_energy_{name}" for name in REGIONS]].sum()
    return float(sum(sums[f"edit_energy_{name}"] for name in regions) / sums.sum())


AGAIN: dict[str, Callable[[Frame, Frame], float]] = {
    "acc": lambda grid, own: _macro(grid, "predicted"),
    "l1_cycle": lambda grid, own: grid.l1_cycle.mean(),
    "l1_self": lambda grid, own: own.l1_self.mean(),
    "l1_edit": lambda grid, own: grid.l1_edit.mean(),
    "l1_paired": lambda grid, own: grid.l1_paired.mean(),
    "psnr_paired": lambda grid, own: grid.psnr_paired.mean(),
    "ssim_paired": lambda grid, own: grid.ssim_paired.mean(),
    "lpips_edit": lambda grid, own: grid.lpips_edit.mean(),
    "lpips_paired": lambda grid, own: grid.lpips_paired.mean(),
    "identity_recall": lambda grid, own: grid.identity_recall.mean(),
    "identity_cosine": lambda grid, own: grid.identity_cosine.mean(),
    "stego_round": lambda grid, own: grid.stego_round.mean(),
    "stego_noise": lambda grid, own: grid.stego_noise.mean(),
    "diversity": lambda grid, own: grid.diversity.mean(),
    "edit_locality": lambda grid, own: _share(grid, ("mouth", "eyes", "brows")),
}


@pytest.fixture
def wide_toy(toy: Dataset) -> Dataset:
    """The toy world, large enough for a window of structural similarity: every pixel becomes four, side by side."""

    def wider(images: Tensor) -> Tensor:
        return images.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    truth = toy.counterfactual
    assert truth is not None
    splits = {name: replace(split, images=wider(split.images)) for name, split in toy.splits.items()}
    return replace(toy, splits=splits, counterfactual=lambda *asked: wider(truth(*asked)))


class Varying:
    """The toy translator at that size, with several answers, as styles give."""

    takes_image = varies = True

    def __init__(self, small: Any) -> None:
        self.small = small

    def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        made = self.small(images[..., ::2, ::2], source, target)
        return made.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    def vary(self, images: Tensor, source: Tensor, target: Tensor, seeds: Tensor) -> Tensor:
        return self(images, source, target) + (seeds % 7)[:, None, None, None] / 127.5


@pytest.fixture
def evaluation(wide_toy: Dataset, judges: Any, make_translator: Any, monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    class Pixels:
        name, identity = "face", "pixels"

        def __call__(self, images: Tensor) -> Tensor:
            return images.flatten(1).float() - 128

    def contrast(first: Tensor, second: Tensor) -> Tensor:
        return (first.float() - second.float()).std(dim=(1, 2, 3))

    monkeypatch.setitem(BACKBONES._registered, "face", lambda context: Pixels())
    monkeypatch.setattr(lpips, "find_lpips", lambda context: contrast)
    each, features = judges.each, judges.features
    judges.each, judges.features = (lambda images, ask=ask: ask(images[..., ::2, ::2]) for ask in (each, features))
    settings = EvaluationSettings(inception=False, max_sources=24)
    return evaluate(Varying(make_translator(0.8, offset=3)), wide_toy, judges, settings)


def test_every_metric_of_single_faces_is_among_them() -> None:
    """What needs features of whole sets, as distances of distributions do, cannot stand in a table of faces."""
    own = {name: METRICS.get(name) for name in METRICS.names() if METRICS.origin(name) == "ganzoo"}
    additive = {name for name, metric in own.items() if not any(_is_of_a_set(need) for need in metric.needs)}
    assert additive == set(AGAIN)


def _is_of_a_set(need: str) -> bool:
    return need.startswith("features:") and need != "features:identity"


@pytest.mark.parametrize("name", AGAIN)
def test_an_additive_score_can_be_had_again(evaluation: Evaluation, name: str) -> None:
    table, metrics = evaluation.per_image, evaluation.metrics
    grid, own = table[table.source != table.target], table[table.source == table.target]
    assert metrics.metrics[name] is not None, metrics.reasons[name]
    assert AGAIN[name](grid, own) == pytest.approx(metrics.metrics[name], rel=1e-9, abs=1e-12)
    assert metrics.metrics[name] != 0 or name == "stego_round"
    classes = enumerate(metrics.protocol["class_names"])
    again = {label: AGAIN[name](grid[grid.target == at], own[own.target == at]) for at, label in classes}
    assert again == pytest.approx(metrics.per_class[name], rel=1e-9, abs=1e-12)


def test_so_can_the_details_and_the_matrices(evaluation: Evaluation) -> None:
    table, metrics = evaluation.per_image, evaluation.metrics
    grid, own, details = table[table.source != table.target], table[table.source == table.target], metrics.details
    for judge, value in metrics.per_judge.items():
        assert _macro(grid, f"predicted_{judge}") == pytest.approx(value, rel=1e-12)
        assert own[f"predicted_{judge}"].notna().all()
    alone = [_macro(grid, f"predicted_{judge}") for judge in metrics.per_judge]
    assert details["acc_mean_judge"] == pytest.approx(sum(alone) / len(alone))
    assert details["acc_min_judge"] == pytest.approx(min(alone))
    assert details["acc_judge_spread"] == pytest.approx(max(alone) - min(alone))
    assert details["acc_floor"] == pytest.approx(_macro(grid, "predicted_source"), abs=1e-12)
    assert details["acc_own_class"] == pytest.approx(_macro(own, "predicted"))
    for region in REGIONS:
        assert details[f"edit_locality_{region}"] == pytest.approx(_share(grid, (region,)), rel=1e-9, abs=1e-12)
    assert metrics.confusion is not None and metrics.source_target is not None
    assert pd.crosstab(grid.target, grid.predicted).reindex(columns=range(3), fill_value=0).to_numpy().tolist() == (
        metrics.confusion.counts
    )
    hits = (table.predicted == table.target).groupby([table.source, table.target]).mean().unstack()
    assert hits.to_numpy(float).tolist() == metrics.source_target.values


def test_l1_edit_is_the_mean_and_the_regions_the_mean_square(evaluation: Evaluation, wide_toy: Dataset) -> None:
    grid = evaluation.per_image.query("source != target")
    energy = grid[[f"edit_energy_{name}" for name in REGIONS]].sum(axis=1)
    assert (energy <= grid.l1_edit + 1e-12).all() and (energy >= grid.l1_edit**2 - 1e-12).all()  # x² <= x on [0, 1]
    assert torch.tensor(grid.source_index.to_numpy(dtype="int64")).max() < len(wide_toy.test)
