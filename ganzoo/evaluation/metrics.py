"""What a metric is.

A metric is a class registered in ``METRICS``, by decorator or by the entry-point group ``ganzoo.metrics``. The evaluator
knows none by name: it asks each for a value on every *row*, the model's and the controls', which differ only in where
their faces come from.

    @METRICS.register("brightness")
    class Brightness(Metric):
        info = MetricInfo(label="brightness", direction="none", ranked=False)
        needs = frozenset({"translations"})

        def compute(self, context, row):
            return MetricResult(row.faces.images.float().mean().item())

What it is given belongs to all metrics: ``row.faces.images`` is a copy that it may write to, pools, labels and the grid are not.
Its numbers must be finite, and its columns, details and judges bear names that no other metric's have; a metric of another
package that breaks this, or fails, has no score, and every other is what it would be without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from ganzoo.runs.schema import Confusion, MetricInfo, SourceTargetAccuracy

if TYPE_CHECKING:
    from ganzoo.evaluation.context import EvaluationContext
    from ganzoo.evaluation.rows import Row

__all__ = ["Metric", "MetricResult"]


@dataclass(frozen=True)
class MetricResult:
    """What a metric says of one row. Of control rows only ``value`` is kept.

    Attributes:
        value: The number.
        per_class: Target class (index) -> value.
        per_judge: Judge -> value by that judge alone.
        details: Further values, by names that begin with the metric's.
        confusion: Target × predicted.
        source_target: Accuracy by source × target.
        per_pair: Column of the per-image table -> ``(P,)``, one entry for each pair of the grid. A column that bears the
            metric's name and whose mean is ``value`` gives it a bootstrap interval over source faces.
        per_source: Column of the per-image table -> ``(S,)``, one entry for each source, of its own class's rows.
    """

    value: float | None
    per_class: Mapping[int, float] = field(default_factory=dict)
    per_judge: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, float | None] = field(default_factory=dict)
    confusion: Confusion | None = None
    source_target: SourceTargetAccuracy | None = None
    per_pair: Mapping[str, Tensor] = field(default_factory=dict)
    per_source: Mapping[str, Tensor] = field(default_factory=dict)


class Metric(ABC):
    """Scores the faces of a row.

    Class attributes:
        info: Direction, heading, whether it ranks, and the control that a working model must beat.
        version: Raised whenever the same faces would get another number.
        needs: What it reads, so that nothing is made in vain and what is missing has a reason: ``"faces"`` (labelled faces,
            which every row has), ``"translations"`` (one face for each pair of the grid), ``"sources"`` (faces that the
            row's faces were made from), ``"selfs"`` (sources with their own class as target), ``"cycles"``, ``"passages"``
            (cycles of some pairs whose translation does not go back as bytes), ``"variants"`` (several faces for each of some
            pairs), ``"counterfactuals"`` (true answers), ``"votes"`` (judges), and ``"features:NAME"`` (an equal number of faces
            of each class as seen by the backbone NAME).
        macro: Whether the value is the mean over target classes of the classes' means, and not the mean over faces.
    """

    info: ClassVar[MetricInfo]
    version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"faces"})
    macro: ClassVar[bool] = False

    def applicable(self, context: EvaluationContext, row: Row) -> str | None:
        """Why it has no value on this row, in words, or None where it has one."""
        for need in sorted(self.needs):
            if reason := context.reason_against(need, row):
                return reason
        return None

    @abstractmethod
    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        """Its value on a row to which it is applicable."""

    def parameters(self) -> Mapping[str, Any]:
        """What else its definition depends on, as plain JSON: part of the protocol's fingerprint."""
        return {}
