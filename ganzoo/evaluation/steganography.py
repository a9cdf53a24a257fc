"""How much of a cycle's success was hidden in the translation: what is lost when it takes a way that keeps only what is seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.features import Faces
from ganzoo.evaluation.identity import by_class, mean_absolute_difference
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.passages import NOISE_LEVELS, PROBED_SOURCES
from ganzoo.evaluation.rows import Row
from ganzoo.registry import METRICS
from ganzoo.runs.schema import MetricInfo

_NEEDS = frozenset({"sources", "cycles", "passages"})
_UNIT = "grey level, 0 to 1"


@METRICS.register("stego_round")
class StegoRound(Metric):
    """``l1_cycle`` - mean |G(G(x, t), s) - x|: what rounding (Q) takes from the cycle, on some fixed sources.

    About 0 unless the source is hidden in fractions of a grey level, or beyond black and white.
    """

    needs = _NEEDS
    info = MetricInfo(label="stego round", direction="lower", ranked=False, unit=_UNIT, headline=False, takes_from="l1_cycle")

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        rounded = _distance(context, row.cycles.take(context.probed_pairs))
        return _loss("stego_round", rounded, context, row)

    def parameters(self) -> Mapping[str, Any]:
        return {"sources": PROBED_SOURCES}


@METRICS.register("stego_noise")
class StegoNoise(Metric):
    """mean |G(Q(G(x, t) + ε), s) - x| - mean |G(G(x, t), s) - x|: what noise ε of two grey levels takes from the cycle.

    A generator that hides nothing loses at most about what the noise itself amounts to: the value of ``no-edit``, 0.006. One
    that reads the lowest bits loses its cycle.
    """

    needs = _NEEDS
    info = MetricInfo(label="stego noise", direction="lower", ranked=False, unit=_UNIT, headline=False, takes_from="l1_cycle")

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        return _loss("stego_noise", _distance(context, row.passages["noisy"]), context, row)

    def parameters(self) -> Mapping[str, Any]:
        return {"sources": PROBED_SOURCES, "noise_levels": NOISE_LEVELS}


def _distance(context: EvaluationContext, back: Faces) -> Tensor:
    return mean_absolute_difference(back, context.source_of_pair.take(context.probed_pairs))


def _loss(column: str, disturbed: Tensor, context: EvaluationContext, row: Row) -> MetricResult:
    pairs = context.probed_pairs
    lost = disturbed - _distance(context, row.passages["untouched"])
    per_class = by_class(lost, context.grid.target[pairs])
    return MetricResult(float(lost.mean()), per_class=per_class, per_pair={column: context.at_pairs(pairs, lost)})
