"""Comparison tables as plain data: means over seeds, best values, controls, footnotes. ``rendering`` shows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from ganzoo.compare.costs import MISSING, Amount, costs
from ganzoo.compare.doubts import clearly_beats, doubts
from ganzoo.compare.groups import SHORT, Group, ScoredRun, is_number, plain
from ganzoo.compare.remarks import remarks
from ganzoo.compare.statistics import Scores, Statistics, compare_rows
from ganzoo.runs.schema import MetricInfo

ARROWS = {"lower": "↓", "higher": "↑", "none": ""}
CONTROL_ORDER = ("real", "no-edit", "nearest-real", "oracle")
NOT_DISCRIMINATING = "†"


@dataclass(frozen=True)
class Column:
    """One metric of a table.

    Attributes:
        metric: Its name in ``metrics.json``.
        info: What it is.
        decimals: Digits shown behind the point.
        discriminating: False where no model beats the control that a working model must beat.
    """

    metric: str
    info: MetricInfo
    decimals: int
    discriminating: bool = True

    @property
    def heading(self) -> str:
        """Label, direction and mark, such as ``FID ↓``."""
        mark = "" if self.discriminating else NOT_DISCRIMINATING
        return " ".join(part for part in (plain(self.info.label) + mark, ARROWS[self.info.direction]) if part)


@dataclass(frozen=True)
class Cell:
    """Scores of one row on one metric.

    Attributes:
        values: One value per seed that has one.
        text: The mean, or ``–``.
        spread: ``min–max`` over several seeds; of one seed its ``[low–high]`` over source images; else empty.
        best: Whether it is the best of the column at the shown precision.
        mark: Footnote mark, or empty.
        rank: Ranks that the row may hold and the letters of its ties, such as ``1–2 AB``; empty where nothing was tested.
    """

    values: tuple[float, ...]
    text: str
    spread: str = ""
    best: bool = False
    mark: str = ""
    rank: str = ""


@dataclass(frozen=True)
class Row:
    """A recipe (over its seeds) or a control.

    Attributes:
        label: What it is called.
        seeds: Number of its runs; 0 for a control.
        cells: One for each column.
        may_rank: Whether it stands in the order at all.
        cost: What it took.
        on_front: Whether it is on the table's Pareto front.
        doubted: Metrics whose values are not to be believed; a footnote says why.
    """

    label: str
    seeds: int
    cells: tuple[Cell, ...]
    may_rank: bool
    cost: tuple[Amount, ...] = ()
    on_front: bool = False
    doubted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Table:
    """Everything that may be ranked together.

    Attributes:
        group: The runs it was made from.
        title: Data set and protocol.
        columns: The metrics.
        models: One row per recipe, by name.
        controls: One row per control, means over the runs.
        footnotes: (mark, text).
        remarks: Sentences below the table: how many seeds and images, how sure it is, how it differs from its siblings.
        statistics: What the seeds allow to be said: tests, ranks, ties, Pareto front.
    """

    group: Group
    title: str
    columns: tuple[Column, ...]
    models: tuple[Row, ...]
    controls: tuple[Row, ...]
    footnotes: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    statistics: Statistics


def build_table(group: Group, *, all_metrics: bool = False, statistics: Statistics | None = None) -> Table:
    """Aggregates the runs of one group over their seeds.

    Args:
        group: Runs of one data set and protocol.
        all_metrics: Whether metrics that are no headlines have columns as well.
        statistics: Those of the group, where they are known already.

    Returns:
        The table; means over seeds with min–max, the best of every ranked metric marked (ties at the shown precision alike).
    """
    shown = {metric: info for metric, info in group.metric_info.items() if all_metrics or info.headline}
    columns = tuple(_column(group, metric, info) for metric, info in shown.items())
    footnotes: dict[str, str] = {}
    floors = _floors(group)
    doubted = _doubted(group, floors)
    models = tuple(_model_row(group.of(label), label, columns, footnotes, doubted[label]) for label in group.labels)
    controls = tuple(_control_row(group, name, columns) for name in control_names(group))
    tells = [_discriminates(at, column, models, floors.get(column.metric)) for at, column in enumerate(columns)]
    columns = tuple(replace(column, discriminating=told) for column, told in zip(columns, tells, strict=True))
    marks = [(mark, text) for text, mark in footnotes.items()]
    silent = [f"{plain(column.info.label)} ({column.info.beats})" for column in columns if not column.discriminating]
    if silent:
        marks.append((NOT_DISCRIMINATING, f"Not discriminating here, no model beats the control: {', '.join(silent)}."))
    statistics = statistics or _statistics(group, columns, models, doubted, floors)
    models = _with_ranks(columns, _with_best(columns, models), statistics)
    has_best = any(cell.best for row in models for cell in row.cells)
    split = group.runs[0].metrics.protocol.get("sources", {}).get("split", "test")
    part = "" if split == "test" else f" · scored on {plain(str(split))}"
    part += "" if group.runs[0].metrics.protocol.get("precision") != "bf16" else " · scored in bf16"
    title = f"{group.data}{part} · protocol {group.protocol[:SHORT]}"
    said = remarks(group, statistics, has_best=has_best)
    return Table(group, title, columns, models, controls, tuple(marks), tuple(said), statistics)


def control_names(group: Group) -> list[str]:
    """Controls that any run of the group has, the known ones first."""
    found = dict.fromkeys(name for run in group.runs for name in run.metrics.controls)
    return sorted(found, key=lambda name: (CONTROL_ORDER.index(name) if name in CONTROL_ORDER else len(CONTROL_ORDER), name))


def control_mean(group: Group, control: str, metric: str) -> float | None:
    """Mean of a control over the runs that have it."""
    values = [run.metrics.controls.get(control, {}).get(metric) for run in group.runs]
    numbers = [value for value in values if is_number(value)]
    return fmean(numbers) if numbers else None


def _floors(group: Group) -> dict[str, float]:
    """Metric -> what the control scores that a working model must beat, where there is one."""
    controls = {metric: info.beats for metric, info in group.metric_info.items() if info.beats and info.direction != "none"}
    means = {metric: control_mean(group, control, metric) for metric, control in controls.items()}
    return {metric: mean for metric, mean in means.items() if mean is not None}


def _doubted(group: Group, floors: Mapping[str, float]) -> dict[str, dict[str, str]]:
    """Row -> metric -> why its value is not to be believed."""
    scores = {
        name: {metric: mean for metric in group.metric_info if (mean := control_mean(group, name, metric)) is not None}
        for name in control_names(group)
    }
    return {label: doubts(group, label, floors, scores) for label in group.labels}


def _column(group: Group, metric: str, info: MetricInfo) -> Column:
    values = [abs(value) for run in group.runs if is_number(value := run.metrics.metrics.get(metric))]
    return Column(metric, info, _decimals(metric, max(values, default=1.0)))


def _decimals(metric: str, largest: float) -> int:
    """Digits that still mean something: a grey level is 0.004, a share of a few thousand images about 0.001."""
    if metric.startswith("l1_"):
        return 4
    if metric.startswith("acc"):
        return 3
    return next((digits for bound, digits in ((100, 1), (1, 2), (0.1, 3)) if largest >= bound), 4)


def _model_row(
    runs: Sequence[ScoredRun], label: str, columns: Sequence[Column], footnotes: dict[str, str], doubted: Mapping[str, str]
) -> Row:
    cells = []
    for column in columns:
        values = [value for run in runs if is_number(value := run.metrics.metrics.get(column.metric))]
        mark = ""
        if not values:
            reasons = [run.metrics.reasons.get(column.metric) for run in runs]
            reason = next((plain(reason) for reason in reasons if reason), "not reported")
            mark = _mark(footnotes, f"{plain(column.info.label)}: {reason}")
        elif len(values) < len(runs):
            mark = _mark(footnotes, f"{plain(column.info.label)}: {len(values)} of {len(runs)} seeds have a value")
        if column.metric in doubted:
            mark += _mark(footnotes, f"{plain(column.info.label)} of {label} in doubt: {doubted[column.metric]}")
        interval = runs[0].metrics.intervals.get(column.metric) if len(runs) == 1 else None
        cells.append(_cell(values, column.decimals, mark, interval))
    return Row(label, len(runs), tuple(cells), all(run.may_rank for run in runs), costs(runs), doubted=frozenset(doubted))


def _mark(footnotes: dict[str, str], text: str) -> str:
    """The footnote's letter: a, b, ..., z, aa, ab, ..."""
    if text not in footnotes:
        high, low = divmod(len(footnotes), 26)
        footnotes[text] = (chr(ord("a") + high - 1) if high else "") + chr(ord("a") + low)
    return footnotes[text]


