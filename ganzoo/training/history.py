"""Losses over time: kept on the device, fetched seldom, written as CSV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ganzoo.errors import DivergedError
from ganzoo.runs.tables import as_csv, read_rows
from ganzoo.runs.writing import naming, write_atomically

TIMING_COLUMNS = ("step", "epoch", "images", "seconds", "images_per_second")


class StepLosses(NamedTuple):
    """Values of one phase in one step: ``columns[i]`` has ``values[i]``, of weight ``weights[i]``."""

    step: int
    columns: tuple[str, ...]
    values: Tensor
    weights: tuple[float, ...]


class LossBuffer:
    """Collects each step's losses without waiting for the device.

    Fetched values are plain floats that wait for the next row of the history; they belong to a checkpoint.
    """

    def __init__(self) -> None:
        self._on_device: list[StepLosses] = []
        self.pending: list[tuple[str, float, float]] = []

    def add(self, losses: StepLosses) -> None:
        """Keeps one phase's values, a float32 vector still on the device."""
        self._on_device.append(losses)

    def fetch(self) -> None:
        """Copies everything to the host.

        Raises:
            DivergedError: A value is not finite; the message names the first such step and term.
        """
        waiting, self._on_device = self._on_device, []
        if not waiting:
            return
        values = iter(torch.cat([losses.values for losses in waiting]).tolist())
        for losses in waiting:
            for column, weight in zip(losses.columns, losses.weights, strict=True):
                value = next(values)
                if not math.isfinite(value):
                    raise DivergedError(f"The loss {column} became {value} in step {losses.step}.")
                self.pending.append((column, value, weight))

    def row(self) -> dict[str, float]:
        """Means since the last row: the raw value of each term, the weighted one, and each phase's total."""
        sums: dict[str, list[float]] = {}
        for column, value, weight in self.pending:
            sums.setdefault(column, []).append(value)
            sums.setdefault(f"{column}.weighted", []).append(value * weight)
        self.pending = []
        row = {column: math.fsum(values) / len(values) for column, values in sums.items()}
        for column in [name for name in row if name.endswith(".weighted")]:
            total = f"{column.rsplit('.', 2)[0]}.total"
            row[total] = row.get(total, 0.0) + row[column]
        return row


class History:
    """``history.csv``: a row per log point.

    The rows belong to a checkpoint too (:attr:`text`), so that a run which goes on has them all, whatever became of the file.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = [*TIMING_COLUMNS, *columns]
        self.text = as_csv(self.columns, [])

    def start(self, after_step: int, kept: str | None = None) -> str | None:
        """Writes the rows up to a step (0: none), at once or not at all.

        Args:
            after_step: Step from which training goes on.
            kept: What :attr:`text` was then; None takes the readable rows of the file.

        Returns:
            What was wrong with the file, where its rows were needed.
        """
        rows, problem = read_rows(self.path, self.columns, "step") if after_step and kept is None else ([], None)
        self.text = kept or as_csv(self.columns, [row for row in rows if int(row["step"]) <= after_step])
        write_atomically(self.path, lambda file: file.write_text(self.text, encoding="utf-8", newline=""))
        return problem

    def append(self, row: dict[str, Any]) -> None:
        """Adds a row; columns without a value stay empty. Where the file cannot take it, :attr:`text` has it all the same."""
        values = {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()}
        line = as_csv(self.columns, [values], header=False)
        self.text += line
        with naming(self.path), open(self.path, "a", encoding="utf-8", newline="") as file:
            file.write(line)


def loss_columns(phases: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Columns for phases given as (label, terms): term, weighted term, and total."""
    columns: dict[str, None] = {}
    for label, terms in phases:
        for term in terms:
            columns.update({f"{label}.{term}": None, f"{label}.{term}.weighted": None})
        columns[f"{label}.total"] = None
    return list(columns)
