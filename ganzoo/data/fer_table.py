"""FER2013 as one CSV file, ``fer2013.csv`` or ``icml_face_data.csv``, unpacked or in a zip file.

Columns: emotion (0..6), pixels (2304 numbers), Usage; the second file has spaces before the names.
"""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
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
        return files_digest([(self.file.name, self.file)])

    def read(self, class_names: Sequence[str]) -> Faces:
        try:
            with closing(self._open()) as text:
                return _read_rows(text, PurePosixPath(self.member).name or self.file.name, class_names)
        except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            raise GanzooError(f"{self.file.name} cannot be read to its end ({error}); get it again.") from error

    def facts(self) -> dict[str, Any]:
        return {
            "form": self.form,
            "files": sizes_of([self.file]),
            "num_files": 1,
            "total_bytes": self.file.stat().st_size,
            "parts_told_by": "Usage column",
        }

    def _open(self) -> TextIO:
        if not self.member:
            return self.file.open(encoding="utf-8-sig", errors="replace", newline="")
        with zipfile.ZipFile(self.file) as archive:
            # The member stays readable: zipfile closes the file only with its last reader.
            return io.TextIOWrapper(archive.open(self.member), encoding="utf-8-sig", errors="replace", newline="")


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


def _read_rows(text: TextIO, file_name: str, class_names: Sequence[str]) -> Faces:
    rows = csv.reader(text)
    columns = {title.strip().lower(): index for index, title in enumerate(next(rows, []))}
    if not {"emotion", "pixels"} <= columns.keys():
        raise GanzooError(f"{file_name} has the columns {sorted(columns)}; FER2013 needs emotion, pixels and Usage.")
    images, labels, parts, names, bad = [], [], [], [], []
    for number, row in _numbered(rows):
        name = f"{file_name} row {number}"
        try:
            label, pixels, part = _parse_row(row, columns)
        except BadItemError as error:
            bad.append(f"{name} {error}")
            continue
        if label in class_names:
            images.append(pixels)
            labels.append(label)
            parts.append(part)
            names.append(name)
    return Faces(stack_faces(images), labels, parts, names, bad)


def _numbered(rows: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Data rows with their numbers, from 1; a row that is no CSV at all comes as an empty one."""
    number = 0
    while True:
        number += 1
        try:
            yield number, next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield number, []


def _parse_row(row: list[str], columns: dict[str, int]) -> tuple[str, NDArray[np.uint8], str]:
    fields = {title: row[index].strip() if index < len(row) else "" for title, index in columns.items()}
    emotion, usage = fields["emotion"], fields.get("usage")
    if not (emotion.isdecimal() and int(emotion) < len(CSV_CLASSES)):
        raise BadItemError(f"has the unknown label '{emotion}' (allowed: 0 to {len(CSV_CLASSES) - 1})")
    pixels = _parse_pixels(fields["pixels"])
    if usage is None:
        return CSV_CLASSES[int(emotion)], pixels, UNKNOWN_PART
    if usage.lower() not in PART_OF_USAGE:
        raise BadItemError(f"has the unknown Usage '{usage}' (allowed: Training, PublicTest, PrivateTest)")
    return CSV_CLASSES[int(emotion)], pixels, PART_OF_USAGE[usage.lower()]


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
