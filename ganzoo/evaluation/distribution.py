"""Distances between the distributions of translated and of real faces."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.frechet import frechet_distance
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.rows import Row
from ganzoo.registry import METRICS
from ganzoo.runs.schema import MetricInfo


class FrechetMetric(Metric):
    """Fréchet distance from a class-balanced sample of training faces, in the features of one backbone.

    Lower is better; biased upward at small numbers, which are therefore equal in all rows (see
    `EvaluationContext.faces_per_class`): read it beside the control ``real``, its floor at that number.
    """

    backbone: ClassVar[str]
    per_class: ClassVar[bool] = False

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        faces, reference = context.balanced(row), context.reference
        seen, real = context.features(self.backbone, faces), context.features(self.backbone, reference)
        by_class = self._by_class(seen, faces.targets, real, reference.targets, context.num_classes) if self.per_class else {}
        return MetricResult(frechet_distance(seen, real), per_class=by_class)

    def _by_class(self, seen: Tensor, targets: Tensor, real: Tensor, labels: Tensor, num_classes: int) -> dict[int, float]:
        """Distance of the faces meant to show each class from the training faces that show it."""
        return {
            label: frechet_distance(seen[targets == label], real[labels == label])
            for label in range(num_classes)
            if int((labels == label).sum()) >= 2
        }


@METRICS.register("fid")
class Fid(FrechetMetric):
    """Fréchet Inception distance (Heusel et al., arXiv 1706.08500): Inception of December 2015, 2048 features.

    Not given per class: a few hundred faces leave most of 2048 dimensions empty.
    """

    backbone = "inception"
    needs = frozenset({"faces", "features:inception"})
    info = MetricInfo(label="FID", direction="lower", ranked=True, unit="squared feature distance", aspect="distribution")


@METRICS.register("fd_judge")
class FdJudge(FrechetMetric):
    """Fréchet distance in the features of a judge that does not vote: at most 256, of this kind of face, always at hand."""

    backbone = "judge"
    per_class = True
    needs = frozenset({"faces", "features:judge"})
    info = MetricInfo(
        label="FD judge", direction="lower", ranked=True, beats="no-edit", unit="squared feature distance", aspect="distribution"
    )
