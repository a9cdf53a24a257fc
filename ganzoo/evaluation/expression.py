"""Expression accuracy: do the judges see the expression that was asked for?"""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.features import Faces
from ganzoo.evaluation.judge_measuring import calibration_error
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.rows import MODEL, Row
from ganzoo.registry import METRICS
from ganzoo.runs.schema import Confusion, MetricInfo, SourceTargetAccuracy

RANKS_FROM = 0.70
"""Macro accuracy on real faces below which a vote may describe models but not rank them."""


@METRICS.register("acc")
class ExpressionAccuracy(Metric):
    """Share of faces to which the judges' vote gives the target class, macro over targets; in [0, 1], higher is better.

    Its floor is the same share for untouched sources, its ceiling the judges' accuracy on real faces of the scored split,
    and ``acc_calibrated`` = (acc - floor) / (ceiling - floor). Details tell how far the judges agree (mean, least and spread of
    their own accuracies), how far their probabilities can be believed (``acc_calibration_error``, of the vote on the real faces
    of the scored split; the temperatures were fitted on other faces), and ``acc_own_class``, of faces asked to keep their class.
    """

    needs = frozenset({"faces", "votes"})
    macro = True
    info = MetricInfo(
        label="expression accuracy",
        direction="higher",
        ranked=True,
        beats="no-edit",
        unit="share, 0 to 1",
        aspect="expression",
    )

    def compute(self, context: EvaluationContext, row: Row) -> MetricResult:
        faces = row.faces
        value, per_class = _accuracy(_predicted(context, faces), faces.targets, context.num_classes)
        if row.name != MODEL:
            return MetricResult(value, per_class=per_class)
        per_judge = _each_accuracy(context, faces)
        selfs = None if "selfs" in row.lacks else row.selfs
        return MetricResult(
            value,
            per_class=per_class,
            per_judge=per_judge,
            details=_details(context, value, per_judge) | {"acc_own_class": _own_class_accuracy(context, selfs)},
            confusion=_confusion(context, faces),
            source_target=_source_target(context, faces, selfs),
            per_pair=_columns(context, faces) | {"predicted_source": _predicted(context, context.source_of_pair)},
            per_source=_columns(context, selfs) if selfs is not None else {},
        )


def judge_ceiling(context: EvaluationContext) -> float:
    """Macro accuracy of the vote on all real faces of the scored split."""
    real = _real_faces(context)
    return _accuracy(_predicted(context, real), real.targets, context.num_classes)[0]


def _real_faces(context: EvaluationContext) -> Faces:
    return Faces(context.split_pool, torch.arange(len(context.split)), context.split.labels)


def _predicted(context: EvaluationContext, faces: Faces) -> Tensor:
    """The vote: the class with the highest mean probability, int64 ``(M,)``."""
    return context.votes(faces).mean(dim=0).argmax(dim=1)


def _accuracy(predicted: Tensor, targets: Tensor, num_classes: int) -> tuple[float, dict[int, float]]:
    """Macro accuracy over the targets that occur, and the accuracy of each."""
    hits = (predicted == targets).double()
    per_class = {label: float(hits[targets == label].mean()) for label in range(num_classes) if bool((targets == label).any())}
    return sum(per_class.values()) / len(per_class), per_class


def _each_accuracy(context: EvaluationContext, faces: Faces) -> dict[str, float]:
    """Accuracy by each judge alone."""
    assert context.judges is not None  # "votes" is among the needs
    each = context.votes(faces).argmax(dim=2)
    names = context.judges.voter_names
    return {
        name: _accuracy(predicted, faces.targets, context.num_classes)[0] for name, predicted in zip(names, each, strict=True)
    }


def _details(context: EvaluationContext, value: float, per_judge: dict[str, float]) -> dict[str, float | None]:
    sources = context.source_of_pair
    floor, _ = _accuracy(_predicted(context, sources), sources.targets, context.num_classes)
    ceiling = judge_ceiling(context)
    return {
        "acc_floor": floor,
        "acc_ceiling": ceiling,
        "acc_calibrated": (value - floor) / (ceiling - floor) if ceiling > floor else None,
        "acc_mean_judge": sum(per_judge.values()) / len(per_judge),
        "acc_min_judge": min(per_judge.values()),
        "acc_judge_spread": max(per_judge.values()) - min(per_judge.values()),
        "acc_calibration_error": _calibration_error(context),
    }


def _calibration_error(context: EvaluationContext) -> float:
    """Expected calibration error of the vote on real faces of the scored split."""
    real = _real_faces(context)
    return calibration_error(context.votes(real).mean(dim=0), real.targets)


def _own_class_accuracy(context: EvaluationContext, selfs: Faces | None) -> float | None:
    """Macro accuracy of faces asked to keep their class."""
    return None if selfs is None else _accuracy(_predicted(context, selfs), selfs.targets, context.num_classes)[0]


def _source_target(context: EvaluationContext, faces: Faces, selfs: Faces | None) -> SourceTargetAccuracy:
    """Accuracy of each pair of classes; on the diagonal, of faces asked to keep their class."""
    values: list[list[float | None]] = [[None] * context.num_classes for _ in range(context.num_classes)]
    asked = [(context.grid.source, faces)] + ([] if selfs is None else [(selfs.targets, selfs)])
    for sources, shown in asked:
        hits = (_predicted(context, shown) == shown.targets).double()
        for pair in torch.stack([sources, shown.targets], dim=1).unique(dim=0):
            chosen = (sources == pair[0]) & (shown.targets == pair[1])
            values[int(pair[0])][int(pair[1])] = float(hits[chosen].mean())
    return SourceTargetAccuracy(class_names=list(context.dataset.class_names), values=values)


def _confusion(context: EvaluationContext, faces: Faces) -> Confusion:
    classes = context.num_classes
    cells = torch.bincount(faces.targets * classes + _predicted(context, faces), minlength=classes * classes)
    return Confusion(class_names=list(context.dataset.class_names), counts=cells.view(classes, classes).tolist())


def _columns(context: EvaluationContext, faces: Faces) -> dict[str, Tensor]:
    """What the judges said of each face: the vote, whether it is the target (1 or 0), its probability, each judge's choice."""
    assert context.judges is not None  # "votes" is among the needs
    each = context.votes(faces)
    vote = each.mean(dim=0)
    predicted = vote.argmax(dim=1)
    columns = {
        "predicted": predicted,
        "acc": (predicted == faces.targets).long(),
        "p_target": vote.gather(1, faces.targets[:, None]).squeeze(1),
    }
    alone = zip(context.judges.voter_names, each.argmax(dim=2), strict=True)
    return columns | {f"predicted_{name}": predicted for name, predicted in alone}
