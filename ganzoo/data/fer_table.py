"""FER2013 as CSV: ``fer2013.csv`` or ``icml_face_data.csv``, or any file with their columns, plain, compressed or archived.

Columns: emotion (0..6), pixels (2304 numbers), Usage; the second file has spaces before the names. Without Usage, files called
after parts (``train.csv``, ``test.csv``) are these parts if each has labels; one table alone is split by pixel hash.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from numpy.typing import NDArray

from ganzoo.data.archives import ARCHIVE_ERRORS, is_zip
from ganzoo.data.cache import files_digest
from ganzoo.data.csv_files import CsvFile, archived_csv_files_in, csv_files_in, fields, kind_of, quoted, titles_of
from ganzoo.data.decoding import BadItemError
from ganzoo.data.fer_plus import PlusLabels
from ganzoo.data.fer_sources import CSV_CLASSES, FACE_SIZE_PX, PART_OF_USAGE, Faces, FerSource, sizes_of, stack_faces
from ganzoo.data.naming import part_of, short_list
from ganzoo.data.splitting import UNKNOWN_PART
from ganzoo.errors import GanzooError

_CSV_NAMES = ("fer2013.csv", "icml_face_data.csv", "fer2013.csv.gz", "icml_face_data.csv.gz")
_COLUMNS = ("emotion", "pixels", "usage")
_CLASS_OF_EMOTION = {str(number): class_name for number, class_name in enumerate(CSV_CLASSES)}
_LARGEST_TABLE_BYTES = 2 * 10**9
_MOST_BAD_ROWS = 1000
"""From as many bad rows on, if they are most of what was read, the file is told to be something else."""


@dataclass(frozen=True)
class FerTable:
    """Faces as rows of one CSV file, or of one for each part.

    Attributes:
        form: How it is stored, in words.
        parts: The files, and the part that each holds where it has no Usage column.
        unlabelled: Files of pixels without labels that lie beside them.
        plus: Labels to give to the rows instead of their own.
    """

    form: str
    parts: Mapping[CsvFile, str]
    unlabelled: Sequence[str] = ()
    plus: PlusLabels | None = None

    @property
    def left_out(self) -> Mapping[str, int]:
        return self.plus.left_out if self.plus else {}

    @property
    def remarks(self) -> Sequence[str]:
        unlabelled = [f"Without labels, and not used: {short_list(self.unlabelled)}."] if self.unlabelled else []
        return [*(self.plus.remarks if self.plus else ()), *unlabelled]

    def with_labels(self, plus: PlusLabels) -> FerTable:
        """The same faces with other labels."""
        return replace(self, plus=plus)

    def has_all(self, class_names: Sequence[str]) -> bool:
        # Told only by reading 300 MB; the loader checks the classes in any case.
        return True

    def fingerprint(self, class_names: Sequence[str]) -> str:
        for file in self._files:
            if (size := file.stat().st_size) > _LARGEST_TABLE_BYTES:
                raise GanzooError(f"{file.name} has {size / 1e9:.1f} GB; FER2013 has 0.3. Get it again.")
        parts = [] if len(self.parts) == 1 else [f"{table.name} {part}" for table, part in self.parts.items()]
        plus = [files_digest([(self.plus.table.name, self.plus.table.file)])] if self.plus else []
        return "\n".join([files_digest([(file.name, file) for file in self._files]), *parts, *plus])

    def read(self, class_names: Sequence[str]) -> Faces:
        read = [self._read_one(table, part, class_names) for table, part in self.parts.items()]
        if len(read) == 1:
            return read[0]
        return Faces(
            torch.cat([faces.images for faces in read]),
            labels=[label for faces in read for label in faces.labels],
            parts=[part for faces in read for part in faces.parts],
            names=[name for faces in read for name in faces.names],
            bad=[line for faces in read for line in faces.bad],
        )

    def facts(self) -> dict[str, Any]:
        files = self._files
        has_usage = all("usage" in table.titles for table in self.parts)
        by_name = "names of the files" if len(self.parts) > 1 else "no Usage column: split by pixel hash"
        return {
            "form": self.form,
            "files": sizes_of(files),
            "num_files": len(files),
            "total_bytes": sum(file.stat().st_size for file in files),
            "parts_told_by": "Usage column" if has_usage else by_name,
        }

    @property
    def _files(self) -> list[Path]:
        return list(dict.fromkeys(table.file for table in self.parts))

    def _read_one(self, table: CsvFile, part: str, class_names: Sequence[str]) -> Faces:
        try:
            with closing(table.open()) as text:
                return _read_rows(text, table, part, class_names, self.plus)
        except ARCHIVE_ERRORS as error:
            raise GanzooError(f"{table.file.name} cannot be read to its end ({error}); get it again.") from error


def find_csv(place: Path) -> FerSource | None:
    """The CSV file or files directly in ``place``, or None."""
    return _chosen("csv", csv_files_in(place))


def find_archived_csv(place: Path) -> FerSource | None:
    """Those in the first archive directly in ``place`` that holds any, or None."""
    found = (
        _chosen("zipped csv" if is_zip(archive) else "archived csv", tables) for archive, tables in archived_csv_files_in(place)
    )
    return next((table for table in found if table is not None), None)


def _chosen(form: str, tables: Sequence[CsvFile]) -> FerTable | None:
    """The table among CSV files: one by its name, else by its columns, else one for each part."""
    by_name = {table.name.lower(): table for table in reversed(tables)}
    unlabelled = [table.name for table in tables if "pixels" in table.titles and "emotion" not in table.titles]
    for name in _CSV_NAMES:
        if name in by_name:
            return FerTable(form, {by_name[name]: UNKNOWN_PART})
    labelled = [table for table in tables if _places_of_columns(table.titles)]
    whole = [table for table in labelled if "usage" in table.titles]
    if whole:
        return FerTable(form, {whole[0]: UNKNOWN_PART})
    parts = {table: part for table in labelled if (part := part_of(table.stem))}
    if len(set(parts.values())) > 1:
        return FerTable(form, parts, unlabelled)
    return FerTable(form, {labelled[0]: UNKNOWN_PART}, unlabelled) if labelled else None


def _places_of_columns(titles: Sequence[str]) -> dict[str, int]:
    """Where the columns stand that FER2013 consists of; Usage may be absent, but not go by another name. Empty: not FER2013."""
    found = [title for title in titles if title in _COLUMNS]
    if sorted(found) == sorted(_COLUMNS) or sorted(titles) == ["emotion", "pixels"]:
        return {title: titles.index(title) for title in found}
    return {}


def _read_rows(text: TextIO, table: CsvFile, own_part: str, class_names: Sequence[str], plus: PlusLabels | None) -> Faces:
    columns = _read_header(text, table.name)
    images, labels, parts, names, bad = [], [], [], [], []
    number = 0
    for number, line in table.rows(text):
        name = f"{table.name} row {number}"
        try:
            label, pixels, part = _parse_row(line, columns)
            if plus:
                label = plus.label_of(number, part)
        except BadItemError as error:
            bad.append(f"{name} {error}")
            if len(bad) >= _MOST_BAD_ROWS and 2 * len(bad) > number:
                raise GanzooError(
                    f"{table.name} is not FER2013: {len(bad):,} of its first {number:,} rows cannot be used, as {bad[0]}."
                ) from None
            continue
        if label in class_names:
            images.append(pixels)
            labels.append(label)
            parts.append(own_part if part == UNKNOWN_PART else part)
            names.append(name)
    if number == 0:
        raise GanzooError(f"{table.name} has a header and no rows; get it again.")
    if plus:
        plus.refuse_other_length(table.name, number)
    return Faces(stack_faces(images), labels, parts, names, bad)


def _read_header(text: TextIO, file_name: str) -> dict[str, int]:
    line = text.readline(1 << 20)
    if columns := _places_of_columns(titles_of(line)):
        return columns
    if separator := next((mark for mark in ";\t|" if _places_of_columns(titles_of(line.replace(mark, ",")))), ""):
        raise GanzooError(f"{file_name} separates its columns by {separator!r}; FER2013 needs commas. Save it anew with these.")
    if kind := kind_of(text):
        raise GanzooError(f"{file_name} is {kind}; FER2013 needs plain CSV in UTF-8.")
    raise GanzooError(
        f"{file_name} begins with the line {quoted(line.strip())}; FER2013 needs a header of emotion, pixels and Usage, "
        "each once (or of emotion and pixels alone, to be split by pixel hash)."
    )


def _parse_row(line: str, columns: dict[str, int]) -> tuple[str, NDArray[np.uint8], str]:
    row = fields(line)
    if not row:
        raise BadItemError("is an empty line")
    values = {title: row[index].strip() if index < len(row) else "" for title, index in columns.items()}
    emotion, usage = values["emotion"], values.get("usage")
    if emotion not in _CLASS_OF_EMOTION:
        raise BadItemError(f"has the unknown label {quoted(emotion)} (allowed: 0 to {len(CSV_CLASSES) - 1})")
    pixels = _parse_pixels(values["pixels"])
    if usage is None:
        return _CLASS_OF_EMOTION[emotion], pixels, UNKNOWN_PART
    if usage.lower() not in PART_OF_USAGE:
        raise BadItemError(f"has the unknown Usage {quoted(usage)} (allowed: Training, PublicTest, PrivateTest)")
    return _CLASS_OF_EMOTION[emotion], pixels, PART_OF_USAGE[usage.lower()]


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
