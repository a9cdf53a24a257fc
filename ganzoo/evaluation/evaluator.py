"""Scores a generator: every registered metric on the model's row and on the controls' rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.errors import GanzooError, in_one_line
from ganzoo.evaluation.backbones import Judges
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.controls import ModelRow, control_rows
from ganzoo.evaluation.expression import RANKS_FROM, judge_ceiling
from ganzoo.evaluation.features import NotAvailable
from ganzoo.evaluation.grid import first_of_each_class
from ganzoo.evaluation.intervals import bootstrap_intervals
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.protocol import describe_protocol
from ganzoo.evaluation.rows import MODEL, Row
from ganzoo.evaluation.settings import EvaluationSettings
from ganzoo.evaluation.translate import Progress, Translator
from ganzoo.registry import METRICS
from ganzoo.runs.schema import MetricInfo, MetricsFile

__all__ = ["Evaluation", "EvaluationSettings", "evaluate"]

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
    context = EvaluationContext(dataset, judges, settings or EvaluationSettings(), device, progress)
    for row in (ModelRow(context, translator), *control_rows(context)):
        context.rows[row.name] = row
    metrics, reasons = _load(context.settings.metrics)
    outcomes = {row.name: _compute(context, row, metrics) for row in context.rows.values()}
    scores, per_image = _scores(context, metrics, outcomes, reasons), _per_image(context, outcomes[MODEL])
    macro = {name for name, metric in metrics.items() if metric.macro}
    intervals = bootstrap_intervals(per_image, scores.metrics, macro)
    return Evaluation(scores.model_copy(update={"intervals": intervals}), per_image, _gallery(context))


Outcome = dict[str, MetricResult | str]
"""Metric -> result, or the reason why there is none."""


def _load(asked: tuple[str, ...] | None) -> tuple[dict[str, Metric], dict[str, str]]:
    """The metrics to compute, and those of other packages that cannot be loaded, with the reason."""
    metrics, broken = {}, {}
    for name in METRICS.names() if asked is None else asked:
        try:
            metrics[name] = METRICS.get(name)()
        except (Exception, SystemExit) as error:
            if asked is not None or METRICS.origin(name) == "ganzoo":
                raise
            broken[name] = f"cannot be loaded: {in_one_line(error)}"
    return metrics, broken


def _compute(context: EvaluationContext, row: Row, metrics: Mapping[str, Metric]) -> Outcome:
    return {name: _compute_one(context, row, name, metric) for name, metric in metrics.items()}


def _compute_one(context: EvaluationContext, row: Row, name: str, metric: Metric) -> MetricResult | str:
    try:
        reason = metric.applicable(context, row)
        if reason is not None:
            return reason
        result = metric.compute(context, row)
        if row.name == MODEL:
            _check_columns(context, result)
        return result
    except NotAvailable as reason:
        return str(reason)
    except (Exception, SystemExit) as error:  # another package's mistake must not cost the run its other scores
        if METRICS.origin(name) == "ganzoo":
            raise
        return f"failed: {in_one_line(error)}"


def _check_columns(context: EvaluationContext, result: MetricResult) -> None:
    """Refuses columns that do not fit the table of faces."""
    for columns, size in ((result.per_pair, len(context.grid)), (result.per_source, len(context.source_index))):
        for name, values in columns.items():
            if len(values) != size:
                raise GanzooError(f"column '{name}' has {len(values)} entries where {size} faces are scored")


def _scores(
    context: EvaluationContext, metrics: Mapping[str, Metric], outcomes: Mapping[str, Outcome], broken: Mapping[str, str]
) -> MetricsFile:
    protocol = describe_protocol(context, metrics)
    results = {name: result for name, result in outcomes[MODEL].items() if isinstance(result, MetricResult)}
    reasons = {name: reason for name, reason in outcomes[MODEL].items() if isinstance(reason, str)}
    voting = any("votes" in metric.needs for metric in metrics.values())
    note = _judge_note(context) if voting else None
    return MetricsFile(
        protocol=protocol.canonical(),
        fingerprint=protocol.fingerprint(),
        metrics=_values(outcomes[MODEL]) | dict.fromkeys(broken),
        reasons=reasons | dict(broken),
        controls={name: _values(outcome) for name, outcome in outcomes.items() if name != MODEL},
        per_class={name: _named(context, result.per_class) for name, result in results.items() if result.per_class},
        per_judge={judge: value for result in results.values() for judge, value in result.per_judge.items()},
        details={key: value for result in results.values() for key, value in result.details.items()},
        confusion=next((result.confusion for result in results.values() if result.confusion), None),
        source_target=next((result.source_target for result in results.values() if result.source_target), None),
        info={name: _info(metric, may_rank=note is None) for name, metric in metrics.items()},
        judge_note=note,
        sources=len(context.source_index),
        translations=len(context.grid),
        scored=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _values(outcome: Outcome) -> dict[str, float | None]:
    return {name: result.value if isinstance(result, MetricResult) else None for name, result in outcome.items()}


def _named(context: EvaluationContext, per_class: Mapping[int, float]) -> dict[str, float | None]:
    return {name: per_class.get(label) for label, name in enumerate(context.dataset.class_names)}


def _judge_note(context: EvaluationContext) -> str | None:
    if context.judges is None:
        return None
    ceiling = judge_ceiling(context)
    if ceiling >= RANKS_FROM:
        return None
    return f"The judges' vote is right on {ceiling:.2f} of real faces (macro), under {RANKS_FROM:.2f}: it may describe, not rank."


def _info(metric: Metric, may_rank: bool) -> MetricInfo:
    """What the metric says of itself; a vote of weak judges ranks nothing."""
    return metric.info if may_rank or "votes" not in metric.needs else metric.info.model_copy(update={"ranked": False})


def _per_image(context: EvaluationContext, outcome: Outcome) -> pd.DataFrame:
    """One row for each pair of the grid, and one for each source with its own class, source by source."""
    grid, results = context.grid, [result for result in outcome.values() if isinstance(result, MetricResult)]
    pairs = _frame(context.source_index[grid.position], grid.source, grid.target, [r.per_pair for r in results])
    own = _frame(context.source_index, context.labels, context.labels, [r.per_source for r in results])
    table = pd.concat([pairs, own], ignore_index=True)
    return table.sort_values(["source_index", "target"], ignore_index=True)


def _frame(index: Tensor, source: Tensor, target: Tensor, columns: list[Mapping[str, Tensor]]) -> pd.DataFrame:
    table = {"source_index": index.numpy(), "source": source.numpy(), "target": target.numpy()}
    for named in columns:
        table |= {name: values.cpu().numpy() for name, values in named.items()}
    return pd.DataFrame(table).astype({name: "Int64" for name, values in table.items() if values.dtype == np.int64})


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
