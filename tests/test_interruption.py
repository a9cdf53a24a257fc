"""Every signal that asks for a stop gets one line and its exit code, and a second one an end at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ganzoo import interruption
from ganzoo.cli import app, carry_out
from ganzoo.interruption import Interrupted, exit_code, noted_as_wishes, raised_as_interrupted

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.05)  # Python looks for signals between two of its instructions.


@pytest.fixture(autouse=True)
def not_under_nohup() -> Iterator[None]:
    """The tests may have been started with nohup, under which SIGHUP is ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", CODES)
def test_a_signal_outside_of_training_is_one_line_with_the_way_on(
    number: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["ganzoo", "compare", "my results"])
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as end:
        carry_out(lambda: send(number))
    said = capsys.readouterr().err
    assert end.value.code == CODES[number]
    assert said == f"ganzoo: interrupted by {signal.Signals(number).name}. To go on: ganzoo compare 'my results'\n"
    assert signal.getsignal(number) is before


def test_the_library_of_the_command_line_does_not_swallow_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["ganzoo", "list", "metrics"])
    monkeypatch.setattr("ganzoo.listing.print_parts", lambda *_: send(signal.SIGTERM))
    with pytest.raises(SystemExit) as end:
        carry_out(app)
    said = capsys.readouterr()
    assert end.value.code == 143 and said.err == "ganzoo: interrupted by SIGTERM. To go on: ganzoo list metrics\n"


def test_what_was_interrupted_may_say_itself_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        try:
            send(signal.SIGINT)
        except KeyboardInterrupt as error:
            error.add_note("The same command without --if-exists overwrite goes on from there.")
            raise

    with pytest.raises(SystemExit):
        carry_out(work)
    assert capsys.readouterr().err.endswith("SIGINT. The same command without --if-exists overwrite goes on from there.\n")


TWICE = """
import os, signal, time
from ganzoo.cli import carry_out
def work():
    try:
        os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)
    finally:
        os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)
carry_out(work)
"""


def test_a_second_signal_ends_at_once() -> None:
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, check=False)
    assert ended.returncode == 143 and ended.stderr == b"" and time.monotonic() - began < 50


def test_in_training_the_first_is_a_wish_and_the_second_an_interruption() -> None:
    with pytest.raises(Interrupted, match="SIGHUP"), raised_as_interrupted(), noted_as_wishes() as wishes:
        assert wishes == []
        send(signal.SIGTERM)
        assert wishes == ["interrupted"] and exit_code() == 143
        send(signal.SIGHUP)
    assert exit_code() == 129


def test_who_was_started_with_nohup_outlives_the_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raised_as_interrupted():
            send(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_system_without_hangups_has_two_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.delattr(signal, "SIGHUP")
    spec = importlib.util.find_spec("ganzoo.interruption")
    assert spec is not None and spec.loader is not None
    elsewhere: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(elsewhere)
    assert elsewhere.SIGNALS == (signal.SIGINT, signal.SIGTERM) and len(interruption.SIGNALS) == 3


def test_another_thread_leaves_the_handlers_alone() -> None:
    import threading

    before, seen = [signal.getsignal(number) for number in CODES], []

    def work() -> None:
        with noted_as_wishes() as wishes:
            seen.append((list(wishes), [signal.getsignal(number) for number in CODES]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [([], before)]
