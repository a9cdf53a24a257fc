"""How near a translation comes to the true answer: the same person, light and pose with the other expression."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.features import Faces, NotAvailable
from ganzoo.evaluation.identity import by_class, mean_absolute_difference
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.rows import Row
from ganzoo.registry import METRICS
from ganzoo.runs.schema import MetricInfo

LEVELS = 255.0
HIGHEST_PSNR = 10 * math.log10(LEVELS**2 * 12)
"""58.9 dB, the ratio at which only rounding is left (a mean square of 1/12 level): equal pictures would otherwise be infinite."""
SSIM_WINDOW_PX = 11
_NEEDS = frozenset({"sources", "translations", "counterfactuals"})
_AT_ONCE = 64  # larger blocks of structural similarity no longer fit a processor's cache


@METRICS.register("l1_paired")
class L1Paired(Metric):
    """mean |G(x, t) - y| with y the true answer, on [0, 1]."""

    needs = _NEEDS
    info = MetricInfo(label="L1 to truth", direction="lower", ranked=True, beats="no-edit", unit="grey level, 0 to 1")

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        return mean_of_pairs("l1_paired", mean_absolute_difference(row.faces, context.counterfactuals), context)


@METRICS.register("psnr_paired")
class PsnrPaired(Metric):
    """Peak signal-to-noise ratio of each translation against the true answer, at most 58.9 dB; the mean of all."""

    needs = _NEEDS
    info = MetricInfo(
        label="PSNR to truth", direction="higher", ranked=False, beats="no-edit", unit="decibel, up to 58.9", headline=False
    )

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        return mean_of_pairs("psnr_paired", each_pair(_psnr, row.faces, context.counterfactuals).clamp_max(HIGHEST_PSNR), context)

    def parameters(self) -> Mapping[str, Any]:
        return {"data_range": LEVELS, "highest": round(HIGHEST_PSNR, 6)}


@METRICS.register("ssim_paired")
class SsimPaired(Metric):
    """Structural similarity (Wang et al. 2004) of each translation with the true answer; the mean of all."""

    needs = _NEEDS
    info = MetricInfo(label="SSIM to truth", direction="higher", ranked=False, beats="no-edit", unit="-1 to 1", headline=False)

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        side = context.dataset.image_size_px
        if side < SSIM_WINDOW_PX:
            raise NotAvailable(f"needs images of at least {SSIM_WINDOW_PX} pixels a side, not {side}")
        return mean_of_pairs("ssim_paired", each_pair(_ssim, row.faces, context.counterfactuals), context)

    def parameters(self) -> Mapping[str, Any]:
        return {"data_range": LEVELS, "window_px": SSIM_WINDOW_PX, "sigma": 1.5}


def _psnr(faces: Tensor, truth: Tensor) -> Tensor:
    # Without a range torchmetrics would take that of the batch.
    return peak_signal_noise_ratio(faces.float(), truth.float(), data_range=LEVELS, reduction="none", dim=(1, 2, 3))


def _ssim(faces: Tensor, truth: Tensor) -> Tensor:
    found = structural_similarity_index_measure(faces.float(), truth.float(), sigma=1.5, reduction="none", data_range=LEVELS)
    assert isinstance(found, Tensor)  # a pair only where more than the mean is asked for
    return found


def each_pair(score: Callable[[Tensor, Tensor], Tensor], first: Faces, second: Faces) -> Tensor:
    """A score of each pair of faces, float64 ``(M,)``; ``score`` is given blocks of both, uint8 ``(N, C, H, W)``."""
    positions = torch.arange(len(first)).split(_AT_ONCE)
    return torch.cat([score(first.take(part).images, second.take(part).images).double() for part in positions])


def mean_of_pairs(column: str, values: Tensor, context: EvaluationContext) -> MetricResult:
    """Plain mean over all pairs of the grid, and by target class."""
    return MetricResult(float(values.mean()), per_class=by_class(values, context.grid.target), per_pair={column: values})
