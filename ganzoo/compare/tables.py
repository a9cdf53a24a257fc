"""Comparison tables as plain data: means over seeds, best values, controls, footnotes. ``rendering`` shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import pandas as pd

from ganzoo.compare.groups import SHORT, Group, ScoredRun, is_number, plain, recipe_differences
from ganzoo.runs.schema import MetricInfo

ARROWS = {"lower": "↓", "higher": "↑", "none": ""}
CONTROL_ORDER = ("real", "no-edit", "nearest-real", "oracle")
NOT_DISCRIMINATING = "†"
MISSING = "–"
LONGEST_LIST = 4
"""Differences of settings that a remark names."""
COST_HEADINGS = ("preset", "params", "MACs", "time", "images/s", "updates", "images", "epochs")
COST_LEGEND = "Mean over seeds; parameters and multiply-accumulates per image of the generator, training time, generator updates"


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
        spread: ``min–max`` over several seeds, else empty.
        best: Whether it is the best of the column at the shown precision.
        mark: Footnote mark, or empty.
    """

    values: tuple[float, ...]
    text: str
    spread: str = ""
    best: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Row:
    """A recipe (over its seeds) or a control."""

    label: str
    seeds: int
    cells: tuple[Cell, ...]
    may_rank: bool
    cost: tuple[str, ...] = ()


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
        remarks: Sentences below the table: how many seeds and images, how to read it, how it differs from its siblings.
    """

    group: Group
    title: str
    columns: tuple[Column, ...]
    models: tuple[Row, ...]
    controls: tuple[Row, ...]
    footnotes: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]


def build_table(group: Group, *, all_metrics: bool = False) -> Table:
    """Aggregates the runs of one group over their seeds.

    Args:
        group: Runs of one data set and protocol.
        all_metrics: Whether metrics that are no headlines have columns as well.

    Returns:
        The table; means over seeds with min–max, the best of every ranked metric marked (ties at the shown precision alike).
    """
    shown = {metric: info for metric, info in group.metric_info.items() if all_metrics or info.headline}
    columns = tuple(_column(group, metric, info) for metric, info in shown.items())
    footnotes: dict[str, str] = {}
    models = tuple(_model_row(group.of(label), label, columns, footnotes) for label in group.labels)
    controls = tuple(_control_row(group, name, columns) for name in control_names(group))
    tells = [_discriminates(at, column, models, controls) for at, column in enumerate(columns)]
    columns = tuple(replace(column, discriminating=told) for column, told in zip(columns, tells, strict=True))
    marks = [(mark, text) for text, mark in footnotes.items()]
    silent = [f"{plain(column.info.label)} ({column.info.beats})" for column in columns if not column.discriminating]
    if silent:
        marks.append((NOT_DISCRIMINATING, f"Not discriminating here, no model beats the control: {', '.join(silent)}."))
    models = _with_best(columns, models)
    title = f"{group.data} · protocol {group.protocol[:SHORT]}"
    return Table(group, title, columns, models, controls, tuple(marks), tuple(_remarks(group, models)))


def control_names(group: Group) -> list[str]:
    """Controls that any run of the group has, the known ones first."""
    found = dict.fromkeys(name for run in group.runs for name in run.metrics.controls)
    return sorted(found, key=lambda name: (CONTROL_ORDER.index(name) if name in CONTROL_ORDER else len(CONTROL_ORDER), name))


def control_mean(group: Group, control: str, metric: str) -> float | None:
    """Mean of a control over the runs that have it."""
    values = [run.metrics.controls.get(control, {}).get(metric) for run in group.runs]
    numbers = [value for value in values if is_number(value)]
    return fmean(numbers) if numbers else None


def to_frame(tables: Iterable[Table]) -> pd.DataFrame:
    """All tables as one tidy DataFrame: one row per (table, row, metric) with mean, min, max and number of seeds."""
    records = []
    for table in tables:
        for row in (*table.models, *table.controls):
            for column, cell in zip(table.columns, row.cells, strict=True):
                values = cell.values
                numbers = (fmean(values), min(values), max(values)) if values else (None, None, None)
                kind = "model" if row in table.models else "control"
                place = (table.group.data, table.group.protocol, kind, row.label, column.metric, column.info.direction)
                records.append((*place, *numbers, len(values), cell.best, column.discriminating))
    names = ["data", "protocol", "kind", "label", "metric", "direction", "mean", "min", "max", "n", "best", "discriminating"]
    return pd.DataFrame(records, columns=names).astype({"mean": "float64", "min": "float64", "max": "float64"})


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


def _model_row(runs: Sequence[ScoredRun], label: str, columns: Sequence[Column], footnotes: dict[str, str]) -> Row:
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
        cells.append(_cell(values, column.decimals, mark))
    return Row(label, len(runs), tuple(cells), all(run.may_rank for run in runs), _cost(runs))


def _mark(footnotes: dict[str, str], text: str) -> str:
    """The footnote's letter: a, b, ..., z, aa, ab, ..."""
    if text not in footnotes:
        high, low = divmod(len(footnotes), 26)
        footnotes[text] = (chr(ord("a") + high - 1) if high else "") + chr(ord("a") + low)
    return footnotes[text]


def _cell(values: Sequence[float], decimals: int, mark: str = "") -> Cell:
    if not values:
        return Cell((), MISSING, mark=mark)
    spread = f"{min(values):.{decimals}f}–{max(values):.{decimals}f}" if len(values) > 1 else ""
    return Cell(tuple(values), f"{fmean(values):.{decimals}f}", spread, mark=mark)


