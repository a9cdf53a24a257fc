"""Where in the face an edit happens."""

from __future__ import annotations

from ganzoo.data.face_regions import REGIONS, edit_energy, energy_shares, face_boxes
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.features import NotAvailable
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.rows import Row
from ganzoo.registry import METRICS
from ganzoo.runs.schema import MetricInfo


@METRICS.register("edit_locality")
class EditLocality(Metric):
    """Share of the edit's energy |G(x, t) - x|² that falls into mouth, eyes and brows; details give each share and the rest's.

    The regions are fixed boxes of the aligned face (`face_regions`). Neither much nor little is good by itself: where the true
    answer is known, its share is that of the control ``oracle``.
    """

    needs = frozenset({"sources", "translations"})
    info = MetricInfo(label="edit locality", direction="none", ranked=False, unit="share, 0 to 1", headline=False)

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        sources = context.source_of_pair
        energies = edit_energy(sources.images, row.faces.images, face_boxes(context.split, sources.index))  # (P, R)
        shares = energy_shares(energies)
        if not shares:
            raise NotAvailable("no face was changed")
        per_class = {label: energy_shares(energies[context.grid.target == label]) for label in range(context.num_classes)}
        return MetricResult(
            1 - shares["rest"],
            per_class={label: 1 - part["rest"] for label, part in per_class.items() if part},
            details={f"edit_locality_{name}": shares[name] for name in REGIONS},
            per_pair={f"edit_energy_{name}": energies[:, place] for place, name in enumerate(REGIONS)},
        )
