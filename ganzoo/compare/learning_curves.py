"""Draws how the losses of every run went, from ``history.csv``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ganzoo.compare.figures import caption, colours, literal, new_figure, panel_grid, short
from ganzoo.compare.groups import ScoredRun
from ganzoo.compare.histories import curve, loss_columns, loss_title, read_history, usual_range
from ganzoo.compare.tables import Table


def learning_curves(table: Table) -> Figure | None:
    """One panel per loss term and per network's total; x = images seen, one line per run."""
    histories = [(run, history) for run in table.group.runs if (history := read_history(run.folder.history)) is not None]
    panels = loss_columns([history for _, history in histories])
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


def _panel(axes: Axes, table: Table, column: str, histories: list[tuple[ScoredRun, pd.DataFrame]]) -> None:
    tints, seen = colours(table), []
    for run, history in histories:
        line = curve(history, column)
        if len(line):
            axes.plot(line[:, 0], line[:, 1], color=tints[run.label], linewidth=1, alpha=0.85)
            seen.append(line[:, 1])
    axes.set_title(loss_title(column), fontsize=9, parse_math=False)
    axes.xaxis.set_major_formatter(lambda images, _: f"{images / 1000:g}k" if abs(images) >= 1000 else f"{images:g}")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if seen:
        axes.set_ylim(*usual_range(np.concatenate(seen)))
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", color="0.92")
    sns.despine(ax=axes)