def _cell(values: Sequence[float], decimals: int, mark: str = "", interval: tuple[float, float] | None = None) -> Cell:
    if not values:
        return Cell((), MISSING, mark=mark)
    spread = f"{min(values):.{decimals}f}–{max(values):.{decimals}f}" if len(values) > 1 else ""
    spread = f"[{interval[0]:.{decimals}f}–{interval[1]:.{decimals}f}]" if interval else spread
    return Cell(tuple(values), f"{fmean(values):.{decimals}f}", spread, mark=mark)


def _control_row(group: Group, name: str, columns: Sequence[Column]) -> Row:
    means = [control_mean(group, name, column.metric) for column in columns]
    cells = [_cell([mean] if mean is not None else [], column.decimals) for mean, column in zip(means, columns, strict=True)]
    return Row(plain(name), 0, tuple(cells), may_rank=False)


def _discriminates(at: int, column: Column, models: Sequence[Row], floor: float | None) -> bool:
    """Whether some model's mean beats the named control; True where there is nothing to compare."""
    means = [fmean(row.cells[at].values) for row in models if row.cells[at].values]
    if floor is None or not means or column.info.direction == "none":
        return True
    return any(column.info.is_better(mean, floor) for mean in means)


def _statistics(
    group: Group,
    columns: Sequence[Column],
    models: Sequence[Row],
    doubted: Mapping[str, Collection[str]],
    floors: Mapping[str, float],
) -> Statistics:
    """Compares the rows that may rank."""
    rivals = [row for row in models if row.may_rank]
    scores = []
    for at, column in enumerate(columns):
        values = {row.label: row.cells[at].values for row in rivals if row.cells[at].values}
        floor = floors.get(column.metric)
        unproven = [label for label in values if floor is not None and not clearly_beats(group, label, column.metric, floor)]
        doubtful = [label for label in values if column.metric in doubted[label]]
        scores.append(Scores(column.metric, column.info, values, unproven, doubtful, column.discriminating))
    return compare_rows(scores)


