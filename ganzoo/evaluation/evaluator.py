"""Scores a generator: every registered metric on the model's row and on the controls' rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.errors import GanzooError, in_one_line, is_interrupt
from ganzoo.evaluation.backbones import Judges
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.controls import ModelRow, control_rows
from ganzoo.evaluation.expression import RANKS_FROM, judge_ceiling
from ganzoo.evaluation.features import NotAvailable
from ganzoo.evaluation.grid import first_of_each_class
from ganzoo.evaluation.intervals import bootstrap_intervals
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.outcomes import (
    OWN_COLUMNS,
    UnfitError,
    check_metric,
    check_reason,
    check_result,
    find_change,
    shared_state,
)
from ganzoo.evaluation.protocol import describe_protocol
from ganzoo.evaluation.rows import MODEL, Row
from ganzoo.evaluation.settings import EvaluationSettings
from ganzoo.evaluation.translate import Progress, Translator
from ganzoo.registry import METRICS
from ganzoo.runs.schema import MetricInfo, MetricsFile

__all__ = ["Evaluation", "EvaluationSettings", "evaluate", "load_metrics"]

GALLERY_FACES = 8


@dataclass(frozen=True)
class Evaluation:
    """The outcome.

    Attributes:
        metrics: What ``metrics.json`` holds.
        per_image: One row for each scored face: ``source_index`` (in the split), ``source``, ``target``, and the metrics'
            columns, such as ``predicted``, ``p_target``, ``l1_edit``, ``l1_cycle``. Rows with ``source == target`` are the
            faces asked to keep their class; only they have ``l1_self``, and no grid metric counts them.
        gallery: The same few faces whatever the model: ``sources`` uint8 (n, C, H, W), ``labels`` int64 (n,),
            ``translations`` uint8 (n, K, C, H, W) with every class as target, ``source_index`` int64 (n,).
    """

    metrics: MetricsFile
    per_image: pd.DataFrame
    gallery: dict[str, np.ndarray[Any, Any]]


def evaluate(
    translator: Translator,
    dataset: Dataset,
    judges: Judges | None,
    settings: EvaluationSettings | None = None,
    *,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Evaluation:
    """Scores a generator on a dataset.

    Args:
        translator: The generator as a function.
        dataset: Sources, reference and, perhaps, true answers.
        judges: The dataset's panel; None leaves out what needs one.
        settings: What is scored; everything where left out.
        device: Where the networks work.
        progress: Told how far things are.

    Raises:
        GanzooError: Settings that do not suit the data, or a generator whose faces are not finite.
    """
    settings = settings or EvaluationSettings()
    metrics, broken = load_metrics(settings.metrics)
    context = EvaluationContext(dataset, judges, settings, device, progress)
    rows = {row.name: row for row in (ModelRow(context, translator), *control_rows(context))}
    context.rows.update(rows)
    outcomes: dict[str, Outcome] = {name: {} for name in rows}
    own = {name: metric for name, metric in metrics.items() if METRICS.origin(name) == "ganzoo"}
    for name, metric in own.items():
        _compute(context, rows, name, metric, outcomes)
    described, faces, gallery = _describe(context, metrics), _faces(context), _gallery(context)
    foreign = {name: metric for name, metric in metrics.items() if name not in own}
    _compute_foreign(context, rows, foreign, outcomes)  # last, since nothing keeps them from changing what they are given
    scores, per_image = _scores(described, outcomes, broken), _per_image(faces, outcomes[MODEL])
    macro = {name for name, metric in metrics.items() if metric.macro}
    intervals = bootstrap_intervals(per_image, scores.metrics, macro)
    return Evaluation(scores.model_copy(update={"intervals": intervals}), per_image, gallery)


Outcome = dict[str, MetricResult | str]
"""Metric -> result, or the reason why there is none."""


def load_metrics(asked: tuple[str, ...] | None) -> tuple[dict[str, Metric], dict[str, str]]:
    """The metrics to compute, and those of other packages that cannot be loaded, with the reason.

    Raises:
        GanzooError: One that was asked for by name cannot be loaded, or is none.
    """
    metrics, broken = {}, {}
    for name in METRICS.names() if asked is None else asked:
        try:
            metrics[name] = check_metric(METRICS.get(name)())
        except BaseException as error:
            if is_interrupt(error) or name not in METRICS or METRICS.origin(name) == "ganzoo":
                raise
            reason = f"cannot be loaded: {in_one_line(error)}"
            if asked is not None:
                raise GanzooError(f"The metric '{name}' {reason}") from error
            broken[name] = reason
    return metrics, broken


def _compute(
    context: EvaluationContext, rows: Mapping[str, Row], name: str, metric: Metric, outcomes: Mapping[str, Outcome]
) -> None:
    """Adds a metric's outcome on every row."""
    for place, row in rows.items():
        outcomes[place][name] = _compute_one(context, row, name, metric, outcomes[place])


