"""What a user sees while a command works: progress bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

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

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Task]:
        """Shows the progress of a piece of work of ``total`` parts."""
        if not self.console.is_terminal or self.quiet:
            yield _PlainTask(self, name, total)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console, transient=True, refresh_per_second=4) as progress:
            yield _BarTask(progress, progress.add_task(name, total=total, note=""))


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
