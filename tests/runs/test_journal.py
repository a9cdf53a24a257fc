"""Weights have their hash in run.json, and no moment of a kill leaves the two at odds."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path

import pytest

from ganzoo.errors import GanzooError
from ganzoo.runs import journal as module
from ganzoo.runs.folder import RunFolder
from ganzoo.runs.journal import RunJournal, check_weights
from ganzoo.runs.schema import DataFacts, Environment, RunInfo


@pytest.fixture
def journal(tmp_path: Path) -> RunJournal:
    """The record of a run whose generator was written once."""
    info = RunInfo(
        recipe="stargan",
        fingerprint="a" * 64,
        seed=0,
        status="running",
        started="",
        data=DataFacts(name="synth4", content_hash="c", class_names=["happy", "sad"], counts={}),
        environment=Environment(ganzoo="0", python="3", packages={}, device="", precision="32", threads=1, command=""),
    )
    opened = RunJournal(RunFolder(tmp_path), info)
    opened.note()
    write(opened, b"first")
    return opened


def write(journal: RunJournal, content: bytes) -> None:
    journal.write_weights(journal.folder.generator, lambda file: file.write_bytes(content))


def check(folder: RunFolder) -> None:
    check_weights(folder, folder.read_info(), folder.generator, "Train again.")


def test_the_hash_of_the_file_alone_is_noted_in_the_end(journal: RunJournal) -> None:
    write(journal, b"second")
    info = journal.note(status="finished")
    assert info.weights == {"generator.safetensors": [hashlib.sha256(b"second").hexdigest()]}
    assert journal.folder.read_info() == info


class Killed(BaseException):
    """As a kill: nothing of the program runs after it that would tidy up."""


@pytest.mark.parametrize("survivor", [b"first", b"second"])
@pytest.mark.parametrize("moment", range(8))
def test_wherever_it_is_killed_the_file_that_lies_there_is_sound(
    moment: int, survivor: bytes, journal: RunJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))

    def counted(name: str) -> None:
        real = getattr(os, name)

        def call(*arguments: object) -> object:
            if next(calls) == moment:
                raise Killed
            result = real(*arguments)
            if next(calls) == moment:
                raise Killed
            return result

        monkeypatch.setattr(os, name, call)

    counted("fsync")
    counted("replace")
    with suppress(Killed):
        write(journal, b"second")
    monkeypatch.undo()
    check(journal.folder)
    # And the run that goes on from there may be killed too.
    again = RunJournal(journal.folder, journal.folder.read_info())
    again.note(status="running")
    check(journal.folder)
    write(again, survivor)
    check(journal.folder)


def test_one_changed_bit_is_noticed(journal: RunJournal) -> None:
    file = journal.folder.generator
    check(journal.folder)
    file.write_bytes(b"fjrst")
    with pytest.raises(GanzooError, match=r"generator\.safetensors is damaged: its SHA-256 .* Train again\.$"):
        check(journal.folder)
    file.unlink()
    with pytest.raises(GanzooError, match=r"Cannot read .*generator\.safetensors: No such file.* Train again\.$"):
        check(journal.folder)


def test_nothing_is_asked_of_runs_that_noted_no_hash(journal: RunJournal) -> None:
    journal.note(weights={})
    journal.folder.generator.write_bytes(b"anything")
    check(journal.folder)


def test_why_a_run_failed_is_written_on_a_full_disk_too(journal: RunJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_json", full)
        journal.note_end(status="failed", message="[Errno 28] No space left on device: 'last.pt'")
    assert journal.folder.read_info() == journal.info and journal.info.status == "failed"