def _compute_foreign(
    context: EvaluationContext, rows: Mapping[str, Row], metrics: Mapping[str, Metric], outcomes: Mapping[str, Outcome]
) -> None:
    """The same for metrics of other packages; one that changes what all share has no score, nor have those after it."""
    before, culprit = shared_state(context), None
    for name, metric in metrics.items():
        reason = f"not computed: '{culprit}' changed what all metrics share" if culprit else None
        if culprit is None:
            _compute(context, rows, name, metric, outcomes)
            changed, before = find_change(before, context), shared_state(context)
            if changed is not None:
                culprit, reason = name, f"changes what it is given ({changed}), which all metrics share; it must work on a copy"
        if reason is not None:
            for outcome in outcomes.values():
                outcome[name] = reason


def _compute_one(context: EvaluationContext, row: Row, name: str, metric: Metric, others: Outcome) -> MetricResult | str:
    try:
        reason = metric.applicable(context, row)
        if reason is not None:
            return check_reason(reason)
        return check_result(name, metric.compute(context, row), context, row, others)
    except NotAvailable as reason:
        return str(reason)
    except BaseException as error:  # another package's mistake must not cost the run its other scores
        if is_interrupt(error) or METRICS.origin(name) == "ganzoo" and not isinstance(error, UnfitError):
            raise
        return f"failed: {in_one_line(error)}"


