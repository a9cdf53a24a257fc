"""Puts the runs of a results folder side by side: tables, files and figures from one call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ganzoo.compare.collect import Collection, Problem, collect
from ganzoo.compare.frames import pairs_frame, to_csv, to_frame
from ganzoo.compare.rendering import show, to_latex, to_markdown
from ganzoo.compare.tables import Table, build_table
from ganzoo.errors import GanzooError
from ganzoo.fonts import fonts_for
from ganzoo.runs.writing import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console

FOLDER = "comparison"
"""Default output folder under the results. It never holds a ``run.json``, so it is never taken for a run."""


@dataclass(frozen=True)
class Comparison:
    """What ``compare_runs`` found and wrote.

    Attributes:
        runs: One row per (run, metric), with what each run cost.
        summary: One row per (table, recipe or control, metric): mean, min, max, number of seeds, ranks, ties, front.
        tables: One per data set and protocol; only rows of one table may be ranked against each other.
        problems: Runs that could not be read, have no scores, or did not finish.
        notes: What a figure leaves out, and why.
        folder: Where the files lie.
        files: Every file written.
    """

    runs: pd.DataFrame
    summary: pd.DataFrame
    tables: tuple[Table, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    folder: Path
    files: tuple[Path, ...]


def compare_runs(
    results: Path,
    out: Path | None = None,
    *,
    figures: bool = True,
    html: Path | None = None,
    all_metrics: bool = False,
    console: Console | None = None,
) -> Comparison:
    """Compares every run under ``results`` and writes tables and figures.

    Writes ``runs.csv``, ``comparison.csv``, ``pairs.csv``, ``comparison.md``, ``comparison.tex`` and, per table, the figures
    ``<data>_metrics``, ``_accuracy_identity``, ``_confusion``, ``_learning_curves``, ``_edit_locality`` and ``_contact_sheet``
    as PNG and SVG.

    Args:
        results: Folder with run folders at any depth, committed references under ``reference/`` included.
        out: Where to write; ``results/comparison`` by default.
        figures: Whether to draw.
        html: Where to write everything as one HTML page; None for none.
        all_metrics: Whether tables and figures show metrics that are no headlines too; the CSV files always do.
        console: Where to print the tables; None prints nothing.

    Returns:
        The tables and the paths written.

    Raises:
        GanzooError: No run in ``results``, or ``out`` or ``html`` cannot be written.
    """
    collection = collect(results)
    full = tuple(build_table(group, all_metrics=True) for group in collection.groups)
    summary = to_frame(full)
    tables = full if all_metrics else tuple(build_table(table.group, statistics=table.statistics) for table in full)
    folder = out if out is not None else results / FOLDER
    try:
        drawn, notes = _draw_all(tables, folder) if figures else ([], [])
        files = [*_write_tables(collection, tables, summary, drawn, folder), *(path for _, paths in drawn for path in paths)]
    except OSError as error:
        reason = error.strerror or error
        raise GanzooError(f"Cannot write the comparison to {folder}: {reason}. Name another folder with --out.") from error
    if html is not None:
        files.append(_write_page(html, collection, tables))
    if console is not None:
        show(console, tables, collection.problems)
        for note in notes:
            console.print(note, style="dim", markup=False, highlight=False, soft_wrap=True)
    return Comparison(collection.frame, summary, tables, collection.problems, tuple(notes), folder, tuple(files))


def _write_page(html: Path, collection: Collection, tables: Sequence[Table]) -> Path:
    """Writes the page; what it needs is loaded here, and not where tables are enough."""
    from ganzoo.compare.report import write_report

    write_report(html, collection, tables)
    return html


def show_run(folder: Path, console: Console) -> None:
    """Prints the scores of one run with its controls; nothing is written.

    Args:
        folder: The run's folder.
        console: Where to print.

    Raises:
        GanzooError: There is no run in ``folder``.
    """
    found = collect(folder)
    tables = [build_table(group) for group in found.groups]
    show(console, tables, () if tables else found.problems)


def _write_tables(
    collection: Collection,
    tables: Sequence[Table],
    summary: pd.DataFrame,
    drawn: Sequence[tuple[str, tuple[Path, Path]]],
    folder: Path,
) -> Iterator[Path]:
    pictures = [(title, png.name) for title, (png, _) in drawn]
    texts = {
        "runs.csv": to_csv(collection.frame),
        "comparison.csv": to_csv(summary),
        "pairs.csv": to_csv(pairs_frame(tables)),
        "comparison.md": to_markdown(tables, collection.problems, pictures),
        "comparison.tex": to_latex(tables),
    }
    for name, text in texts.items():
        write_atomically(folder / name, partial(Path.write_bytes, data=text.encode()))
        yield folder / name


def _draw_all(tables: Sequence[Table], folder: Path) -> tuple[list[tuple[str, tuple[Path, Path]]], list[str]]:
    """Draws every figure of every table; seaborn and matplotlib are loaded here, and not where tables are enough."""
    from ganzoo.compare.contact_sheet import contact_sheet
    from ganzoo.compare.edit_locality import edit_locality
    from ganzoo.compare.figures import accuracy_identity, confusion, draw, metrics, save
    from ganzoo.compare.learning_curves import learning_curves

    fonts = fonts_for(text for table in tables for text in _names(table))
    drawn, notes = [], [remark] if (remark := fonts.remark()) else []
    for table in tables:
        sheet_notes: list[str] = []

        def sheet(table: Table, notes: list[str] = sheet_notes) -> Figure | None:
            figure, why = contact_sheet(table)
            notes += why
            return figure

        makers = [metrics, accuracy_identity, confusion, learning_curves, edit_locality]
        for name, make in [*((make.__name__, make) for make in makers), ("contact_sheet", sheet)]:
            figure = draw(make, table, fonts)
            if figure is None:
                notes.append(f"{table.title}: no {name.replace('_', ' ')}, no run has what it shows.")
            else:
                paths = save(figure, folder / f"{table.group.slug}_{name}", fonts)
                drawn.append((f"{name.replace('_', ' ')}, {table.title}", paths))
        notes += sheet_notes
    return drawn, notes


def _names(table: Table) -> Iterator[str]:
    """Names that stand in a table's figures and come from its runs."""
    yield table.title
    yield from table.group.labels
    for run in table.group.runs:
        yield from run.info.data.class_names
