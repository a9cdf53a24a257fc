"""What ``history.csv`` tells of a run: its losses over the training images seen."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ganzoo.compare.attempt import read_numbers
from ganzoo.compare.groups import plain

Floats = npt.NDArray[np.float64]

POINTS = 60
"""Points per line; longer histories are averaged in bins, which also calms them."""
COUNTERS = ("step", "epoch", "images", "seconds", "images_per_second")


def read_history(file: Path) -> pd.DataFrame | None:
    """The numbers of a history; None where the file is missing, empty or foreign."""
    history = read_numbers(file, ("images",))
    return history if isinstance(history, pd.DataFrame) else None


def loss_columns(histories: Iterable[pd.DataFrame]) -> list[str]:
    """Columns worth drawing: raw terms and totals, network by network, the total of each first."""
    found = dict.fromkeys(str(column) for history in histories for column in history if "." in str(column))
    drawn = [column for column in found if not column.endswith(".weighted") and column not in COUNTERS]
    networks = list(dict.fromkeys(column.split(".")[0] for column in drawn))
    return sorted(drawn, key=lambda column: (networks.index(column.split(".")[0]), not column.endswith(".total")))


def loss_title(column: str) -> str:
    """``generator: cycle`` for the column ``generator.cycle``."""
    network, _, term = column.partition(".")
    return f"{plain(network)}: {plain(term).replace('_', ' ')}"


def curve(history: pd.DataFrame, column: str) -> Floats:
    """One loss over the images seen, (points, 2), without gaps; at most ``POINTS`` points, each the mean of its bin."""
    line = history[["images", column]].to_numpy(float)
    line = line[np.isfinite(line).all(axis=1)]
    return line if len(line) <= POINTS else np.stack([part.mean(axis=0) for part in np.array_split(line, POINTS)])


def usual_range(values: Floats) -> tuple[float, float]:
    """Limits that leave the outermost half percent outside, so that one spike does not flatten all lines."""
    low, high = np.quantile(values, [0.005, 0.995])
    margin = 0.06 * (high - low) or 0.5 * max(1.0, abs(high))
    return float(low - margin), float(high + margin)