def _describe(context: EvaluationContext, metrics: Mapping[str, Metric]) -> MetricsFile:
    """What the file says beside the scores."""
    protocol = describe_protocol(context, metrics)
    voting = any("votes" in metric.needs for metric in metrics.values())
    note = _judge_note(context) if voting else None
    return MetricsFile(
        protocol=protocol.canonical(),
        fingerprint=protocol.fingerprint(),
        metrics=dict.fromkeys(metrics),
        info={name: _info(metric, may_rank=note is None) for name, metric in metrics.items()},
        judge_note=note,
        sources=len(context.source_index),
        translations=len(context.grid),
        scored=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _scores(described: MetricsFile, outcomes: Mapping[str, Outcome], broken: Mapping[str, str]) -> MetricsFile:
    results = {name: result for name, result in outcomes[MODEL].items() if isinstance(result, MetricResult)}
    reasons = {name: reason for name, reason in outcomes[MODEL].items() if isinstance(reason, str)}
    classes = described.protocol["class_names"]
    return described.model_copy(
        update={
            "metrics": _values(outcomes[MODEL]) | dict.fromkeys(broken),
            "reasons": reasons | dict(broken),
            "controls": {name: _values(outcome) for name, outcome in outcomes.items() if name != MODEL},
            "per_class": {name: _named(classes, result.per_class) for name, result in results.items() if result.per_class},
            "per_judge": {judge: value for result in results.values() for judge, value in result.per_judge.items()},
            "details": {key: value for result in results.values() for key, value in result.details.items()},
            "confusion": next((result.confusion for result in results.values() if result.confusion), None),
            "source_target": next((result.source_target for result in results.values() if result.source_target), None),
        }
    )


def _values(outcome: Outcome) -> dict[str, float | None]:
    return {name: result.value if isinstance(result, MetricResult) else None for name, result in outcome.items()}


def _named(class_names: Sequence[str], per_class: Mapping[int, float]) -> dict[str, float | None]:
    return {name: per_class.get(label) for label, name in enumerate(class_names)}


def _judge_note(context: EvaluationContext) -> str | None:
    if context.judges is None:
        return None
    ceiling = judge_ceiling(context)
    if ceiling >= RANKS_FROM:
        return None
    return f"The judges' vote is right on {ceiling:.2f} of real faces (macro), under {RANKS_FROM:.2f}: it may describe, not rank."


def _info(metric: Metric, may_rank: bool) -> MetricInfo:
    """What the metric says of itself; a vote of weak judges ranks nothing."""
    return metric.info.model_copy(update={} if may_rank or "votes" not in metric.needs else {"ranked": False})


def _faces(context: EvaluationContext) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The pairs of the grid, and the sources with their own class: which face, from which class to which."""
    grid, labels = context.grid, context.labels
    asked = ((context.source_index[grid.position], grid.source, grid.target), (context.source_index, labels, labels))
    pairs, own = (
        pd.DataFrame({name: np.array(values) for name, values in zip(OWN_COLUMNS, of, strict=True)}, dtype="Int64")
        for of in asked
    )
    return pairs, own


def _per_image(faces: tuple[pd.DataFrame, pd.DataFrame], outcome: Outcome) -> pd.DataFrame:
    """One row for each pair of the grid, and one for each source with its own class, source by source."""
    results = [result for result in outcome.values() if isinstance(result, MetricResult)]
    pairs, own = faces
    table = pd.concat(
        [_widened(pairs, [r.per_pair for r in results]), _widened(own, [r.per_source for r in results])], ignore_index=True
    )
    return table.sort_values(["source_index", "target"], ignore_index=True)


def _widened(faces: pd.DataFrame, columns: list[Mapping[str, Tensor]]) -> pd.DataFrame:
    table = {name: values.numpy() for named in columns for name, values in named.items()}
    whole = {name: "Int64" for name, values in table.items() if values.dtype == np.int64}
    return pd.concat([faces, pd.DataFrame(table, index=faces.index).astype(whole)], axis=1)


def _gallery(context: EvaluationContext) -> dict[str, np.ndarray[Any, Any]]:
    chosen = _gallery_positions(context)
    row, grid = context.rows[MODEL], context.grid
    shape = (len(chosen), context.num_classes, *context.split.images.shape[1:])
    translations = torch.empty(shape, dtype=torch.uint8)
    for place, position in enumerate(chosen.tolist()):
        pairs = (grid.position == position).nonzero().squeeze(1)
        translations[place, grid.target[pairs]] = row.faces.take(pairs).images
    translations[torch.arange(len(chosen)), context.labels[chosen]] = row.selfs.take(chosen).images
    sources = context.source_faces.take(chosen)
    return {
        "sources": sources.images.numpy(),
        "labels": sources.targets.numpy(),
        "translations": translations.numpy(),
        "source_index": sources.index.numpy(),
    }


def _gallery_positions(context: EvaluationContext) -> Tensor:
    """Sources by content, as even over the classes as their number allows, class by class."""
    ranks = context.ranks[context.source_index]
    each = -(-GALLERY_FACES // context.num_classes)
    members = first_of_each_class(context.labels, ranks, each, context.num_classes)
    turn = torch.cat([torch.arange(int((context.labels[members] == label).sum())) for label in range(context.num_classes)])
    return members[turn.argsort(stable=True)[:GALLERY_FACES].sort().values]
