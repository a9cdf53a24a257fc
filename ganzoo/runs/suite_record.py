"""The record of a suite: what became of each of its runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

OutcomeState = Literal["done", "to resume", "to do", "failed", "elsewhere"]
"""``elsewhere``: another process is training it."""


class RunRecord(BaseModel):
    """One run of a suite in its record.

    Attributes:
        recipe: Name of the recipe.
        data: Dataset as asked for.
        seed: Seed.
        folder: The run's folder.
        state: How far it came.
        message: Why it failed or stopped.
    """

    model_config = ConfigDict(extra="forbid")

    recipe: str
    data: str
    seed: int
    folder: str
    state: OutcomeState
    message: str | None = None


class SuiteRecord(BaseModel):
    """``<suite>.suite.json`` under the results: what became of every run, rewritten after each.

    Attributes:
        suite: The suite's file.
        updated: UTC time, ISO 8601.
        runs: In the order in which they are run.
    """

    model_config = ConfigDict(extra="forbid")

    format: Literal["ganzoo-suite/1"] = "ganzoo-suite/1"
    suite: str
    updated: str
    runs: list[RunRecord]


@dataclass(frozen=True)
class SuiteOutcome:
    """What became of a suite.

    Attributes:
        runs: Every run, in order.
        interrupted: Whether Ctrl-C ended it.
    """

    runs: tuple[RunRecord, ...]
    interrupted: bool

    @property
    def failed(self) -> tuple[RunRecord, ...]:
        """Runs that ended in an error."""
        return tuple(run for run in self.runs if run.state == "failed")

    @property
    def left(self) -> tuple[RunRecord, ...]:
        """Runs that are not done, did not fail and are not being trained."""
        return tuple(run for run in self.runs if run.state in ("to resume", "to do"))

    @property
    def elsewhere(self) -> tuple[RunRecord, ...]:
        """Runs that another process is training."""
        return tuple(run for run in self.runs if run.state == "elsewhere")
