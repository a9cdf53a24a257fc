"""Reads zip and tar archives alike: which members they have, and their contents."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ganzoo.data.decoding import BadItemError, is_picture
from ganzoo.data.naming import is_machine_made, path_parts

ARCHIVE_ERRORS = (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, RuntimeError)
"""What reading a damaged or encrypted archive raises."""
_TAR_SUFFIXES = (".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
# A tar has no list of its members: to know them, all of it is read.
_LARGEST_TAR_BYTES = 2 << 30


@dataclass(frozen=True)
class Member:
    """One file in an archive.

    Attributes:
        name: As the archive spells it.
        checksum: CRC-32 of a picture's content.
    """

    name: str
    checksum: int

    @property
    def parts(self) -> tuple[str, ...]:
        """Its folders and its file name."""
        return path_parts(self.name)


def archives_in(place: Path) -> list[Path]:
    """The archives directly in a folder, by name; those without a suffix are known by their contents."""
    files = [path for path in sorted(place.iterdir()) if not is_machine_made(path.name) and path.is_file()]
    return [path for path in files if is_zip(path) or _is_tar(path)]


def is_zip(path: Path) -> bool:
    """Whether a file is to be read as a zip archive; one that is damaged is still called so."""
    return path.suffix.lower() == ".zip" or (not path.suffix and zipfile.is_zipfile(path))


def _is_tar(path: Path) -> bool:
    is_named_so = path.name.lower().endswith(_TAR_SUFFIXES)
    if path.stat().st_size > _LARGEST_TAR_BYTES or not (is_named_so or not path.suffix):
        return False
    try:
        return is_named_so or tarfile.is_tarfile(path)
    except ARCHIVE_ERRORS:
        return False


def members(path: Path) -> list[Member]:
    """The files in an archive.

    Raises:
        One of ARCHIVE_ERRORS: It cannot be read.
    """
    if is_zip(path):
        with zipfile.ZipFile(path) as archive:
            return [Member(info.filename, info.CRC) for info in archive.infolist() if not info.filename.endswith(("/", "\\"))]
    with tarfile.open(path) as tar:
        return [Member(info.name, _checksum(tar, info)) for info in tar if info.isfile()]


def _checksum(tar: tarfile.TarFile, info: tarfile.TarInfo) -> int:
    content = tar.extractfile(info) if is_picture(path_parts(info.name)[-1]) else None
    return zlib.crc32(content.read()) if content else 0


def open_member(path: Path, name: str) -> BinaryIO:
    """Opens one member for reading from its beginning; closing it closes the archive.

    Raises:
        One of ARCHIVE_ERRORS: It cannot be read.
    """
    if is_zip(path):
        with zipfile.ZipFile(path) as archive:
            # The member stays readable: zipfile closes the file only with its last reader.
            return cast(BinaryIO, archive.open(name))
    return _TarReader(tarfile.open(path), name)


class _TarReader(io.BufferedReader):
    """A member of a tar that keeps its archive open as long as it is."""

    def __init__(self, tar: tarfile.TarFile, name: str) -> None:
        self._tar = tar
        member = tar.extractfile(name)
        if member is None:
            raise tarfile.ReadError(f"{name} is no file")
        super().__init__(member)  # type: ignore[arg-type]  # tarfile's readers are raw enough for it

    def close(self) -> None:
        super().close()
        self._tar.close()


def contents(path: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes | BadItemError]]:
    """The named members with their contents, in the order in which they lie in the archive, or why one cannot be read."""
    wanted, given = set(names), set[str]()
    try:
        for name, content in _zip_contents(path, names) if is_zip(path) else _tar_contents(path, wanted):
            given.add(name)
            yield name, content
    except ARCHIVE_ERRORS as error:
        for name in names:
            if name not in given:
                yield name, _unreadable(path, error)


def _zip_contents(path: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes | BadItemError]]:
    with zipfile.ZipFile(path) as archive:
        for name in names:
            try:
                yield name, archive.read(name)
            except ARCHIVE_ERRORS as error:
                yield name, _unreadable(path, error)


def _tar_contents(path: Path, wanted: set[str]) -> Iterator[tuple[str, bytes | BadItemError]]:
    with tarfile.open(path) as tar:
        for info in tar:
            if info.name in wanted and info.isfile() and (member := tar.extractfile(info)):
                yield info.name, member.read()


def _unreadable(path: Path, error: BaseException) -> BadItemError:
    return BadItemError(f"cannot be read from {path.name} ({error})")
