"""FER2013 as one CSV file, ``fer2013.csv`` or ``icml_face_data.csv``, unpacked or in a zip file.

Columns: emotion (0..6), pixels (2304 numbers), Usage; the second file has spaces before the names. A table of emotion and
pixels alone is split by pixel hash.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from ganzoo.data.cache import files_digest
from ganzoo.data.decoding import BadItemError
from ganzoo.data.fer_sources import CSV_CLASSES, FACE_SIZE_PX, PART_OF_USAGE, Faces, FerSource, sizes_of, stack_faces, zip_files
from ganzoo.data.splitting import UNKNOWN_PART
from ganzoo.errors import GanzooError

_CSV_NAMES = ("fer2013.csv", "icml_face_data.csv")
_COLUMNS = ("emotion", "pixels", "usage")
_CLASS_OF_EMOTION = {str(number): class_name for number, class_name in enumerate(CSV_CLASSES)}
_QUOTED_CHARACTERS = 60
_LARGEST_TABLE_BYTES = 2 * 10**9
_LONGEST_LINE = 1 << 20
"""Characters; a row of FER2013 has at most 9,300."""
_MOST_BAD_ROWS = 1000
"""From as many bad rows on, if they are most of what was read, the file is told to be something else."""
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


@dataclass(frozen=True)
class _Table:
    """Faces as rows of a CSV file; ``member`` is its name inside the zip ``file``, or empty."""

    form: str
    file: Path
    member: str = ""

    def has_all(self, class_names: Sequence[str]) -> bool:
        # Told only by reading 300 MB; the loader checks the classes in any case.
        return True

    def fingerprint(self, class_names: Sequence[str]) -> str:
        size = self.file.stat().st_size
        if size > _LARGEST_TABLE_BYTES:
            raise GanzooError(f"{self.file.name} has {size / 1e9:.1f} GB; FER2013 has 0.3. Get it again.")
        self._rows(class_names, most=_MOST_BAD_ROWS)  # What is something else is told before all of it is read.
        return files_digest([(self.file.name, self.file)])

    def read(self, class_names: Sequence[str]) -> Faces:
        return self._rows(class_names)

    def _rows(self, class_names: Sequence[str], most: int | None = None) -> Faces:
        try:
            with closing(self._open()) as text:
                return _read_rows(text, self._csv_name, class_names, most)
        except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            raise GanzooError(f"{self.file.name} cannot be read to its end ({error}); get it again.") from error

    def facts(self) -> dict[str, Any]:
        with closing(self._open()) as text:
            has_usage = "usage" in _read_header(text, self._csv_name)
        return {
            "form": self.form,
            "files": sizes_of([self.file]),
            "num_files": 1,
            "total_bytes": self.file.stat().st_size,
            "parts_told_by": "Usage column" if has_usage else "no Usage column: split by pixel hash",
        }

    @property
    def _csv_name(self) -> str:
        return PurePosixPath(self.member).name or self.file.name

    def _open(self) -> TextIO:
        if not self.member:
            return self.file.open(encoding="utf-8-sig", errors="replace")
        with zipfile.ZipFile(self.file) as archive:
            # The member stays readable: zipfile closes the file only with its last reader.
            return io.TextIOWrapper(archive.open(self.member), encoding="utf-8-sig", errors="replace")


def find_csv(place: Path) -> FerSource | None:
    """The CSV file directly in ``place``, or None."""
    by_name = {path.name.lower(): path for path in sorted(place.iterdir(), reverse=True) if path.is_file()}
    return next((_Table("csv", by_name[name]) for name in _CSV_NAMES if name in by_name), None)


def find_zipped_csv(place: Path) -> FerSource | None:
    """The first zip file directly in ``place`` that holds such a CSV file, or None."""
    for path in zip_files(place):
        try:
            with zipfile.ZipFile(path) as archive:
                by_name = {PurePosixPath(member).name.lower(): member for member in archive.namelist()}
        except (OSError, zipfile.BadZipFile):
            continue
        for name in _CSV_NAMES:
            if name in by_name:
                return _Table("zipped csv", path, by_name[name])
    return None


def _read_rows(text: TextIO, file_name: str, class_names: Sequence[str], most: int | None = None) -> Faces:
    """The rows of a table, or the first ``most`` of them."""
    columns = _read_header(text, file_name)
    images, labels, parts, names, bad = [], [], [], [], []
    number = 0
    lines = iter(partial(text.readline, _LONGEST_LINE), "")
    for number, line in enumerate(islice(lines, most), start=1):
        name = f"{file_name} row {number}"
        if len(line) == _LONGEST_LINE:
            raise GanzooError(
                f"{name} has more than {_LONGEST_LINE:,} characters, which no row of FER2013 has; get the file again."
            )
        try:
            label, pixels, part = _parse_row(line, columns)
        except BadItemError as error:
            bad.append(f"{name} {error}")
            if len(bad) >= _MOST_BAD_ROWS and 2 * len(bad) > number:
                raise GanzooError(
                    f"{len(bad):,} of the first {number:,} rows are bad: {bad[0]}. Get {file_name} again."
                ) from error
            continue
        if label in class_names:
            images.append(pixels)
            labels.append(label)
            parts.append(part)
            names.append(name)
    if number == 0:
        raise GanzooError(f"{file_name} has a header and no rows; get it again.")
    return Faces(stack_faces(images), labels, parts, names, bad)


def _read_header(text: TextIO, file_name: str) -> dict[str, int]:
    """Where the columns stand that FER2013 consists of; Usage may be absent, but not go by another name."""
    line = text.readline(_LONGEST_LINE)
    try:
        titles = [title.strip().lower() for title in _fields(line)]
    except BadItemError:
        titles = []
    found = [title for title in titles if title in _COLUMNS]
    if sorted(found) == sorted(_COLUMNS) or sorted(titles) == ["emotion", "pixels"]:
        return {title: titles.index(title) for title in found}
    text.buffer.seek(0)
    if kind := _kind_of(text.buffer.read(_HEAD_BYTES)):
        raise GanzooError(f"{file_name} is {kind}; FER2013 needs plain CSV in UTF-8.")
    raise GanzooError(
        f"{file_name} begins with the line {_quoted(line.strip())}; FER2013 needs a header of emotion, pixels and Usage, "
        "each once (or of emotion and pixels alone, to be split by pixel hash)."
    )


def _kind_of(head: bytes) -> str:
    """What a file that begins so is instead of text in UTF-8, in words; empty if it is that."""
    if not head:
        return "empty"
    for signature, kind in _KINDS.items():
        if head.startswith(signature):
            return kind
    if _NO_TEXT.search(head) is None:
        return ""
    return "text in UTF-16" if b"emotion" in head.replace(b"\0", b"").lower() else "not text"


def _fields(line: str) -> list[str]:
    """The fields of one line, by itself: no field of FER2013 has a line break, so a quote left open must not join lines."""
    try:
        return next(csv.reader([line], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise BadItemError("has a stray quote" if line.count('"') % 2 else f"is no line of CSV ({error})") from error


def _parse_row(line: str, columns: dict[str, int]) -> tuple[str, NDArray[np.uint8], str]:
    row = _fields(line)
    if not row:
        raise BadItemError("is an empty line")
    fields = {title: row[index].strip() if index < len(row) else "" for title, index in columns.items()}
    emotion, usage = fields["emotion"], fields.get("usage")
    if emotion not in _CLASS_OF_EMOTION:
        raise BadItemError(f"has the unknown label {_quoted(emotion)} (allowed: 0 to {len(CSV_CLASSES) - 1})")
    pixels = _parse_pixels(fields["pixels"])
    if usage is None:
        return _CLASS_OF_EMOTION[emotion], pixels, UNKNOWN_PART
    if usage.lower() not in PART_OF_USAGE:
        raise BadItemError(f"has the unknown Usage {_quoted(usage)} (allowed: Training, PublicTest, PrivateTest)")
    return _CLASS_OF_EMOTION[emotion], pixels, PART_OF_USAGE[usage.lower()]


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _QUOTED_CHARACTERS else f"{text[:_QUOTED_CHARACTERS]}...")


def _parse_pixels(text: str) -> NDArray[np.uint8]:
    try:
        with warnings.catch_warnings():
            # Older versions of numpy only warn of what is no number.
            warnings.simplefilter("error", DeprecationWarning)
            # Five times as fast as splitting the text, which for the whole set is ten seconds.
            values = np.fromstring(text, dtype=np.int64, sep=" ")
    except (ValueError, DeprecationWarning):
        raise BadItemError("has pixels that are not whole numbers") from None
    if len(values) != FACE_SIZE_PX**2:
        raise BadItemError(f"has {len(values)} pixels, not {FACE_SIZE_PX**2}")
    if values.min() < 0 or values.max() > 255:
        raise BadItemError("has pixels outside 0..255")
    return values.astype(np.uint8).reshape(FACE_SIZE_PX, FACE_SIZE_PX)
