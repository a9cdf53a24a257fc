"""What a user sees while a command works: progress bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Task as Row
from rich.table import Column
from rich.text import Text

PLAIN_LINE_SECONDS = 15.0


class Task(Protocol):
    """A piece of work under way."""

    def update(self, completed: int, note: str = "") -> None:
        """Says how much is done, and perhaps how it goes."""
        ...

    def show(self, what: str, completed: int, total: int) -> None:
        """Says what part of the work is being done, and how much of that part."""
        ...


class Reporter:
    """Tells a person what happens.

    Args:
        console: Where it goes; standard output where left out.
        quiet: Say nothing.
    """

    def __init__(self, console: Console | None = None, quiet: bool = False) -> None:
        self.console = console or Console(quiet=quiet, highlight=False)
        self.quiet = quiet or self.console.quiet

    def say(self, text: str) -> None:
        """Prints a line."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def expect(self, seconds: float) -> None:
        """Hears how long a run that begins will take; whoever shows more than one run makes use of it."""

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Task]:
        """Shows the progress of a piece of work of ``total`` parts."""
        if not self.console.is_terminal or self.quiet:
            yield _PlainTask(self, name, total)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[note]}"),
        )
        progress = Progress(*columns, console=self.console, transient=True, refresh_per_second=4)
        with self._shown(progress):
            yield _BarTask(progress, progress.add_task(name, total=total, note=""))

    @contextmanager
    def _shown(self, progress: Progress) -> Iterator[None]:
        with progress:
            yield


class SuiteReporter(Reporter):
    """Tells of the runs of a suite: on a terminal the whole suite has a bar of its own above that of the present run."""

    def __init__(self, console: Console | None = None, quiet: bool = False) -> None:
        super().__init__(console, quiet)
        self._done = self._total = 0
        self._began = time.monotonic()
        self._present: float | None = None
        self._others: float | None = None

    def begin(self, done: int, total: int, present: float | None, others: float | None) -> None:
        """Hears that a run begins, and how many seconds it and those after it will take, where known."""
        self._done, self._total, self._present, self._others = done, total, present, others
        self._began = time.monotonic()

    def expect(self, seconds: float) -> None:
        """Takes the present run's own word for how long it will take."""
        self._present = time.monotonic() - self._began + seconds

    def seconds_left(self) -> float | None:
        """About how long the suite still takes; None if unknown."""
        if self._present is None or self._others is None:
            return None
        return max(self._present - (time.monotonic() - self._began), 0.0) + self._others

    @contextmanager
    def _shown(self, progress: Progress) -> Iterator[None]:
        suite = Progress(
            TextColumn("suite"), BarColumn(bar_width=24), MofNCompleteColumn(), _SuiteLeft(self), console=self.console
        )
        suite.add_task("suite", total=self._total, completed=self._done)
        with Live(Group(suite, progress), console=self.console, transient=True, refresh_per_second=4):
            yield


class _SuiteLeft(ProgressColumn):
    def __init__(self, reporter: SuiteReporter) -> None:
        super().__init__()
        self._reporter = reporter

    def render(self, task: Row) -> Text:
        seconds = self._reporter.seconds_left()
        return Text("" if seconds is None else f"about {duration(seconds)} left")


class _BarTask:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def update(self, completed: int, note: str = "") -> None:
        if note:
            self._progress.update(self._task, completed=completed, note=note)
        else:
            self._progress.update(self._task, completed=completed)

    def show(self, what: str, completed: int, total: int) -> None:
        self._progress.update(self._task, description=what, completed=completed, total=total)


class _PlainTask:
    def __init__(self, reporter: Reporter, name: str, total: int) -> None:
        self._reporter, self._name, self._total = reporter, name, total
        self._started = self._printed = time.monotonic()
        self._first: int | None = None
        self._note = ""

    def update(self, completed: int, note: str = "") -> None:
        now = time.monotonic()
        self._note = note or self._note
        if self._first is None:
            self._first = completed
        if now - self._printed < PLAIN_LINE_SECONDS:
            return
        self._printed = now
        done = completed - self._first
        left = f", {duration((self._total - completed) * (now - self._started) / done)} left" if done > 0 else ""
        self._reporter.say(f"{self._name} {completed}/{self._total}{left}{'  ' + self._note if self._note else ''}")

    def show(self, what: str, completed: int, total: int) -> None:
        if what != self._name or total != self._total:
            self._name, self._total, self._first, self._note = what, total, completed, ""
            self._started = time.monotonic()
        self.update(completed)


def duration(seconds: float) -> str:
    """A time in words: ``45 s``, ``12 min``, ``3.5 h``, ``2.1 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
