"""CSV files wherever they lie: plain, compressed, without a suffix, or in a zip or tar archive; read line by line."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TextIO, cast

from ganzoo.data.archives import ARCHIVE_ERRORS, archives_in, members, open_member
from ganzoo.data.decoding import BadItemError
from ganzoo.data.naming import is_machine_made, readable
from ganzoo.errors import GanzooError

LONGEST_LINE = 1 << 20
"""Characters of a line beyond which a file is no table of faces; a row of FER2013 has 9,300 at most."""
_QUOTED_CHARACTERS = 60
_MOST_BLANK_LINES = 1000
_HEAD_BYTES = 256
_KINDS = {
    b"\x1f\x8b": "compressed (gzip)",
    b"BZh": "compressed (bzip2)",
    b"\xfd7zXZ": "compressed (xz)",
    b"\x28\xb5\x2f\xfd": "compressed (zstd)",
    b"PK\x03\x04": "compressed (zip)",
    codecs.BOM_UTF16_LE: "text in UTF-16",
    codecs.BOM_UTF16_BE: "text in UTF-16",
}
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_SUFFIXES = (".csv", ".csv.gz", ".txt")


@dataclass(frozen=True)
class CsvFile:
    """A CSV file; ``member`` is its name inside the archive ``file``, or empty."""

    file: Path
    member: str = ""

    @property
    def name(self) -> str:
        """Its own name, without folders."""
        return readable(re.split(r"[/\\]", self.member)[-1] or self.file.name)

    @property
    def stem(self) -> str:
        """Its name in lower case without ``.csv`` or ``.csv.gz``."""
        return self.name.lower().removesuffix(".gz").removesuffix(".csv").removesuffix(".txt")

    def open(self) -> TextIO:
        """Opens it as text; what is no UTF-8 is replaced.

        Raises:
            One of ARCHIVE_ERRORS: It cannot be opened.
        """
        if self.member:
            return io.TextIOWrapper(open_member(self.file, self.member), encoding="utf-8-sig", errors="replace")
        if self._is_compressed():
            return cast(TextIO, gzip.open(self.file, "rt", encoding="utf-8-sig", errors="replace"))
        return self.file.open(encoding="utf-8-sig", errors="replace")

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """Column titles in lower case; empty where the file has no readable first line."""
        try:
            with closing(self.open()) as text:
                return titles_of(text.readline(LONGEST_LINE))
        except ARCHIVE_ERRORS:
            return ()

    def rows(self, text: TextIO) -> Iterator[tuple[int, str]]:
        """Number, from 1, and text of every line after the first; blank ones at the end are none.

        Raises:
            GanzooError: A line is so long that this is no table of faces.
        """
        number = blank = 0
        while line := text.readline(LONGEST_LINE):
            if line.isspace() and blank < _MOST_BLANK_LINES:
                blank += 1
                continue
            yield from ((number + ahead, "\n") for ahead in range(1, blank + 1))
            number, blank = number + blank + 1, 0
            if len(line) == LONGEST_LINE:
                raise GanzooError(f"{self.name} row {number} has over {LONGEST_LINE:,} characters; that is no table of faces.")
            yield number, line

    def _is_compressed(self) -> bool:
        # A file called .csv that is compressed is told so instead: it may be half of something else.
        if self.file.suffix.lower() not in ("", ".gz"):
            return False
        with self.file.open("rb") as file:
            return file.read(2) == b"\x1f\x8b"


def csv_files_in(place: Path) -> list[CsvFile]:
    """What may be a CSV file directly in a folder, by name: ``.csv``, ``.csv.gz``, ``.txt`` or no suffix."""
    files = [path for path in sorted(place.iterdir()) if _is_called_csv(path.name) and path.is_file()]
    return [CsvFile(path) for path in files]


def archived_csv_files_in(place: Path) -> list[tuple[Path, list[CsvFile]]]:
    """The same in each readable archive directly in a folder."""
    found = []
    for archive in archives_in(place):
        try:
            inside = members(archive)
        except ARCHIVE_ERRORS:
            continue
        tables = [member for member in inside if not any(map(is_machine_made, member.parts))]
        named = [CsvFile(archive, member.name) for member in tables if member.parts and _is_called_csv(member.parts[-1])]
        found.append((archive, sorted(named, key=lambda table: table.member)))
    return found


def _is_called_csv(name: str) -> bool:
    return not is_machine_made(name) and (name.lower().endswith(_SUFFIXES) or "." not in name)


def titles_of(line: str) -> tuple[str, ...]:
    """The fields of a header line, in lower case and without spaces around; none where it is no CSV."""
    try:
        return tuple(title.strip().lower() for title in fields(line))
    except BadItemError:
        return ()


def fields(line: str) -> list[str]:
    """The fields of one line, by itself: no field has a line break, so a quote left open must not join lines.

    Raises:
        BadItemError: It is no line of CSV.
    """
    try:
        return next(csv.reader([line], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise BadItemError("has a stray quote" if line.count('"') % 2 else f"is no line of CSV ({error})") from error


def kind_of(text: TextIO) -> str:
    """What a file that is open as text is instead of text in UTF-8, in words; empty if it is that."""
    text.buffer.seek(0)
    head = text.buffer.read(_HEAD_BYTES)
    if not head:
        return "empty"
    for signature, kind in _KINDS.items():
        if head.startswith(signature):
            return kind
    if _NO_TEXT.search(head) is None:
        return ""
    return "text in UTF-16" if b"emotion" in head.replace(b"\0", b"").lower() else "not text"


def quoted(text: str) -> str:
    """A text in quotes, cut where it is long."""
    return repr(text if len(text) <= _QUOTED_CHARACTERS else f"{text[:_QUOTED_CHARACTERS]}...")
