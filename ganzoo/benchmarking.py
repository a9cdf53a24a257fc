"""Works through a suite: run after run, past failures, within a time limit, and ends in a comparison."""

from __future__ import annotations

import gc
import os
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from rich.table import Table
from rich.text import Text

from ganzoo import experiment
from ganzoo.compare.comparison import compare_runs
from ganzoo.devices import choose_device, describe_device
from ganzoo.errors import GanzooError, InUseError, is_interrupt
from ganzoo.evaluation.dinov2 import DinoV2
from ganzoo.evaluation.inception import find_weights
from ganzoo.faults import reason_in_words
from ganzoo.planned import PlannedRun, in_words, seconds_left
from ganzoo.planning import SuiteSettings, plan_suite, refuse_conflicts
from ganzoo.reporting import SuiteReporter, duration
from ganzoo.runs.folder import write_json
from ganzoo.runs.suite_record import OutcomeState, RunRecord, SuiteOutcome, SuiteRecord
from ganzoo.session import RunOptions

EARLY_MARGIN = 1.25
"""With ``--max-minutes``, a run begins only if so many times the longest start and scoring so far fits into the time left."""


def run_suite(
    path: str | Path, settings: SuiteSettings, options: RunOptions, reporter: SuiteReporter, *, figures: bool = True
) -> SuiteOutcome:
    """Trains and scores every run of a suite that is not done, then compares all that lies in the results folder.

    A run that fails is recorded, told at the end, and keeps no other from running. Stopped or killed at any moment, the same
    call goes on where it was. Called again while it works, the same call takes the runs that nobody has begun: processes share
    a suite.

    Args:
        path: The suite's file.
        settings: What holds for every run.
        options: How runs are carried out; ``max_minutes`` is the time for all of them together.
        reporter: Tells the user.
        figures: Whether the comparison draws.

    Raises:
        GanzooError: Bad input, found before anything runs.
    """
    path, began = Path(path), time.monotonic()
    experiment.check_minutes(options.max_minutes)
    if options.inception_weights is not None:
        find_weights(options.inception_weights)
    if options.dinov2_weights is not None:
        DinoV2(options.dinov2_weights)
    session = SuiteSession(path, plan_suite(path, settings, options), settings, options, reporter, began)
    outcome = session.run()
    if not outcome.interrupted and any(run.folder.metrics.is_file() for run in session.runs):
        comparison = compare_runs(settings.results, figures=figures, console=reporter.console)
        reporter.say(f"Tables and figures are in {comparison.folder}")
    _print_end(outcome, reporter)
    return outcome


def list_suite(path: str | Path, settings: SuiteSettings, options: RunOptions, reporter: SuiteReporter) -> None:
    """Prints the runs of a suite with their state and, where it can be known, how long they take; runs nothing.

    Raises:
        GanzooError: Bad input; runs whose folders hold another run are listed first.
    """
    runs = plan_suite(Path(path), settings, options, with_conflicts=True)
    device = _device_in_words(options)
    table = Table("", "data", "recipe", "seed", "state", "time left", box=None, header_style="bold")
    for number, run in enumerate(runs, 1):
        cells = (str(number), run.config.data, run.config.recipe.name, str(run.config.seed), *_state_and_time(run, device))
        table.add_row(*map(Text, cells))
    reporter.console.print(table)
    reporter.say(in_words(runs, device))
    refuse_conflicts(Path(path), runs)


def _state_and_time(run: PlannedRun, device: str) -> tuple[str, str]:
    """How far a run is, and the time it still takes, in words."""
    if conflict := run.conflict():
        return conflict, ""
    seconds, info, state = run.seconds_left(device), run.info(), run.state()
    again = f" ({info.status})" if info and info.status in ("diverged", "failed") else ""
    return state + again, "" if state == "done" else "unknown" if seconds is None else f"about {duration(seconds)}"


