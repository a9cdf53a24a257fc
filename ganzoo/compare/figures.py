"""Draws a comparison: metric bars, accuracy against identity, confusion matrices, learning curves.

Every function returns a figure, or None where the runs have nothing for it; ``save`` writes it as PNG and SVG.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt
import seaborn as sns
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from ganzoo.compare.groups import is_number, plain
from ganzoo.compare.remarks import FRONT
from ganzoo.compare.tables import CONTROL_ORDER, Column, Table, control_mean, control_names, metric_means
from ganzoo.fonts import USUAL_FONTS, Fonts
from ganzoo.runs.writing import write_atomically

Floats = npt.NDArray[np.float64]

DPI = 150
GREY = "0.35"
LONGEST_NAME = 30
"""Characters of a recipe's name beside a figure; longer names are shortened in the middle, the tables have them whole."""
STYLE = {**sns.axes_style("ticks"), **sns.plotting_context("paper"), "svg.hashsalt": "ganzoo", "svg.fonttype": "none"}
NAME_PLACES = ((8, 0), (-8, 0), (0, 8), (0, -8), (7, 7), (7, -7), (-7, 7), (-7, -7)) + tuple(
    (right, up) for reach in (20, 34, 48, 62, 76) for right in (14, -14) for up in (reach, -reach)
)  # fmt: skip
"""Where a name may stand beside its point: right and up, in points; the first that covers nothing is taken."""
CONTROL_DASHES = ((0, (5, 2)), (0, (1, 1.5)), (0, (9, 2)), (0, (5, 1.5, 1, 1.5)))


def draw(make: Callable[[Table], Figure | None], table: Table, fonts: Fonts = USUAL_FONTS) -> Figure | None:
    """Calls a drawing function of this package in the style of its figures, names in fonts that have their letters."""
    with _style(fonts):
        return make(table)


def save(figure: Figure, stem: Path, fonts: Fonts = USUAL_FONTS) -> tuple[Path, Path]:
    """Writes ``stem.png`` and ``stem.svg``, atomically.

    Returns:
        The two paths.
    """
    paths = stem.with_name(stem.name + ".png"), stem.with_name(stem.name + ".svg")
    with _style(fonts):
        arrange(figure)
        # The canvases are called directly, because ``savefig`` draws everything once more to arrange it.
        # No date in the files: the same runs give the same bytes.
        agg: Any = FigureCanvasAgg(figure)  # matplotlib leaves these two methods untyped.
        svg: Any = FigureCanvasSVG(figure)
        png_settings = {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 4}}
        content = io.BytesIO()  # Writing to a file, Pillow does not say what the disk had against it.
        agg.print_png(content, **png_settings)
        write_atomically(paths[0], lambda file: file.write_bytes(content.getvalue()))
        write_atomically(paths[1], lambda file: svg.print_svg(file, metadata={"Date": None}))
    return paths


@contextmanager
def _style(fonts: Fonts) -> Iterator[None]:
    style: dict[Any, Any] = dict(STYLE)
    style["font.family"] = [*STYLE["font.family"], *(font.family for font in fonts.more)]
    with rc_context(style), warnings.catch_warnings():
        # Letters that no font has are told once for all figures.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that arranges its panels itself."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    # Without a canvas of its own, measuring a text would set up a renderer each time.
    FigureCanvasAgg(figure)
    return figure


