"""Whether the translated face is still the same person's, to a network that no loss and no expression judge knows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.identity import by_class
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.rows import Row
from ganzoo.registry import METRICS
from ganzoo.runs.schema import MetricInfo

_NEEDS = frozenset({"sources", "translations", "features:identity"})
_TIE = 1e-6
_AT_ONCE = 1024


@METRICS.register("identity_recall")
class IdentityRecall(Metric):
    """Recall@1: share of translated faces that are nearer, by cosine, to their own source than to every other source.

    In [0, 1]; chance is one over the number of sources. Copies of one image among the sources count as one person.
    """

    needs = _NEEDS
    info = MetricInfo(
        label="identity recall",
        direction="higher",
        ranked=True,
        beats="nearest-real",
        unit="share, 0 to 1",
        aspect="identity",
        headline=False,
    )

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        faces, sources = _unit(context, row)
        own = context.grid.position
        recalled = [_recalled(faces[part], sources, own[part]) for part in torch.arange(len(faces)).split(_AT_ONCE)]
        return _result("identity_recall", torch.cat(recalled).double(), context)


@METRICS.register("identity_cosine")
class IdentityCosine(Metric):
    """Mean cosine between the features of the translated face and of its source, in [-1, 1]."""

    needs = _NEEDS
    info = MetricInfo(
        label="identity cosine", direction="higher", ranked=False, beats="nearest-real", unit="-1 to 1", headline=False
    )

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        faces, sources = _unit(context, row)
        return _result("identity_cosine", (faces * sources[context.grid.position]).sum(dim=1).double(), context)


def _unit(context: EvaluationContext, row: Row) -> tuple[Tensor, Tensor]:
    """Features of the row's faces ``(P, D)`` and of the sources ``(S, D)``, of length 1."""
    return normalize(context.features("identity", row.faces)), normalize(context.features("identity", context.source_faces))


def _recalled(faces: Tensor, sources: Tensor, own: Tensor) -> Tensor:
    cosines = faces @ sources.T
    return cosines.gather(1, own[:, None]).squeeze(1) >= cosines.amax(dim=1) - _TIE


def _result(column: str, values: Tensor, context: EvaluationContext) -> MetricResult:
    return MetricResult(float(values.mean()), per_class=by_class(values, context.grid.target), per_pair={column: values})
