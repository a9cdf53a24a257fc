"""Ctrl-C, and a system that asks the process to end: a stop in words wherever it comes, and a second one ends it at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Those that ask; Windows has no SIGHUP."""
INTERRUPTED = "interrupted"
"""The message of a run that a signal stopped."""
_latest: int = signal.SIGINT


class Interrupted(KeyboardInterrupt):
    """A signal asked the process to stop, outside of what can be finished first."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(signal.Signals(number).name)


def exit_code() -> int:
    """Of a process that stopped because of a signal, as shells give it: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + _latest


def latest_signal() -> str:
    """Name of the signal that came last; SIGINT where none was seen."""
    return signal.Signals(_latest).name


@contextmanager
def raised_as_interrupted() -> Iterator[None]:
    """The first signal raises :class:`Interrupted`, wherever the program is; another, while it finishes, ends it at once."""
    came: list[int] = []

    def stop(number: int) -> None:
        if came:
            if sys.stdout is not None and sys.stdout.isatty():
                os.write(sys.stdout.fileno(), b"\x1b[?25h\n")  # A progress bar has hidden the cursor.
            os._exit(exit_code())
        came.append(number)
        raise Interrupted(number)

    with _handled_by(stop):
        yield


@contextmanager
def noted_as_wishes() -> Iterator[list[str]]:
    """The first signal becomes a wish to stop, for who can finish something first; another raises :class:`Interrupted`.

    Yields:
        The wishes so far: none, or ``interrupted``.
    """
    wishes: list[str] = []

    def stop(number: int) -> None:
        if wishes:
            raise Interrupted(number)
        wishes.append(INTERRUPTED)

    with _handled_by(stop):
        yield wishes


@contextmanager
def _handled_by(stop: Callable[[int], None]) -> Iterator[None]:
    def handle(number: int, frame: FrameType | None) -> None:
        global _latest
        _latest = number
        stop(number)

    before = {}
    try:
        for number in SIGNALS:
            # Whoever started the process with nohup wants it to outlive its terminal.
            if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handle)
    except ValueError:  # Only the main thread may set handlers; elsewhere the caller's own stay.
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
