from __future__ import annotations

import math

import pytest
import torch
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from ganzoo.data.base import Dataset
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate
from ganzoo.evaluation.features import Faces, Pool
from ganzoo.evaluation.paired import HIGHEST_PSNR, _psnr, _ssim, each_pair


def _faces(images: torch.Tensor) -> Faces:
    return Faces(Pool(images, fixed=False), torch.arange(len(images)), torch.zeros(len(images), dtype=torch.int64))


@pytest.fixture
def pairs() -> tuple[Faces, Faces]:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(60, 120, (6, 1, 24, 24), generator=generator)  # far from filling the range
    noise = torch.randint(-9, 10, truth.shape, generator=generator) * torch.arange(6)[:, None, None, None]
    return _faces((truth + noise).clamp(0, 255).to(torch.uint8)), _faces(truth.to(torch.uint8))


@pytest.mark.parametrize(
    ("score", "reference"),
    [(_psnr, PeakSignalNoiseRatio(data_range=(0.0, 1.0))), (_ssim, StructuralSimilarityIndexMeasure(data_range=1.0))],
)
def test_each_pair_is_scored_on_the_whole_range_whatever_its_batch(score, reference, pairs: tuple[Faces, Faces]) -> None:  # type: ignore[no-untyped-def]
    first, second = pairs
    together = each_pair(score, first, second)
    for place in range(1, 6):
        alone = torch.tensor([place])
        assert each_pair(score, first.take(alone), second.take(alone)).item() == pytest.approx(together[place].item(), abs=1e-5)
        expected = reference(first.take(alone).images.double() / 255, second.take(alone).images.double() / 255).item()
        assert together[place].item() == pytest.approx(expected, rel=1e-4)
        reference.reset()


def test_psnr_by_hand() -> None:
    black, grey = torch.zeros(1, 1, 12, 12, dtype=torch.uint8), torch.full((1, 1, 12, 12), 51, dtype=torch.uint8)
    assert each_pair(_psnr, _faces(black), _faces(grey)).item() == pytest.approx(20 * math.log10(5), rel=1e-6)


def test_equal_pictures_have_the_psnr_of_rounding_and_not_infinity(toy: Dataset, judges, make_translator) -> None:  # type: ignore[no-untyped-def]
    metrics = evaluate(make_translator(1), toy, judges, EvaluationSettings(metrics=("psnr_paired", "ssim_paired"))).metrics
    assert metrics.metrics["psnr_paired"] == metrics.controls["oracle"]["psnr_paired"] == pytest.approx(HIGHEST_PSNR)
    assert pytest.approx(58.92, abs=0.01) == HIGHEST_PSNR
    assert metrics.controls["no-edit"]["psnr_paired"] < 20
    assert metrics.metrics["ssim_paired"] is None  # faces of 8 pixels
    assert "at least 11 pixels a side, not 8" in metrics.reasons["ssim_paired"]