def _control_row(group: Group, name: str, columns: Sequence[Column]) -> Row:
    means = [control_mean(group, name, column.metric) for column in columns]
    cells = [_cell([mean] if mean is not None else [], column.decimals) for mean, column in zip(means, columns, strict=True)]
    return Row(plain(name), 0, tuple(cells), may_rank=False)


def _discriminates(at: int, column: Column, models: Sequence[Row], controls: Sequence[Row]) -> bool:
    """Whether some model's mean beats the named control; True where there is nothing to compare."""
    floor = next((row.cells[at].values for row in controls if row.label == column.info.beats), ())
    means = [fmean(row.cells[at].values) for row in models if row.cells[at].values]
    if not floor or not means or column.info.direction == "none":
        return True
    return max(means) > floor[0] if column.info.direction == "higher" else min(means) < floor[0]


def _with_best(columns: Sequence[Column], models: Sequence[Row]) -> tuple[Row, ...]:
    """Marks the best of each ranked column. One model alone, or a metric that tells nothing, has no winner."""
    cells = [list(row.cells) for row in models]
    for at, column in enumerate(columns):
        rivals = [n for n, row in enumerate(models) if row.may_rank and row.cells[at].values]
        if len(rivals) < 2 or not column.info.ranked or column.info.direction == "none" or not column.discriminating:
            continue
        shown = {n: float(cells[n][at].text) for n in rivals}
        best = max(shown.values()) if column.info.direction == "higher" else min(shown.values())
        for n in rivals:
            cells[n][at] = replace(cells[n][at], best=shown[n] == best)
    return tuple(replace(row, cells=tuple(row_cells)) for row, row_cells in zip(models, cells, strict=True))


def _remarks(group: Group, models: Sequence[Row]) -> list[str]:
    seeds = sorted({len(group.of(label)) for label in group.labels})
    alone = "One seed each: the spread over seeds is unknown"
    several = f"Mean over seeds, min–max below (n = {_span(seeds)})" if seeds[-1] > 1 else alone
    sizes = sorted({(run.metrics.sources, run.metrics.translations) for run in group.runs})
    images = " or ".join(f"{translations:,} translations of {sources:,} sources" for sources, translations in sizes)
    has_best = any(cell.best for row in models for cell in row.cells)
    bold = " Bold: best mean at this precision, no claim of significance." if has_best else ""
    remarks = [f"{several}; {images} per run.{bold}"]
    remarks += dict.fromkeys(plain(run.metrics.judge_note) for run in group.runs if run.metrics.judge_note)
    unranked = [label for label in group.labels if not all(run.may_rank for run in group.of(label))]
    remarks += [f"Shown but not ranked, because the run did not end as meant: {', '.join(unranked)}."] if unranked else []
    remarks += _variants(group)
    if group.differences:
        fields = "; ".join(f"{name} ({there} there, {here} here)" for name, (there, here) in group.differences.items())
        remarks.append(f"Not comparable with the first {group.data} table. What differs: {fields}.")
    return remarks


def _variants(group: Group) -> Iterable[str]:
    """In which settings rows of one recipe differ that only a fingerprint tells apart; nothing where that is unknown."""
    first_of: dict[str, ScoredRun] = {}
    told: set[str] = set()
    for run in group.runs:
        first = first_of.setdefault(run.info.recipe, run)
        if run.info.fingerprint in (first.info.fingerprint, *told):
            continue
        told.add(run.info.fingerprint)
        changes = recipe_differences(first, run)
        if changes:
            more = f"; and {len(changes) - LONGEST_LIST} more" if len(changes) > LONGEST_LIST else ""
            yield f"{run.label} is not {first.label}: {'; '.join(changes[:LONGEST_LIST])}{more}."


def _span(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}–{numbers[-1]}"


def _cost(runs: Sequence[ScoredRun]) -> tuple[str, ...]:
    """What a row cost, means over its seeds, in the order of ``COST_HEADINGS``."""
    infos = [run.info for run in runs]
    parameters = [count for info in infos if (count := info.parameters.get("generator")) is not None]
    macs = [info.macs_per_image for info in infos if info.macs_per_image is not None]
    rates = [info.progress.images_per_second for info in infos]
    return (
        " / ".join(dict.fromkeys(plain(info.preset) if info.preset else MISSING for info in infos)),
        _scaled(fmean(parameters)) if parameters else MISSING,
        _scaled(fmean(macs)) if macs else MISSING,
        _duration(fmean(info.progress.train_seconds for info in infos)),
        f"{fmean(rates):,.0f}" if fmean(rates) >= 10 else f"{fmean(rates):.1f}",
        f"{fmean(info.progress.generator_updates for info in infos):,.0f}",
        f"{fmean(info.progress.images_seen for info in infos):,.0f}",
        f"{fmean(info.progress.epochs for info in infos):.4g}",
    )


def _scaled(number: float) -> str:
    """Three digits with k, M or G."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.0f}"


def _duration(seconds: float) -> str:
    """Hours, minutes and seconds as ``h:mm:ss``, hours only where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def metric_means(table: Table, metric: str) -> Mapping[str, tuple[float, ...]]:
    """Row label -> the seeds' values of one metric, for rows that have any."""
    at = next((at for at, column in enumerate(table.columns) if column.metric == metric), None)
    return {} if at is None else {row.label: row.cells[at].values for row in table.models if row.cells[at].values}
