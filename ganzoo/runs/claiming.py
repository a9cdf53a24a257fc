"""Having a run folder to oneself: made, locked, emptied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ganzoo.errors import GanzooError, InUseError
from ganzoo.runs.folder import RunFolder


@contextmanager
def made(path: Path) -> Iterator[None]:
    """The run folder, made where it is not there; what was made for a run that then wrote nothing is taken away again."""
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GanzooError(f"Cannot make the run folder {path}: {error.strerror}.") from error
    try:
        yield
    finally:
        with suppress(OSError):  # The first that holds something ends it.
            for folder in new:
                folder.rmdir()


def empty(folder: RunFolder) -> None:
    """Empties a run folder; cut off on the way, it is still the old run, or one of which nothing is left to go on from."""
    first = (folder.checkpoints, folder.info)
    for entry in sorted(folder.path.iterdir(), key=lambda entry: first.index(entry) if entry in first else len(first)):
        if entry.name == ".lock":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    lock = FileLock(folder.path / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InUseError(f"{folder.path} is being trained by another process; wait for it or choose other --results.") from None
    try:
        yield
    finally:
        if [entry.name for entry in folder.path.iterdir()] == [".lock"]:
            (folder.path / ".lock").unlink()
        lock.release()
