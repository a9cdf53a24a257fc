"""Geometry of the page's charts in pixels; the template draws them as SVG, whose colours follow the reader's theme."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from ganzoo.compare.histories import curve, loss_columns, loss_title, read_history, usual_range
from ganzoo.compare.tables import Column, Table, control_mean, metric_means

SCATTER = (520, 400)
PANEL = (276, 168)
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 34
TINTS = 8
"""Colours of the page's lines; further models repeat them with dashes."""
NAME_PX, NAME_HEIGHT_PX = 6.4, 14
"""Width of a letter and height of a name beside a point, about."""
MOST_NAMES = 16
"""Points that are named; of more, only those on the front are."""
ROOM_FOR_A_NAME = 1.25
MOST_LINES = 24
"""Runs in the learning curves."""


@dataclass(frozen=True)
class Axis:
    """An axis: where its ticks stand and what they say."""

    ticks: tuple[tuple[float, str], ...]
    title: str = ""


@dataclass(frozen=True)
class Point:
    """A model in the scatter plot, in pixels.

    Attributes:
        label: Its name.
        x: Centre.
        y: Centre.
        seeds: Centres of its seeds.
        name_at: Place of its name and how it is anchored; None where it is not named.
        on_front: Whether no other model is better on everything.
        said: The point in words.
    """

    label: str
    x: float
    y: float
    seeds: tuple[tuple[float, float], ...]
    name_at: tuple[float, float, str] | None
    on_front: bool
    said: str


@dataclass(frozen=True)
class Scatter:
    """Accuracy against identity."""

    width: int
    height: int
    x: Axis
    y: Axis
    points: tuple[Point, ...]
    levels: tuple[tuple[float, str], ...]
    unnamed: int


@dataclass(frozen=True)
class Line:
    """One run in a panel: ``points`` as SVG wants them."""

    label: str
    tint: int
    dashed: bool
    points: str


@dataclass(frozen=True)
class Panel:
    """One loss of every run."""

    title: str
    width: int
    height: int
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    said: str


@dataclass(frozen=True)
class Curves:
    """Learning curves of a table.

    Attributes:
        panels: One per loss.
        legend: (model, tint, dashed).
        left_out: Number of runs that are not drawn.
    """

    panels: tuple[Panel, ...]
    legend: tuple[tuple[str, int, bool], ...]
    left_out: int


def tint_of(table: Table, label: str) -> tuple[int, bool]:
    """Colour of a model's lines, and whether they are dashed."""
    at = [row.label for row in table.models].index(label)
    return at % TINTS, at // TINTS % 2 == 1


