"""Reads every run under a results folder and sorts the scored ones into groups that may be ranked together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ganzoo.compare.attempt import REGIONS, read_numbers, read_verdicts
from ganzoo.compare.groups import Group, ScoredRun, column_place, group_runs, plain
from ganzoo.errors import GanzooError
from ganzoo.runs.folder import RunFolder, find_runs
from ganzoo.runs.schema import LARGEST_NUMBER, MetricsFile, RunInfo

REFERENCE = "reference"
"""Folder under the results whose runs are committed references, never taken for the user's own."""
RUN_COLUMNS = (
    "data", "recipe", "label", "origin", "fingerprint", "seed", "status", "preset", "protocol", "parameters", "macs_per_image",
    "train_seconds", "images_per_second", "generator_updates", "images_seen", "epochs", "peak_memory_bytes", "device", "folder",
)  # fmt: skip
METRIC_COLUMNS = ("metric", "value", "interval_low", "interval_high", "direction", "ranked", "reason")


@dataclass(frozen=True)
class Problem:
    """A run that is in no table, or not as its owner may expect.

    Attributes:
        run: Its folder, relative to the results.
        status: Status of the run, or ``unreadable``, ``no scores``, ``duplicate``.
        message: What is wrong, in one line.
    """

    run: str
    status: str
    message: str


@dataclass(frozen=True)
class Collection:
    """Everything found under a results folder.

    Attributes:
        results: The folder.
        groups: Runs with scores, by data set and protocol.
        problems: What could not be read, has no scores, or did not finish.
        frame: One row per (run, metric), columns ``RUN_COLUMNS + METRIC_COLUMNS``.
    """

    results: Path
    groups: tuple[Group, ...]
    problems: tuple[Problem, ...]
    frame: pd.DataFrame


def collect(results: Path) -> Collection:
    """Reads every run under ``results``, committed references included.

    Runs that cannot be read, have no scores or did not finish are listed in ``problems``; none of them is an error.

    Args:
        results: Folder with run folders at any depth.

    Returns:
        The runs, grouped and as a table.

    Raises:
        GanzooError: There is no such folder, or no run in it.
    """
    if not results.is_dir():
        raise GanzooError(f"There is no folder {results}. Name the one given to 'ganzoo run --results' ('results' by default).")
    runs: list[ScoredRun] = []
    problems: list[Problem] = []
    for folder in find_runs(results):
        run, problem = _read(results, folder)
        runs += [run] if run else []
        problems += [problem] if problem else []
        problems += _damages(results, folder) if run else []
    if not runs and not problems:
        way_out = "Make one with 'ganzoo run stargan --data synth4 --preset quick'."
        raise GanzooError(f"No run in {results}: no run.json anywhere below it. {way_out}")
    runs, twice = _without_duplicates(results, runs)
    groups = group_runs(runs)
    frame = _frame(results, [run for group in groups for run in group.runs])
    return Collection(results, groups, tuple(problems + twice), frame)


def _read(results: Path, folder: RunFolder) -> tuple[ScoredRun | None, Problem | None]:
    """One run and what is to be said of it; either may be missing, not both."""
    name = _name(results, folder)
    try:
        info = folder.read_info()
    except GanzooError as error:
        return None, Problem(name, "unreadable", plain(error))
    said = plain(info.message or "")
    if not os.path.lexists(folder.metrics):
        return None, Problem(name, "no scores" if info.status == "finished" else info.status, _why_no_scores(info))
    try:
        metrics = _finite(folder.read_metrics())
    except GanzooError as error:
        return None, Problem(name, "unreadable", plain(error))
    origin = REFERENCE if folder.path.relative_to(results).parts[:1] == (REFERENCE,) else "results"
    run = ScoredRun(folder, info, metrics, origin)
    unfinished = Problem(name, info.status, said or "scored, but not finished") if info.status != "finished" else None
    return run, unfinished