def _with_ranks(columns: Sequence[Column], models: Sequence[Row], statistics: Statistics) -> tuple[Row, ...]:
    """Writes ranks and ties into the cells, and marks the rows on the front."""
    front = statistics.pareto.rows if statistics.pareto else ()
    ranked = []
    for row in models:
        ranks = [_rank_text(statistics, column.metric, row.label) for column in columns]
        cells = tuple(replace(cell, rank=rank) for cell, rank in zip(row.cells, ranks, strict=True))
        ranked.append(replace(row, cells=cells, on_front=row.label in front))
    return tuple(ranked)


def _rank_text(statistics: Statistics, metric: str, label: str) -> str:
    ranking = statistics.rankings.get(metric)
    if ranking is None or label not in ranking.ranks:
        return ""
    low, high = ranking.ranks[label]
    return f"{low if low == high else f'{low}–{high}'} {ranking.ties[label]}"


def _with_best(columns: Sequence[Column], models: Sequence[Row]) -> tuple[Row, ...]:
    """Marks the best of each ranked column. One model alone, or a metric that tells nothing, has no winner."""
    cells = [list(row.cells) for row in models]
    for at, column in enumerate(columns):
        rivals = [n for n, row in enumerate(models) if row.may_rank and row.cells[at].values and column.metric not in row.doubted]
        if len(rivals) < 2 or not column.info.ranked or column.info.direction == "none" or not column.discriminating:
            continue
        shown = {n: float(cells[n][at].text) for n in rivals}
        best = max(shown.values()) if column.info.direction == "higher" else min(shown.values())
        for n in rivals:
            cells[n][at] = replace(cells[n][at], best=shown[n] == best)
    return tuple(replace(row, cells=tuple(row_cells)) for row, row_cells in zip(models, cells, strict=True))


def metric_means(table: Table, metric: str) -> Mapping[str, tuple[float, ...]]:
    """Row label -> the seeds' values of one metric, for rows that have any."""
    at = next((at for at, column in enumerate(table.columns) if column.metric == metric), None)
    return {} if at is None else {row.label: row.cells[at].values for row in table.models if row.cells[at].values}