def nice_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers in [low, high], about ``wanted`` of them, in steps of 1, 2, 2.5 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    return [step * at for at in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def accuracy_identity(table: Table) -> Scatter | None:
    """The plot of expression accuracy over cycle reconstruction; None where no model has both."""
    accuracy, identity = metric_means(table, "acc"), metric_means(table, "l1_cycle")
    labels = [label for label in accuracy if label in identity]
    if not labels:
        return None
    columns = {column.metric: column for column in table.columns}
    front = [row.label for row in table.models if row.on_front]
    widest = max(value for label in labels for value in identity[label])
    x_high = (widest or 1.0) * ROOM_FOR_A_NAME
    width, height = SCATTER

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + x / x_high * (width - LEFT - RIGHT), height - BOTTOM - y * (height - TOP - BOTTOM)

    centres = {label: place(fmean(identity[label]), fmean(accuracy[label])) for label in labels}
    named = labels if len(labels) <= MOST_NAMES else [label for label in labels if label in front][:MOST_NAMES]
    levels = [
        (place(0, level)[1], f"{name} ({meaning})")
        for name, meaning in (("real", "held-out faces"), ("no-edit", "source unchanged"))
        if (level := control_mean(table.group, name, "acc")) is not None
    ]
    names = dict(_place_names({label: centres[label] for label in named}, list(centres.values()), [y for y, _ in levels]))
    points = [
        Point(
            label,
            *centres[label],
            tuple(place(*seed) for seed in zip(identity[label], accuracy[label], strict=False)),
            names.get(label),
            label in front,
            f"{label}: {fmean(accuracy[label]):.3f}, {fmean(identity[label]):.4f}",
        )
        for label in labels
    ]
    x_axis = Axis(tuple((place(tick, 0)[0], f"{tick:g}") for tick in nice_ticks(0, x_high)), _axis_title(columns["l1_cycle"]))
    y_axis = Axis(tuple((place(0, tick)[1], f"{tick:g}") for tick in nice_ticks(0, 1)), _axis_title(columns["acc"]))
    return Scatter(width, height, x_axis, y_axis, tuple(points), tuple(levels), len(labels) - len(named))


def _axis_title(column: Column) -> str:
    better = {"lower": "lower is better", "higher": "higher is better", "none": ""}[column.info.direction]
    return " · ".join(part for part in (column.info.label, better) if part)


def _place_names(
    named: dict[str, tuple[float, float]], centres: Sequence[tuple[float, float]], levels: Sequence[float]
) -> Iterator[tuple[str, tuple[float, float, str]]]:
    """Puts each name beside its point where it covers least: right, left, above, below, then further away."""
    taken = [(x - 7, y - 7, x + 7, y + 7) for x, y in centres]
    taken += [(LEFT, y - 2, SCATTER[0], y + 2) for y in levels]
    for label, (x, y) in sorted(named.items(), key=lambda item: item[1]):
        size = len(label) * NAME_PX
        choices = [(x + 10, y + 4, "start"), (x - 10, y + 4, "end"), (x, y - 11, "middle"), (x, y + 20, "middle")]
        choices += [(x + 8, y + 4 + up, "start") for up in (-16, 16, -28, 28, -40, 40, -52, 52)]
        boxes = [_name_box(choice, size) for choice in choices]
        costs = [sum(_overlap(box, other) for other in taken) + _outside(box) for box in boxes]
        best = int(np.argmin(costs))
        taken.append(boxes[best])
        yield label, choices[best]


Box = tuple[float, float, float, float]


def _name_box(place: tuple[float, float, str], size: float) -> Box:
    left = place[0] - {"start": 0.0, "middle": size / 2, "end": size}[place[2]]
    return left, place[1] - NAME_HEIGHT_PX + 3, left + size, place[1] + 3


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def _outside(box: Box) -> float:
    frame = (LEFT, TOP, SCATTER[0] - 2, SCATTER[1] - BOTTOM)
    return 3 * ((box[2] - box[0]) * (box[3] - box[1]) - _overlap(box, frame))


def learning_curves(table: Table, labels: Sequence[str]) -> Curves | None:
    """Losses over training images seen, one line per run, models in the order of ``labels``; None without a history."""
    runs = [run for label in labels for run in table.group.of(label)]
    histories = [(run, history) for run in runs[:MOST_LINES] if (history := read_history(run.folder.history)) is not None]
    panels = []
    for column in loss_columns([history for _, history in histories]):
        lines = [(run.label, curve(history, column)) for run, history in histories if column in history]
        panels += [_panel(table, column, [(label, line) for label, line in lines if len(line)])]
    drawn = [panel for panel in panels if panel is not None]
    if not drawn:
        return None
    legend = [(label, *tint_of(table, label)) for label in dict.fromkeys(run.label for run, _ in histories)]
    return Curves(tuple(drawn), tuple(legend), max(0, len(runs) - MOST_LINES))


def _panel(table: Table, column: str, lines: Sequence[tuple[str, np.ndarray]]) -> Panel | None:
    if not lines:
        return None
    width, height = PANEL
    x_high = max(float(line[:, 0].max()) for _, line in lines) or 1.0
    low, high = usual_range(np.concatenate([line[:, 1] for _, line in lines]))
    right, bottom = width - RIGHT, height - BOTTOM + 10

    def across(x: float) -> float:
        return LEFT + x / x_high * (right - LEFT)

    def up(y: float) -> float:
        return bottom - (y - low) / (high - low) * (bottom - TOP)

    drawn = []
    for label, line in lines:
        points = " ".join(f"{across(x):.1f},{min(max(up(y), 0.0), float(height)):.1f}" for x, y in line.tolist())
        drawn.append(Line(label, *tint_of(table, label), points))
    x_axis = Axis(tuple((across(tick), _thousands(tick)) for tick in nice_ticks(0, x_high, 4)))
    y_axis = Axis(tuple((up(tick), f"{tick:.6g}") for tick in nice_ticks(low, high, 4)))
    last = "; ".join(f"{label} {line[-1, 1]:.3g}" for label, line in lines[:8])
    title = loss_title(column)
    return Panel(title, width, height, x_axis, y_axis, tuple(drawn), f"{title} over training images; at the end: {last}")


def _thousands(images: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if images >= size:
            return f"{images / size:g}{letter}"
    return f"{images:g}"
