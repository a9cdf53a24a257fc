"""How different the answers of one generator to one question are."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import torch

from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.identity import by_class, mean_absolute_difference
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.rows import DRAWS, VARIED_SOURCES, Row
from ganzoo.registry import METRICS
from ganzoo.runs.schema import MetricInfo


@METRICS.register("diversity")
class Diversity(Metric):
    """mean |G(x, t, s) - G(x, t, s')| over pairs of styles s, s' (or draws of noise) of the same source and target.

    Reported beside the scores of a generator that is scored in one style: 0 says that style or noise changes nothing. It ranks
    nothing, since noise that spoils faces is diverse as well; a generator that has no styles and no noise has no such number.
    """

    needs = frozenset({"variants"})
    info = MetricInfo(label="diversity", direction="none", ranked=False, unit="grey level, 0 to 1")

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        differences = [mean_absolute_difference(first, second) for first, second in combinations(row.variants, 2)]
        values = torch.stack(differences).mean(dim=0)
        column = context.at_pairs(context.varied_pairs, values)
        per_class = by_class(values, row.variants[0].targets)
        return MetricResult(float(values.mean()), per_class=per_class, per_pair={"diversity": column})

    def parameters(self) -> Mapping[str, Any]:
        return {"sources_per_class": VARIED_SOURCES, "draws": DRAWS}
