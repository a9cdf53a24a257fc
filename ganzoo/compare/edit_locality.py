"""Draws where in the face every run edited as it learned: first the mouth, later brows and eyes?"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ganzoo.compare.attempt import REGIONS, read_numbers
from ganzoo.compare.figures import caption, colours, literal, new_figure, short
from ganzoo.compare.tables import Table


def edit_locality(table: Table) -> Figure | None:
    """One panel per region; x = training images seen, y = share of the edits' energy, one line per run."""
    shares = [(run, table_of) for run in table.group.runs if (table_of := _shares(run.folder.edit_locality)) is not None]
    if not shares:
        return None
    tints = colours(table)
    figure = new_figure(9.2, 2.9)
    panels = figure.subplots(1, len(REGIONS), sharex=True)
    for axes, region in zip(panels, REGIONS, strict=True):
        for run, history in shares:
            axes.plot(history["images"], history[region], color=tints[run.label], marker=".", linewidth=1, alpha=0.85)
        axes.set_title(region, fontsize=9)
        axes.set_ylim(0, max(0, axes.dataLim.ymax) * 1.05 or 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(lambda images, _: f"{images / 1000:g}k" if abs(images) >= 1000 else f"{images:g}")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.tick_params(labelsize=8)
        axes.grid(axis="y", color="0.92")
        sns.despine(ax=axes)
    shown = {run.label for run, _ in shares}
    handles = [Line2D([], [], color=tint, label=short(name)) for name, tint in tints.items() if name in shown]
    legend = figure.legend(handles=handles, loc="outside lower center", ncols=min(5, len(handles)), frameon=False)
    for text in legend.get_texts():
        literal(text)
    title = f"{caption(table)} · share of the edits in each part of the face over training images seen"
    literal(figure.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left"))
    return figure


def _shares(file: Path) -> pd.DataFrame | None:
    """The complete rows of a run's table; None where it is missing, empty or foreign."""
    table = read_numbers(file, ("images", *REGIONS))
    return table if isinstance(table, pd.DataFrame) else None
