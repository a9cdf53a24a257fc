"""What the page says of every table: plain data that the template lays out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from ganzoo.compare.collect import Collection
from ganzoo.compare.costs import MISSING
from ganzoo.compare.groups import ScoredRun, is_number, plain
from ganzoo.compare.report.charts import Curves, Scatter, accuracy_identity, learning_curves, tint_of
from ganzoo.compare.report.pictures import FACES_BYTES, FILMS_BYTES, Budget, Films, Wall, picture_wall, training_films
from ganzoo.compare.tables import Cell, Row, Table
from ganzoo.errors import GanzooError
from ganzoo.reproduction import Reproduction, reproduce

ROWS_AT_ONCE = 40
"""Rows of a ranking that are shown before one asks for all."""
DETAILED = 60
"""Models of a table that are on the page with more than their scores and costs."""


@dataclass(frozen=True)
class Matrix:
    """A small table: models × columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Heat:
    """A confusion matrix in percent of each target."""

    label: str
    class_names: tuple[str, ...]
    percents: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Origin:
    """Where a row comes from.

    Attributes:
        label: The row.
        reproduction: The command that makes it again, or why there is none.
        runs: Its runs: the run, its folder under the results, and its ``run.json`` as text.
    """

    label: str
    reproduction: Reproduction | str
    runs: tuple[tuple[ScoredRun, str, str], ...]

    @property
    def typed(self) -> list[str]:
        """The command lines as they were typed."""
        return list(dict.fromkeys(plain(run.info.environment.command) for run, _, _ in self.runs))


@dataclass(frozen=True)
class Section:
    """Everything that the page shows of one table.

    Attributes:
        table: Its scores.
        rows: Its models: those on the Pareto front first, then by expression accuracy.
    """

    table: Table
    rows: tuple[Row, ...]
    scatter: Scatter | None
    wall: Wall | None
    films: Films
    heats: tuple[Heat, ...]
    per_class: tuple[Matrix, ...]
    further: tuple[Matrix, ...]
    curves: Curves | None
    origins: tuple[Origin, ...]

    @property
    def slug(self) -> str:
        """Prefix of the section's anchors."""
        return self.table.group.slug

    @property
    def not_detailed(self) -> int:
        """Number of models that only the ranking shows."""
        return max(0, len(self.rows) - DETAILED)

    @property
    def run_count(self) -> int:
        """Number of runs in the table."""
        return len(self.table.group.runs)

    def mean(self, cell: Cell) -> float:
        """The number that a cell sorts by."""
        return fmean(cell.values)

    def tint(self, label: str) -> int:
        """Colour of a model."""
        return tint_of(self.table, label)[0]


def build_section(collection: Collection, table: Table, share: float = 1.0) -> Section:
    """Gathers what the page shows of one table; its pictures take at most ``share`` of the room for pictures."""
    rows = tuple(sorted(table.models, key=lambda row: (not row.on_front, *_by_accuracy(table, row))))
    labels = [row.label for row in rows]
    detailed = labels[:DETAILED]
    return Section(
        table=table,
        rows=rows,
        scatter=accuracy_identity(table),
        wall=picture_wall(table, detailed, Budget(int(share * FACES_BYTES))),
        films=training_films(table, detailed, Budget(int(share * FILMS_BYTES))),
        heats=tuple(_heats(table, detailed)),
        per_class=tuple(_per_class(table, detailed)),
        further=tuple(_further(table, detailed)),
        curves=learning_curves(table, labels),
        origins=tuple(_origin(collection, table, label) for label in detailed),
    )


def _by_accuracy(table: Table, row: Row) -> tuple[bool, float, str]:
    at = next((at for at, column in enumerate(table.columns) if column.metric == "acc"), None)
    values = row.cells[at].values if at is not None else ()
    return not values, -fmean(values) if values else 0.0, row.label


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if is_number(value)]
    return fmean(numbers) if numbers else None


def _heats(table: Table, labels: Sequence[str]) -> Iterator[Heat]:
    for label in labels:
        confusion = table.group.confusion(label)
        if confusion:
            percents = tuple(tuple(round(100 * count / max(1, sum(row))) for count in row) for row in confusion.counts)
            yield Heat(label, tuple(confusion.class_names), percents)


def _per_class(table: Table, labels: Sequence[str]) -> Iterator[Matrix]:
    """One small table for every metric that is known by target class."""
    for column in table.columns:
        runs = [run for label in labels for run in table.group.of(label)]
        classes = dict.fromkeys(name for run in runs for name in run.metrics.per_class.get(column.metric, {}))
        if classes:
            yield _matrix(table, labels, column.heading, [*classes], _of_class(column.metric), column.decimals)


def _of_class(metric: str) -> Callable[[ScoredRun, str], float | None]:
    return lambda run, name: run.metrics.per_class.get(metric, {}).get(name)


def _further(table: Table, labels: Sequence[str]) -> Iterator[Matrix]:
    """Each judge alone, and further values that a metric keeps."""
    runs = [run for label in labels for run in table.group.of(label)]
    judges = dict.fromkeys(name for run in runs for name in run.metrics.per_judge)
    if judges:
        yield _matrix(table, labels, "Accuracy by each judge alone", [*judges], lambda run, name: run.metrics.per_judge.get(name))
    details = dict.fromkeys(name for run in runs for name in run.metrics.details)
    if details:
        yield _matrix(table, labels, "Further values", [*details], lambda run, name: run.metrics.details.get(name))


def _matrix(
    table: Table,
    labels: Sequence[str],
    title: str,
    columns: Sequence[str],
    value: Callable[[ScoredRun, str], float | None],
    decimals: int = 3,
) -> Matrix:
    rows = []
    for label in labels:
        means = [_mean([value(run, name) for run in table.group.of(label)]) for name in columns]
        if any(mean is not None for mean in means):
            rows.append((label, tuple(MISSING if mean is None else f"{mean:.{decimals}f}" for mean in means)))
    return Matrix(title, tuple(map(plain, columns)), tuple(rows))


def _origin(collection: Collection, table: Table, label: str) -> Origin:
    runs = table.group.of(label)
    try:
        made: Reproduction | str = reproduce(runs[0].folder, runs[0].info, [run.info.seed for run in runs])
    except GanzooError as error:
        made = plain(error)
    return Origin(label, made, tuple((run, *_facts(collection, run)) for run in runs))


def _facts(collection: Collection, run: ScoredRun) -> tuple[str, str]:
    folder = run.folder.path.relative_to(collection.results).as_posix()
    record = json.dumps(run.info.model_dump(mode="json"), indent=1, ensure_ascii=False)
    return plain(folder), record
