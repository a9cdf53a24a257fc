"""A file is replaced whole or not at all, and errors of the disk name it."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ganzoo.runs.writing import overwrite, remove_leftovers, write_atomically, write_together
from ganzoo.training.checkpoint import save_checkpoint

KILLED = """
import os, signal, sys
from pathlib import Path
from ganzoo.runs import writing
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "in the middle":
    writing.write_atomically(Path(sys.argv[1]), lambda file: (file.write_text("ne"), kill()))
setattr(os, sys.argv[2], kill)
writing.write_atomically(Path(sys.argv[1]), lambda file: file.write_text("new"))
"""


@pytest.mark.parametrize("moment", ["in the middle", "fsync", "replace"])
def test_a_kill_leaves_the_file_as_it_was(moment: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text("old")
    ended = subprocess.run([sys.executable, "-c", KILLED, str(file), moment], check=False)
    assert ended.returncode == -signal.SIGKILL and file.read_text() == "old"
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [file]


def refuse(number: int) -> None:
    raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_what_the_disk_refuses_is_named_and_the_old_file_stays(number: int, tmp_path: Path) -> None:
    file = tmp_path / "metrics.json"
    file.write_text("old")
    with pytest.raises(OSError, match=r"metrics\.json'$") as said:
        write_atomically(file, lambda _: refuse(number))
    assert said.value.errno == number and os.strerror(number) in str(said.value)
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]


def test_of_files_that_belong_together_none_is_replaced_where_one_is_refused(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("old")
    with pytest.raises(OSError, match="b'$"):
        write_together({first: lambda file: file.write_text("new"), second: lambda _: refuse(errno.ENOSPC)})
    assert first.read_text() == "old" and list(tmp_path.iterdir()) == [first]


def test_an_error_without_a_number_is_told_with_the_file_too(tmp_path: Path) -> None:
    def fail(_: Path) -> None:
        raise OSError("encoder error -2")

    with pytest.raises(OSError, match=r"encoder error -2: .*images\.png"):
        write_atomically(tmp_path / "images.png", fail)


def test_a_checkpoint_that_is_too_large_for_the_disk_is_told_in_the_words_of_the_system(tmp_path: Path) -> None:
    file = tmp_path / "last.pt"
    save_checkpoint(file, {"step": 1})
    before, limits = file.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: .*last\.pt"):
            save_checkpoint(file, {"weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]


def test_writing_over_a_file_takes_no_room(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text('{"status": "running"}\n')
    overwrite(file, '{"a": 1}')
    assert file.read_text() == '{"a": 1}'.ljust(22)
