"""How much of the face is kept: mean absolute differences on [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.features import Faces
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.rows import Row
from ganzoo.registry import METRICS
from ganzoo.runs.schema import MetricInfo

_AT_ONCE = 512
_UNIT = "grey level, 0 to 1"


def mean_absolute_difference(first: Faces, second: Faces) -> Tensor:
    """Mean over the pixels of each pair of faces, float64 ``(M,)`` in [0, 1]; sums are of whole numbers, so exact."""
    levels = []
    for start in range(0, len(first), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        a, b = first.pool.images[first.index[part]], second.pool.images[second.index[part]]
        levels.append((a.to(torch.int16) - b.to(torch.int16)).abs_().flatten(1).sum(dim=1, dtype=torch.int64))
    return torch.cat(levels).double() / (255 * first.pool.images[0].numel())


def by_class(values: Tensor, labels: Tensor) -> dict[int, float]:
    """Means of ``values`` ``(M,)`` by the class of each, int64 ``(M,)``."""
    return {int(label): float(values[labels == label].mean()) for label in torch.unique(labels)}


def _of_pairs(column: str, first: Faces, second: Faces, context: EvaluationContext) -> MetricResult:
    """Plain mean over all pairs of the grid, and by target class."""
    values = mean_absolute_difference(first, second)
    return MetricResult(float(values.mean()), per_class=by_class(values, context.grid.target), per_pair={column: values})


@METRICS.register("l1_cycle")
class L1Cycle(Metric):
    """mean |G(Q(G(x, t)), s) - x|: what is left of the face after there and back, through whole grey levels (Q)."""

    needs = frozenset({"sources", "cycles"})
    info = MetricInfo(label="L1 cycle", direction="lower", ranked=True, beats="nearest-real", unit=_UNIT, aspect="identity")

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        return _of_pairs("l1_cycle", row.cycles, context.source_of_pair, context)


@METRICS.register("l1_self")
class L1Self(Metric):
    """mean |G(x, s) - x|: how well a face is left alone that already has the expression asked for."""

    needs = frozenset({"sources", "selfs"})
    info = MetricInfo(label="L1 self", direction="lower", ranked=True, beats="nearest-real", unit=_UNIT, aspect="identity")

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        values = mean_absolute_difference(row.selfs, context.source_faces)
        return MetricResult(float(values.mean()), per_class=by_class(values, context.labels), per_source={"l1_self": values})


@METRICS.register("l1_edit")
class L1Edit(Metric):
    """mean |G(x, t) - x|: how much was changed, which by itself is neither good nor bad.

    Unless it is as much as the nearest real face that shows the target differs: then it may be anybody's, or a negative.
    """

    needs = frozenset({"sources", "translations"})
    info = MetricInfo(label="L1 edit", direction="none", ranked=False, unit=_UNIT, aspect="identity", stays_below="nearest-real")

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        return _of_pairs("l1_edit", row.faces, context.source_of_pair, context)
