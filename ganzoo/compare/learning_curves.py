"""Draws how the losses of every run went, from ``history.csv``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ganzoo.compare.figures import caption, colours, literal, new_figure, panel_grid, short
from ganzoo.compare.groups import ScoredRun, plain
from ganzoo.compare.tables import Table

POINTS = 60
"""Points per line; longer histories are averaged in bins, which also calms them."""
COUNTERS = ("step", "epoch", "images", "seconds", "images_per_second")


def learning_curves(table: Table) -> Figure | None:
    """One panel per loss term and per network's total; x = images seen, one line per run."""
    histories = [(run, history) for run in table.group.runs if (history := _history(run.folder.history)) is not None]
    panels = _panels([history for _, history in histories])
    if not panels:
        return None
    high, wide = panel_grid(len(panels))
    figure = new_figure(max(2.6 * wide, 4.6), 1.75 * high + 1.0)
    grid = figure.subplots(high, wide, squeeze=False)
    for axes, column in zip(grid.flat, panels, strict=False):
        _panel(axes, table, column, [(run, history) for run, history in histories if column in history])
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    shown = {run.label for run, _ in histories}
    handles = [Line2D([], [], color=tint, label=short(name)) for name, tint in colours(table).items() if name in shown]
    side_by_side = min(5 if wide > 3 else 3, len(handles))
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=side_by_side, frameon=False)
    for text in legend.get_texts():
        literal(text)
    title = f"{caption(table)} · one line per run over training images seen"
    literal(figure.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left"))
    return figure


def _history(file: Path) -> pd.DataFrame | None:
    """The numbers of a history; None where the file is missing, empty or foreign."""
    try:
        history = pd.read_csv(file, on_bad_lines="skip")
    except (OSError, ValueError):
        return None
    history = history.apply(pd.to_numeric, errors="coerce")
    return history.dropna(subset=["images"]) if "images" in history else None


def _panels(histories: list[pd.DataFrame]) -> list[str]:
    """Columns to draw: raw terms and totals, network by network, the total of each first."""
    found = dict.fromkeys(str(column) for history in histories for column in history if "." in str(column))
    drawn = [column for column in found if not column.endswith(".weighted") and column not in COUNTERS]
    networks = list(dict.fromkeys(column.split(".")[0] for column in drawn))
    return sorted(drawn, key=lambda column: (networks.index(column.split(".")[0]), not column.endswith(".total")))


def _panel(axes: Axes, table: Table, column: str, histories: list[tuple[ScoredRun, pd.DataFrame]]) -> None:
    tints, seen = colours(table), []
    for run, history in histories:
        line = history[["images", column]].replace([np.inf, -np.inf], np.nan).dropna().to_numpy(float)  # (points, 2)
        if len(line):
            line = _binned(line)
            axes.plot(line[:, 0], line[:, 1], color=tints[run.label], linewidth=1, alpha=0.85)
            seen.append(line[:, 1])
    network, _, term = column.partition(".")
    axes.set_title(f"{plain(network)}: {plain(term).replace('_', ' ')}", fontsize=9, parse_math=False)
    axes.xaxis.set_major_formatter(lambda images, _: f"{images / 1000:g}k" if abs(images) >= 1000 else f"{images:g}")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if seen:
        _limit(axes, np.concatenate(seen))
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="0.92")
    sns.despine(ax=axes)


def _binned(line: np.ndarray) -> np.ndarray:
    """At most ``POINTS`` points, each the mean of its bin."""
    return line if len(line) <= POINTS else np.stack([part.mean(axis=0) for part in np.array_split(line, POINTS)])


def _limit(axes: Axes, values: np.ndarray) -> None:
    """Leaves the outermost half percent outside, so that one spike does not flatten all lines."""
    low, high = np.quantile(values, [0.005, 0.995])
    margin = 0.06 * (high - low) or 0.5
    axes.set_ylim(low - margin, high + margin)
