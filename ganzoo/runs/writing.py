"""The one way in which a file is replaced: whole or not at all, whatever moment a kill or a full disk chooses."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

Write = Callable[[Path], object]
"""Fills the file that it is given."""
DISK_FULL = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name))
"""What the system says where there is no room left, on the disk or for this user."""
_TEMPORARY = re.compile(r"\.[^.]+\.\d+(\.\w+)?")


def write_atomically(path: Path, write: Write, before: Callable[[Path], object] | None = None) -> None:
    """Lets ``write`` fill a temporary file beside ``path``, flushes it to disk, then renames it to ``path``.

    Args:
        path: Replaced; its folder is made where need be.
        write: Fills a file.
        before: Sees the complete file before it is renamed.

    Raises:
        OSError: It cannot be written; the error names ``path``, and what was there before is whole.
    """
    write_together({path: write}, None if before is None else lambda temporaries: before(temporaries[path]))


def write_together(writes: Mapping[Path, Write], before: Callable[[Mapping[Path, Path]], object] | None = None) -> None:
    """The same for files that belong together: where one of them cannot be written, none is replaced."""
    for path in writes:
        if not path.name:  # "." or "/"
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporaries = {path: path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}") for path in writes}
    try:
        for path, write in writes.items():
            with naming(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                write(temporaries[path])
                with open(temporaries[path], "rb+") as file:
                    os.fsync(file.fileno())
        if before is not None:
            before(temporaries)
        for path, temporary in temporaries.items():
            with naming(path):
                os.replace(temporary, path)
    finally:
        for temporary in temporaries.values():
            with suppress(OSError):  # Left there, it goes with the next writer; why it was not written says more.
                temporary.unlink(missing_ok=True)


def overwrite(path: Path, text: str) -> None:
    """Writes over a small text file where it lies, which takes no room on a full disk; blanks fill what was longer.

    It is one call of the system, so that a kill finds it done or not begun; a power cut may not. For records of which an
    outdated one would mislead, where `write_atomically` has no room.
    """
    with open(path, "rb+", buffering=0) as file:
        file.write(text.encode().ljust(os.fstat(file.fileno()).st_size))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the system name this file: some name none, others a temporary one."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise OSError(errno.EIO, str(error), str(path)) from error
        raise OSError(error.errno, error.strerror or os.strerror(error.errno), str(path)) from error


def remove_leftovers(folder: Path) -> None:
    """Takes away the temporary files of writers that were killed; nobody may be writing in the folder now."""
    for file in folder.rglob(".*"):
        if _TEMPORARY.fullmatch(file.name) and not file.is_dir():
            file.unlink()