def arrange(figure: Figure) -> None:
    """Gives every panel its place, once: both files and the names beside points rely on it."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def panel_grid(count: int) -> tuple[int, int]:
    """Rows and columns for so many panels, at most four side by side and the last row as full as can be."""
    rows = math.ceil(count / 4)
    return rows, math.ceil(count / rows)


def short(name: str) -> str:
    """A name that fits beside a figure."""
    half = LONGEST_NAME // 2
    return name if len(name) <= LONGEST_NAME else f"{name[: half - 1]}…{name[len(name) - half + 1 :]}"


def colours(table: Table) -> dict[str, tuple[float, float, float]]:
    """Row label -> colour, the same in every figure of a table; colour-blind safe, repeating after ten."""
    palette = sns.color_palette("colorblind")
    return {row.label: palette[at % len(palette)] for at, row in enumerate(table.models)}


def literal(text: Text) -> None:
    """A ``$`` in a name is no formula."""
    text.set_parse_math(False)


def caption(table: Table) -> str:
    """Data set, protocol and number of seeds."""
    seeds = sorted({row.seeds for row in table.models})
    return f"{table.title} · n = {seeds[0] if len(seeds) == 1 else f'{seeds[0]}–{seeds[-1]}'} seed{'s' if seeds[-1] > 1 else ''}"


def metrics(table: Table) -> Figure | None:
    """One panel per metric: bars of the mean per recipe, every seed as a point with its interval, controls as lines."""
    columns = [column for column in table.columns if metric_means(table, column.metric)]
    if not columns:
        return None
    high, wide = panel_grid(len(columns))
    height = high * (0.9 + 0.3 * len(table.models)) + 0.7
    figure = new_figure(1.6 + 2.5 * wide, height)
    panels = figure.subplots(high, wide, squeeze=False, sharey=True)
    for axes, column in zip(panels.flat, columns, strict=False):
        _metric_panel(axes, table, column)
    for axes in panels.flat[len(columns) :]:
        axes.set_axis_off()
    literal(figure.suptitle(caption(table), fontsize=11, fontweight="bold", x=0.01, ha="left"))
    handles = [Line2D([], [], color=GREY, linestyle=_dashes(name), label=name) for name in control_names(table.group)]
    has_intervals = any(run.metrics.intervals for run in table.group.runs)
    seed = "one seed, 95 % bootstrap interval over source faces" if has_intervals else "one seed"
    line = "black" if has_intervals else "none"
    handles.append(Line2D([], [], color=line, linewidth=0.8, marker="o", mfc="white", mec="black", markersize=4, label=seed))
    figure.legend(handles=handles, loc="outside lower right", ncols=len(handles), frameon=False)
    return figure


def _metric_panel(axes: Axes, table: Table, column: Column) -> None:
    values = metric_means(table, column.metric)
    names = [row.label for row in table.models]
    tints = colours(table)
    for at, name in enumerate(names):
        if name not in values:
            axes.annotate("not available", (0, at), (4, 0), textcoords="offset points", va="center", color=GREY, style="italic")
            continue
        axes.barh(at, fmean(values[name]), height=0.68, color=tints[name], alpha=0.75, linewidth=0)
        # Seeds stand a little apart, so that equal scores do not hide one another.
        places = np.linspace(-0.16, 0.16, len(values[name]) + 2)[1:-1] + at
        axes.plot(values[name], places, "o", markersize=4, markerfacecolor="white", markeredgecolor="black", zorder=4)
        for place, interval in zip(places, _intervals(table, name, column.metric), strict=True):
            if interval:
                axes.plot(interval, [place, place], color="black", linewidth=0.8, zorder=3.5)
    for control in control_names(table.group):
        level = control_mean(table.group, control, column.metric)
        if level is not None:
            axes.axvline(level, color=GREY, linestyle=_dashes(control), linewidth=1.2, zorder=3, clip_on=False)
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    for label in axes.get_yticklabels():
        literal(label)
    axes.set_ylim(len(names) - 0.5, -0.5)
    low, high = axes.dataLim.intervalx
    axes.set_xlim(min(0, low), max(0, high) * 1.04 or 1)
    axes.locator_params(axis="x", nbins=5)
    axes.set_title(column.heading, fontsize=10, parse_math=False)
    axes.set_xlabel(_axis_text(column), fontsize=8, color=GREY, parse_math=False)
    axes.tick_params(axis="y", length=0)
    sns.despine(ax=axes, left=True)


def _intervals(table: Table, label: str, metric: str) -> list[tuple[float, ...]]:
    """(low, high) of each seed that has a value, in their order; empty where a run has no interval."""
    runs = [run for run in table.group.of(label) if is_number(run.metrics.metrics.get(metric))]
    return [run.metrics.intervals.get(metric, ()) for run in runs]


def _axis_text(column: Column) -> str:
    better = {"lower": "lower is better", "higher": "higher is better", "none": "descriptive"}[column.info.direction]
    better += "" if column.discriminating else f"\n† no model beats {plain(column.info.beats)}"
    return f"{plain(column.info.unit)} · {better}" if column.info.unit else better


def _dashes(control: str) -> tuple[float, tuple[float, ...]]:
    at = CONTROL_ORDER.index(control) if control in CONTROL_ORDER else len(control)
    return CONTROL_DASHES[at % len(CONTROL_DASHES)]


def accuracy_identity(table: Table) -> Figure | None:
    """Expression accuracy against cycle reconstruction, Fréchet distance as colour; floor and ceiling as lines."""
    accuracy, identity = metric_means(table, "acc"), metric_means(table, "l1_cycle")
    names = [name for name in accuracy if name in identity]
    if not names:
        return None
    by_name = {column.metric: column for column in table.columns}
    distances = [metric for metric in ("fid", "fd_judge") if all(name in metric_means(table, metric) for name in names)]
    shade = by_name[distances[0]] if distances and len(names) > 1 else None
    points = np.array([[fmean(identity[name]), fmean(accuracy[name])] for name in names])  # (recipes, 2)
    figure = new_figure(6.2, 4.6)
    axes = figure.subplots()
    for name, (x, y) in zip(names, points, strict=True):
        for seed_x, seed_y in zip(identity[name], accuracy[name], strict=False):
            axes.plot([x, seed_x], [y, seed_y], color="0.7", linewidth=0.8, marker=".", markersize=3, zorder=2)
    dots = axes.scatter(points[:, 0], points[:, 1], s=90, color="0.8", edgecolor="black", linewidth=0.8, zorder=3)
    if shade:
        dots.set(array=[fmean(metric_means(table, shade.metric)[name]) for name in names], cmap="cividis_r", facecolor=None)
        figure.colorbar(dots, ax=axes, label=shade.heading, pad=0.02).outline.set_visible(False)
    _finish_scatter(axes, table, by_name)
    arrange(figure)
    front = [row.label for row in table.models if row.on_front]
    _place_names(axes, [f"{short(name)} {FRONT}" if name in front else short(name) for name in names], points)
    return figure


def _finish_scatter(axes: Axes, table: Table, columns: dict[str, Column]) -> None:
    for control, meaning in (("real", "held-out faces"), ("no-edit", "source unchanged")):
        level = control_mean(table.group, control, "acc")
        if level is not None:
            axes.axhline(level, color=GREY, linestyle=_dashes(control), linewidth=1.1, zorder=1)
            said = axes.text(0.99, level, f"{control} ({meaning})", transform=axes.get_yaxis_transform(), color=GREY, fontsize=8)
            said.set(ha="right", va="bottom")
    top = max([1.0, axes.get_ylim()[1]]) if axes.get_ylim()[1] > 0.9 else axes.get_ylim()[1]
    axes.set_ylim(min(0.0, axes.get_ylim()[0]), top + 0.03)
    axes.set_xlim(0, axes.get_xlim()[1] * 1.3)  # Room for names.
    for metric, aspect, write in (("l1_cycle", "identity", axes.set_xlabel), ("acc", "expression", axes.set_ylabel)):
        unit = plain(columns[metric].info.unit)
        write(f"{columns[metric].heading}  ({aspect}{f'; {unit}' if unit else ''})", parse_math=False)
    front = f" · {FRONT} Pareto front" if any(row.on_front for row in table.models) else ""
    axes.set_title(caption(table) + front, loc="left", fontsize=10, fontweight="bold", parse_math=False)
    sns.despine(ax=axes)


def _place_names(axes: Axes, names: Sequence[str], points: Floats) -> None:
    """Writes each name beside its point, at the first of several places where it covers least and stays inside."""
    taken = [Bbox([[x - 9, y - 9], [x + 9, y + 9]]) for x, y in axes.transData.transform(points)]
    taken += [text.get_window_extent() for text in axes.texts]
    taken += [line.get_window_extent().padded(2) for line in axes.lines if np.ptp(np.asarray(line.get_ydata(), float)) == 0]
    frame = axes.get_window_extent()
    for name, point in zip(names, points, strict=True):
        text = axes.text(0, 0, name, fontsize=9, parse_math=False)
        size = text.get_window_extent()
        text.remove()
        boxes = [_box_at(axes.transData.transform(point), place, size, DPI / 72) for place in NAME_PLACES]
        costs = [_covered(box, taken, frame) for box in boxes]
        best = int(np.argmin(costs))
        right, up = NAME_PLACES[best]
        # A name that had to move away keeps a thread to its point.
        thread = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.7, "shrinkA": 0, "shrinkB": 4} if abs(up) > 10 else None
        x, y = point
        said = axes.annotate(name, (x, y), (right, up), textcoords="offset points", fontsize=9, arrowprops=thread)
        said.set(ha=("right", "center", "left")[int(np.sign(right)) + 1], va=("top", "center", "bottom")[int(np.sign(up)) + 1])
        literal(said)
        taken.append(boxes[best])


def _box_at(point: Floats, place: tuple[float, float], size: Bbox, scale: float) -> Bbox:
    """Where a text of this size stands, in pixels, when put to ``place`` (points) of a point (pixels)."""
    left = point[0] + place[0] * scale - size.width * (1 - np.sign(place[0])) / 2
    bottom = point[1] + place[1] * scale - size.height * (1 - np.sign(place[1])) / 2
    return Bbox.from_bounds(left, bottom, size.width, size.height)


def _covered(box: Bbox, taken: Sequence[Bbox], frame: Bbox) -> float:
    """Area of ``box`` that lies on something else or outside the frame, in square pixels."""
    overlaps = [Bbox.intersection(box, other) for other in taken]
    inside = Bbox.intersection(box, frame)
    area = box.width * box.height
    outside = area - (inside.width * inside.height if inside else 0)
    return float(outside + sum(shared.width * shared.height for shared in overlaps if shared))


def confusion(table: Table) -> Figure | None:
    """Target × predicted by the judges, in percent of each target, per recipe; counts added over seeds."""
    kept = [(label, table.group.confusion(label)) for label in table.group.labels]
    found = [(label, one.class_names, np.array(one.counts, dtype=float)) for label, one in kept if one]
    if not found:
        return None
    classes = max(len(names) for _, names, _ in found)
    (high, wide), side = panel_grid(len(found)), 0.9 + 0.36 * classes
    figure = new_figure(max(wide * side + 1.2, 4.6), high * (side + 0.35) + 0.7)
    panels = figure.subplots(high, wide, squeeze=False)
    for at, (axes, (label, names, counts)) in enumerate(zip(panels.flat, found, strict=False)):
        shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # (target, predicted)
        _heat_map(axes, shares, names)
        axes.tick_params(axis="y", labelleft=at % wide == 0)
        axes.set_title(short(label), fontsize=10, parse_math=False)
    for axes in panels.flat[len(found) :]:
        axes.set_axis_off()
    literal(figure.suptitle(caption(table), fontsize=10, fontweight="bold", x=0.01, ha="left"))
    figure.supxlabel("expression seen by the judges (% of the translations to that target)", fontsize=9)
    figure.supylabel("expression asked for", fontsize=9)
    return figure


def _heat_map(axes: Axes, percents: Floats, names: Sequence[str]) -> None:
    """A square per (target, predicted) with its number. seaborn's own redraws the whole figure for every panel."""
    axes.pcolormesh(percents, vmin=0, vmax=100, cmap="Blues", edgecolor="white", linewidth=0.8)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    middles = np.arange(len(names)) + 0.5
    axes.set_xticks(middles, names, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(middles, names, parse_math=False)
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(percents):
        ink = "white" if value > 55 else "0.15"
        axes.text(column + 0.5, row + 0.5, f"{value:.0f}", ha="center", va="center", fontsize=8, color=ink)
    sns.despine(ax=axes, left=True, bottom=True)
