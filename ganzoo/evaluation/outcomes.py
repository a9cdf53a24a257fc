"""What a metric may be, give and leave behind: what is not right costs that metric its score, and no other's."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterator, Mapping, Set
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor

from ganzoo.data.base import Dataset, Split
from ganzoo.errors import GanzooError, in_one_line, is_interrupt
from ganzoo.evaluation.backbones import BACKBONES
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.features import Faces, Pool
from ganzoo.evaluation.grid import Grid
from ganzoo.evaluation.metrics import Metric, MetricResult
from ganzoo.evaluation.protocol import define
from ganzoo.evaluation.rows import MODEL, Row
from ganzoo.registry import METRICS
from ganzoo.runs.fingerprint import fingerprint
from ganzoo.runs.schema import Confusion, MetricInfo, SourceTargetAccuracy

OWN_COLUMNS = ("source_index", "source", "target")
"""Columns that the table of faces has before any metric's."""
_SHARED = (Row, Dataset, Split, Faces, Pool, Grid)

Record = TypeVar("Record", bound=BaseModel)
State = dict[tuple[object, ...], tuple[object, int]]
"""Where in the context -> the object and, of a tensor, how often it was written to."""


class UnfitError(GanzooError):
    """A metric is, or gave, something that cannot be a score's."""


def check_metric(metric: object) -> Metric:
    """A metric that says rightly what it is.

    Raises:
        UnfitError: What is wrong with it.
    """
    if not isinstance(metric, Metric):
        raise UnfitError(f"what is registered makes a {type(metric).__name__}, not a Metric")
    info, needs = getattr(metric, "info", None), metric.needs
    if not isinstance(info, MetricInfo):
        raise UnfitError(f"its info must be a MetricInfo, not {reprlib.repr(info)}")
    if not isinstance(needs, Set) or not all(isinstance(need, str) for need in needs):
        raise UnfitError(f"its needs must be a frozenset of words, not {reprlib.repr(needs)}")
    for name in sorted(need.removeprefix("features:") for need in needs if need.startswith("features:")):
        if name not in BACKBONES and ":" not in name:  # of a module:Class it is told when it is asked for
            raise UnfitError(f"it needs the backbone '{name}'; there are {', '.join(BACKBONES.names())}")
    if type(metric.version) is not int:
        raise UnfitError(f"its version must be a whole number, not {reprlib.repr(metric.version)}")
    if type(metric.macro) is not bool:
        raise UnfitError(f"its macro must be True or False, not {reprlib.repr(metric.macro)}")
    try:
        fingerprint(define(metric).parameters)
    except BaseException as error:
        if is_interrupt(error):
            raise
        raise UnfitError(f"its parameters() must give plain JSON: {in_one_line(error)}") from error
    return metric


def check_reason(reason: object) -> str:
    """Why a metric is not applicable, in words.

    Raises:
        UnfitError: They are none.
    """
    if not isinstance(reason, str):
        raise UnfitError(f"applicable() gave a {type(reason).__name__}, not words or None")
    return reason


def check_result(name: str, result: object, context: EvaluationContext, row: Row, others: Mapping[str, object]) -> MetricResult:
    """What a metric says of a row, as plain finite numbers; of a control's row its value alone.

    Args:
        name: The metric.
        result: What it gave.
        context: What it was given.
        row: The row.
        others: Metric -> outcome of those computed before on this row.

    Raises:
        UnfitError: Something is no finite number, does not fit the faces, or bears a name that is taken.
    """
    if not isinstance(result, MetricResult):
        raise UnfitError(f"it gave a {type(result).__name__}, not a MetricResult")
    value = None if result.value is None else _number("its value", result.value)
    if row.name != MODEL:
        return MetricResult(value)
    checked = MetricResult(
        value,
        per_class=_numbers("per_class", result.per_class),
        per_judge=_numbers("per_judge", result.per_judge),
        details=_details(result.details),
        confusion=_record(Confusion, result.confusion),
        source_target=_record(SourceTargetAccuracy, result.source_target),
        per_pair=_columns("per_pair", result.per_pair, len(context.grid)),
        per_source=_columns("per_source", result.per_source, len(context.source_index)),
    )
    if strange := checked.per_class.keys() - set(range(context.num_classes)):
        raise UnfitError(f"per_class has {reprlib.repr(min(strange, key=str))}, which is no class")
    _check_names(name, checked, {other: given for other, given in others.items() if isinstance(given, MetricResult)})
    return checked