class SuiteSession:
    """Carries out the runs of a suite, one after another.

    Args:
        path: The suite's file.
        runs: All its runs.
        settings: What holds for every run.
        options: How runs are carried out.
        reporter: Tells the user.
        began: ``time.monotonic()`` from which ``max_minutes`` count.
    """

    def __init__(
        self,
        path: Path,
        runs: Sequence[PlannedRun],
        settings: SuiteSettings,
        options: RunOptions,
        reporter: SuiteReporter,
        began: float,
    ) -> None:
        self.path, self.runs, self.settings, self.options, self.reporter = path, runs, settings, options, reporter
        self.deadline = None if options.max_minutes is None else began + 60 * options.max_minutes
        self.device = _device_in_words(options)
        self.records = [_record(run) for run in runs]
        self.overhead: float | None = None

    def run(self) -> SuiteOutcome:
        """Runs what is not done, in order, until all is, the time is used up, or a user stops it.

        Raises:
            GanzooError: Nothing can be written under the results.
        """
        self.reporter.say(f"ganzoo bench {self.path}: {in_words(self.runs, self.device)}")
        self._write()
        for number in range(len(self.runs)):
            if self._is_done(number):
                continue
            if not self._has_time():
                break
            try:
                stopped = self._one(number)
            except KeyboardInterrupt:
                stopped = self._interrupted(number)
            if stopped:
                return SuiteOutcome(tuple(self.records), interrupted=stopped == "interrupted")
        self._write()
        return SuiteOutcome(tuple(self.records), interrupted=False)

    def _one(self, number: int) -> str | None:
        """Carries out one run and writes down what became of it; returns why it stopped early, if it did."""
        run, began = self.runs[number], time.monotonic()
        self._announce(number)
        self.overhead = self.overhead or 0.0
        try:
            before = _train_seconds(run)
            info, state = self._carry_out(run).info, run.state()
        except InUseError:
            self._note(number, "elsewhere", None)
            self.reporter.say(f"[{number + 1}/{len(self.runs)}] is being trained by another process; left to it")
            return None
        except BaseException as error:  # also what a part of somebody else's raises to end the program
            if is_interrupt(error):
                raise
            self._fail(number, error)
            return None
        finally:
            gc.collect()  # Networks of a run hang in cycles, and device memory waits for them.
        took = time.monotonic() - began
        self.overhead = max(self.overhead, took - (info.progress.train_seconds - before))
        self._note(number, state, info.message)
        if state == "done":
            self.reporter.say(f"[{number + 1}/{len(self.runs)}] done in {duration(took)}: {run.folder.path}")
        return info.message

    def _carry_out(self, run: PlannedRun) -> experiment.RunResult:
        config, settings, options = run.config, self.settings, self.options
        if self.deadline is not None:
            options = replace(options, max_minutes=max(self.deadline - time.monotonic(), 1.0) / 60)
        return experiment.run(
            config.recipe,
            config.data,
            seed=config.seed,
            preset=config.preset,
            results=settings.results,
            data_root=settings.data_root,
            skip_bad=settings.skip_bad,
            download=settings.download,
            image_size_px=config.image_size_px,
            fit=settings.fit,
            precision=config.precision,
            split=config.split,
            score_precision=config.score_precision,
            select=config.select,
            options=options,
            reporter=self.reporter,
        )

    def _announce(self, number: int) -> None:
        run, after = self.runs[number], self.runs[number + 1 :]
        present, left = run.seconds_left(self.device), seconds_left(self.runs[number:], self.device)
        self.reporter.begin(number, len(self.runs), present, seconds_left(after, self.device) if after else 0.0)
        about = "" if left is None else f"; about {duration(left)} left in all"
        self.reporter.say(f"[{number + 1}/{len(self.runs)}] {run.name}: {self.records[number].state}{about}")

    def _is_done(self, number: int) -> bool:
        self._look_again(number)
        return self.records[number].state == "done"

    def _look_again(self, number: int) -> None:
        """Another process may have finished a run meanwhile."""
        if self.records[number].state != "done" and self.runs[number].conflict() is None and self.runs[number].state() == "done":
            self.records[number] = self.records[number].model_copy(update={"state": "done", "message": None})

    def _has_time(self) -> bool:
        """Whether another run can still start, train a little and be scored; the first always may."""
        if self.deadline is None or self.overhead is None:
            return True
        return time.monotonic() + EARLY_MARGIN * self.overhead < self.deadline

    def _fail(self, number: int, error: BaseException) -> None:
        reason = reason_in_words(error)
        self._note(number, "failed", reason)
        self.reporter.say(f"[{number + 1}/{len(self.runs)}] failed: {self.runs[number].name}: {reason}")
        if os.environ.get("GANZOO_DEBUG"):
            self.reporter.say("".join(traceback.format_exception(error)))

    def _interrupted(self, number: int) -> str:
        """Writes down a Ctrl-C outside of training, where the run could not note it itself."""
        self._note(number, self.runs[number].state(), "interrupted")
        return "interrupted"

    def _note(self, number: int, state: OutcomeState, message: str | None) -> None:
        self.records[number] = self.records[number].model_copy(update={"state": state, "message": message})
        self._write()

    def _write(self) -> None:
        for number in range(len(self.runs)):
            self._look_again(number)
        record = SuiteRecord(suite=str(self.path), updated=datetime.now(UTC).isoformat(timespec="seconds"), runs=self.records)
        try:
            write_json(self.settings.results / f"{self.path.stem}.suite.json", record)
        except OSError as error:
            raise GanzooError(f"Cannot write to {self.settings.results}: {error.strerror}. Choose other --results.") from error


def _record(run: PlannedRun) -> RunRecord:
    config = run.config
    return RunRecord(
        recipe=config.recipe.name, data=config.data, seed=config.seed, folder=str(run.folder.path), state=run.state()
    )


def _train_seconds(run: PlannedRun) -> float:
    info = run.info()
    return info.progress.train_seconds if info else 0.0


def _device_in_words(options: RunOptions) -> str:
    return describe_device(torch.device(choose_device(options.device)))


def _print_end(outcome: SuiteOutcome, reporter: SuiteReporter) -> None:
    """Says what failed and why, what is left, and how to go on; says nothing more where all is done."""
    done = len(outcome.runs) - len(outcome.failed) - len(outcome.left) - len(outcome.elsewhere)
    if done == len(outcome.runs):
        reporter.say(f"All {done} runs are done.")
        return
    why = "Interrupted. " if outcome.interrupted else "The time given by --max-minutes is used up. " if outcome.left else ""
    reporter.say(f"{why}{done} of {len(outcome.runs)} runs are done, {len(outcome.failed)} failed, {len(outcome.left)} left.")
    for run in outcome.failed:
        reporter.say(f"  failed     {run.recipe} on {run.data}, seed {run.seed}: {run.message}")
    for run in outcome.left:
        reporter.say(f"  {run.state:<9}  {run.recipe} on {run.data}, seed {run.seed}")
    for run in outcome.elsewhere:
        reporter.say(f"  elsewhere  {run.recipe} on {run.data}, seed {run.seed}: another process is training it")
    reporter.say("The same command goes on from there; what is done stays as it is.")