def _name(results: Path, folder: RunFolder) -> str:
    return plain(folder.path.relative_to(results).as_posix() if folder.path != results else folder.path.name)


def _damages(results: Path, folder: RunFolder) -> Iterator[Problem]:
    """Files of a scored run that only pictures are made of, and that cannot be read: its scores count all the same."""
    history, shares = read_numbers(folder.history, ("images",)), read_numbers(folder.edit_locality, ("images", *REGIONS))
    for read in (history, shares, read_verdicts(folder.per_image)):
        if isinstance(read, str):
            yield Problem(_name(results, folder), "damaged", f"{read}; the run's scores count, what shows this file lacks it")


def _why_no_scores(info: RunInfo) -> str:
    can_be_scored = info.status in ("finished", "stopped")
    way_out = "'ganzoo evaluate' scores it" if can_be_scored else "the same 'ganzoo run' goes on with it"
    return f"no metrics.json; {info.progress.epochs:g} epochs trained; {plain(info.message) if info.message else way_out}"


def _finite(metrics: MetricsFile) -> MetricsFile:
    """NaN, infinity and numbers near it become None with a reason: they would otherwise win or poison a mean."""
    broken = {name for name, value in metrics.metrics.items() if value is not None and not abs(value) <= LARGEST_NUMBER}
    if not broken:
        return metrics
    values = {name: None if name in broken else value for name, value in metrics.metrics.items()}
    reasons = metrics.reasons | {name: f"the value was {metrics.metrics[name]}" for name in broken}
    return metrics.model_copy(update={"metrics": values, "reasons": reasons})


def _without_duplicates(results: Path, runs: Sequence[ScoredRun]) -> tuple[list[ScoredRun], list[Problem]]:
    """Keeps the latest scoring of what is one run in several places (a copied folder), so that no seed counts twice."""
    kept: dict[tuple[object, ...], ScoredRun] = {}
    problems = []
    for run in sorted(runs, key=lambda run: (run.metrics.scored, run.folder.path.as_posix()), reverse=True):
        info = run.info
        key = (run.origin, info.data.content_hash, run.metrics.fingerprint, info.recipe, info.fingerprint, info.seed)
        if key in kept:
            here, other = (plain(each.folder.path.relative_to(results).as_posix()) for each in (run, kept[key]))
            problems.append(Problem(here, "duplicate", f"same experiment and seed as {other}, scored last and shown"))
        else:
            kept[key] = run
    return list(kept.values()), problems


def _frame(results: Path, runs: Sequence[ScoredRun]) -> pd.DataFrame:
    """The runs as a tidy table, one row per (run, metric)."""
    rows = []
    for run in runs:
        facts = _run_columns(results, run)
        for metric, value in sorted(run.metrics.metrics.items(), key=lambda item: column_place(item[0])):
            info = run.metrics.info.get(metric)
            kind = (info.direction, info.ranked) if info else ("none", False)
            interval = run.metrics.intervals.get(metric, (None, None))
            rows.append(facts + (metric, value, *interval, *kind, plain(run.metrics.reasons.get(metric, ""))))
    frame = pd.DataFrame(rows, columns=list(RUN_COLUMNS + METRIC_COLUMNS))
    return frame.astype(dict.fromkeys(("value", "interval_low", "interval_high"), "float64"))


def _run_columns(results: Path, run: ScoredRun) -> tuple[object, ...]:
    info, progress = run.info, run.info.progress
    return (
        plain(info.data.name), plain(info.recipe), run.label, run.origin, plain(info.fingerprint), info.seed, info.status,
        info.preset, run.metrics.fingerprint, info.parameters.get("generator"), info.macs_per_image, progress.train_seconds,
        progress.images_per_second, progress.generator_updates, progress.images_seen, progress.epochs, info.peak_memory_bytes,
        plain(info.environment.device), run.folder.path.relative_to(results).as_posix(),
    )  # fmt: skip
