from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.controls import ModelRow
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate
from ganzoo.evaluation.passages import noisy, untouched

SETTINGS = EvaluationSettings(metrics=("l1_cycle", "stego_round", "stego_noise"))
NOISE = 2 / 255 * (2 / torch.pi) ** 0.5  # mean |ε|


class Hiding:
    """Gives one grey face for each class, with the source's own levels hidden ``step`` levels apart, and reads them back."""

    takes_image = True

    def __init__(self, step: float, levels: int) -> None:
        self.step, self.levels = step, levels  # ``levels`` hidden values lie ``step`` grey levels apart

    def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        seen = (images + 1) * 127.5
        width = 256 / self.levels
        hidden = (seen - self._face(source)) / self.step
        found = (hidden.round().clamp(0, self.levels - 1) + 0.5) * width
        written = self._face(target) + (seen / width).floor().clamp(0, self.levels - 1) * self.step
        carries = ((hidden > -1) & (hidden < self.levels)).double().mean(dim=(1, 2, 3)) > 0.95
        return torch.where(carries[:, None, None, None], found, written) / 127.5 - 1

    def _face(self, label: Tensor) -> Tensor:
        return (64 + 48 * label)[:, None, None, None].float()


def test_what_is_hidden_in_the_lowest_bits_survives_rounding_and_falls_to_noise(toy: Dataset, judges: Any) -> None:
    metrics = evaluate(Hiding(step=1, levels=16), toy, judges, SETTINGS).metrics.metrics
    assert metrics["l1_cycle"] == pytest.approx(4 / 255, rel=0.1)  # sixteen of 256 levels, none of the face: yet a fine cycle
    assert metrics["stego_round"] == pytest.approx(0, abs=1e-12)
    assert metrics["stego_noise"] > 0.05


def test_what_is_hidden_in_fractions_falls_to_rounding_and_to_noise(toy: Dataset, judges: Any) -> None:
    metrics = evaluate(Hiding(step=0.02, levels=16), toy, judges, SETTINGS).metrics.metrics
    assert metrics["stego_round"] > 0.1
    assert metrics["stego_noise"] > 0.1


def test_a_generator_that_hides_nothing_loses_what_the_noise_amounts_to(toy: Dataset, judges: Any, make_translator: Any) -> None:
    true = evaluate(make_translator(1), toy, judges, SETTINGS).metrics
    assert true.metrics["stego_round"] == 0.0
    assert true.metrics["stego_noise"] == pytest.approx(true.controls["no-edit"]["stego_noise"], rel=1e-6)
    assert true.controls["no-edit"]["stego_noise"] == pytest.approx(NOISE, rel=0.1)
    assert true.controls["no-edit"]["stego_round"] == 0.0
    assert true.controls["oracle"]["stego_noise"] is None


def test_faces_out_of_range_are_not_clamped_before_the_undisturbed_way_back(toy: Dataset, judges: Any) -> None:
    class BeyondWhite:
        """There everything goes far beyond white, where a picture cannot follow, and comes back whole."""

        takes_image = True

        def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
            return torch.where((images.amax(dim=(1, 2, 3)) > 1)[:, None, None, None], images - 5, images + 5)

    metrics = evaluate(BeyondWhite(), toy, judges, SETTINGS).metrics.metrics
    assert metrics["stego_round"] == pytest.approx(metrics["l1_cycle"], rel=1e-6)
    assert metrics["stego_round"] > 0.3


def test_noise_depends_on_the_face_alone_and_has_two_levels() -> None:
    faces, seeds = torch.zeros(40, 1, 32, 32), torch.arange(40)
    whole = noisy(faces, seeds)
    assert torch.equal(noisy(faces[7:9], seeds[7:9]), whole[7:9])
    assert not torch.equal(whole[0], whole[1])
    levels = (whole + 1) * 127.5
    assert (levels - levels.round()).abs().max() < 1e-3  # a picture file again
    assert levels.std().item() == pytest.approx((4 + 1 / 12) ** 0.5, rel=0.02)
    assert torch.equal(untouched(faces, seeds), faces)


@pytest.mark.parametrize(("limit", "probed"), [(None, 27), (27, 3)])
def test_few_sources_are_probed_and_batches_change_nothing(
    toy: Dataset, judges: Any, make_translator: Any, limit: int | None, probed: int
) -> None:
    rows = [
        ModelRow(EvaluationContext(toy, judges, EvaluationSettings(max_sources=limit, batch_size=size)), make_translator(0.7))
        for size in (5, 64)
    ]
    first, second = (row.passages["noisy"] for row in rows)
    assert len(first) == 2 * probed
    assert torch.equal(first.images, second.images)


def test_the_table_of_faces_gives_the_same_means(toy: Dataset, judges: Any, make_translator: Any) -> None:
    evaluation = evaluate(
        make_translator(0.7, offset=3), toy, judges, EvaluationSettings(max_sources=20, metrics=SETTINGS.metrics)
    )
    for name in ("stego_round", "stego_noise"):
        column = evaluation.per_image[name].dropna()
        assert len(column) == 2 * 3
        assert column.mean() == pytest.approx(evaluation.metrics.metrics[name], rel=1e-12)
