"""Reads zip and tar archives alike: which members they have, and their contents."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

from ganzoo.data.decoding import LARGEST_PICTURE_BYTES, BadItemError, is_picture, too_large
from ganzoo.data.naming import is_machine_made, path_parts
from ganzoo.errors import shortened

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
    state = path.stat()
    return _tar_members(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)
def _tar_members(path: Path, mtime_ns: int, size: int) -> list[Member]:
    """Found by reading all of it, and so only once."""
    with tarfile.open(path) as tar:
        return [Member(info.name, _checksum(tar, info)) for info in _walked(tar) if not info.isdir()]


def _walked(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members of a tar in their order; what only a bomb unpacks to is refused before it is unpacked."""
    for info in tar:
        if info.offset_data + info.size > _LARGEST_TAR_BYTES or (is_picture(info.name) and info.size > LARGEST_PICTURE_BYTES):
            raise tarfile.ReadError(f"{shortened(info.name)} has {info.size / 1e9:.1f} GB")
        yield info


def _checksum(tar: tarfile.TarFile, info: tarfile.TarInfo) -> int:
    content = _extracted(tar, info) if is_picture(info.name) else b""
    return 0 if isinstance(content, BadItemError) else zlib.crc32(content)


def _extracted(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes | BadItemError:
    """The content of a picture in a tar, links to others there included."""
    try:
        member = tar.extractfile(info)
    except KeyError:
        return BadItemError(f"is a link to {shortened(info.linkname)}, which is not in the archive")
    if member is None:
        return BadItemError("is no plain file")
    content = member.read(LARGEST_PICTURE_BYTES + 1)
    return content if len(content) <= LARGEST_PICTURE_BYTES else too_large()


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
                is_large = archive.getinfo(name).file_size > LARGEST_PICTURE_BYTES
                yield name, too_large() if is_large else archive.read(name)
            except ARCHIVE_ERRORS as error:
                yield name, _unreadable(path, error)


def _tar_contents(path: Path, wanted: set[str]) -> Iterator[tuple[str, bytes | BadItemError]]:
    with tarfile.open(path) as tar:
        for info in tar:
            if info.name in wanted and not info.isdir():
                yield info.name, _extracted(tar, info)


def _unreadable(path: Path, error: BaseException) -> BadItemError:
    return BadItemError(f"cannot be read from {path.name} ({error})")