def _check_names(name: str, result: MetricResult, others: Mapping[str, MetricResult]) -> None:
    owners = dict.fromkeys((("column", column) for column in OWN_COLUMNS), "the table of faces")
    owners |= {("column", other): f"'{other}'" for other in METRICS.names() if other != name}
    owners |= {entry: f"'{other}'" for other, given in others.items() for entry in _entries(given)}
    for what, entry in _entries(result):
        if owner := owners.get((what, entry)):
            raise UnfitError(f"its {what} '{entry}' has the name of one of {owner}; give it another")


def _entries(result: MetricResult) -> Iterator[tuple[str, str]]:
    yield from (("column", entry) for entry in (*result.per_pair, *result.per_source))
    yield from (("detail", entry) for entry in result.details)
    yield from (("judge", entry) for entry in result.per_judge)


def _number(what: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, str | bytes) else float(value)  # also numbers of NumPy and PyTorch
    except (TypeError, ValueError, OverflowError, RuntimeError):
        number = math.nan
    if not math.isfinite(number):
        raise UnfitError(f"{what} is {reprlib.repr(value)}, not a finite number")
    return number


def _numbers(what: str, values: Mapping[Any, Any]) -> dict[Any, float]:
    return {key: _number(f"{what} of {key!r}", value) for key, value in _mapping(what, values).items()}


def _details(values: Mapping[str, float | None]) -> dict[str, float | None]:
    found = _mapping("details", values)
    return {key: None if value is None else _number(f"details of {key!r}", value) for key, value in found.items()}


def _mapping(what: str, values: object) -> Mapping[Any, Any]:
    if not isinstance(values, Mapping):
        raise UnfitError(f"{what} must be a mapping, not a {type(values).__name__}")
    if what != "per_class" and not all(isinstance(key, str) for key in values):
        raise UnfitError(f"the keys of {what} must be words")
    return values


def _record(kind: type[Record], value: object) -> Record | None:
    if value is None:
        return None
    if not isinstance(value, kind):
        raise UnfitError(f"it gave a {type(value).__name__} where a {kind.__name__} is asked for")
    try:
        plain = json.dumps(value.model_dump(mode="json"), allow_nan=False)
        return kind.model_validate_json(plain)
    except ValueError as error:
        raise UnfitError(f"its {kind.__name__} is not plain finite JSON: {in_one_line(error)}") from error


def _columns(what: str, columns: Mapping[str, Tensor], size: int) -> dict[str, Tensor]:
    return {name: _column(name, values, size) for name, values in _mapping(what, columns).items()}


def _column(name: str, values: object, size: int) -> Tensor:
    """A copy, int64 or float, in which NaN stands for what is missing."""
    if not isinstance(values, Tensor):
        raise UnfitError(f"column '{name}' is a {type(values).__name__}, not a tensor")
    if values.dim() != 1:
        raise UnfitError(f"column '{name}' has {values.dim()} dimensions, not 1")
    if len(values) != size:
        raise UnfitError(f"column '{name}' has {len(values)} entries where {size} faces are scored")
    if values.dtype.is_complex or values.layout is not torch.strided:
        raise UnfitError(f"column '{name}' holds {values.dtype}, {values.layout}: not plain numbers")
    kind = torch.promote_types(values.dtype, torch.float32 if values.is_floating_point() else torch.int64)
    plain = values.detach().cpu().to(kind, copy=True)
    if bool(plain.isinf().any()):
        raise UnfitError(f"column '{name}' holds infinity")
    return torch.from_numpy(np.array(plain.numpy()))


def shared_state(context: EvaluationContext) -> State:
    """What metrics share, as it is now."""
    return dict(_state((), context))


def find_change(before: State, context: EvaluationContext) -> str | None:
    """Where something that metrics share is no longer what it was, such as ``grid.target``; what was made since is no change."""
    after, changed = shared_state(context), list[str]()
    for place, (value, written) in before.items():
        found, times = after.get(place, (None, -1))
        if found is not value or times != written:
            changed.append(".".join(map(str, place)))
    return min(changed, key=len, default=None)  # the plainest of its names


def _state(place: tuple[object, ...], value: object) -> Iterator[tuple[tuple[object, ...], tuple[object, int]]]:
    if isinstance(value, EvaluationContext) and place:
        return  # rows know their context
    if place:
        yield place, (value, value._version if isinstance(value, Tensor) and not value.is_inference() else 0)
    parts: Mapping[Any, object] = {}
    if isinstance(value, (EvaluationContext, *_SHARED)):
        parts = vars(value)
    elif isinstance(value, Mapping):
        parts = value
    elif isinstance(value, tuple):
        parts = dict(enumerate(value))
    for key, part in parts.items():
        yield from _state((*place, key), part)
