"""FER+ (Barsoum et al. 2016, "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution",
arXiv 1608.01041): ten votes for each face of FER2013, in a table ``fer2013new.csv`` whose rows are those of ``fer2013.csv``.

A face has the label that its authors' code gives it in the mode "majority": labels with a single vote are dropped, and the one
with most of the remaining votes stands if it has more than half of them. Faces without a majority, or whose majority says
*unknown* or *no face* (NF), are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ganzoo.data.archives import ARCHIVE_ERRORS
from ganzoo.data.csv_files import CsvFile, archived_csv_files_in, csv_files_in, fields, quoted
from ganzoo.data.decoding import BadItemError
from ganzoo.data.fer_sources import PART_OF_USAGE
from ganzoo.data.naming import expression_of
from ganzoo.data.splitting import UNKNOWN_PART
from ganzoo.errors import GanzooError

TABLE_NAME = "fer2013new.csv"
VOTED = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "nf")
NO_MAJORITY, NO_FACE = "unknown", "nf"
_COLUMNS = ("usage", *VOTED)


@dataclass(frozen=True)
class PlusLabels:
    """The labels of FER+ by row.

    Attributes:
        table: The file of votes.
    """

    table: CsvFile

    @property
    def remarks(self) -> Sequence[str]:
        """What a user should know, one line each."""
        return [f"Labels are the majorities of FER+'s votes ({self.table.name})."]

    @property
    def left_out(self) -> Mapping[str, int]:
        """Faces without one of the eight expressions, by reason."""
        counts = Counter(label for label, _ in self._rows)
        reasons = {"faces without a majority of FER+'s votes": NO_MAJORITY, "pictures that show no face by FER+'s votes": NO_FACE}
        return {reason: counts[label] for reason, label in reasons.items() if counts[label]}

    def label_of(self, number: int, part: str) -> str:
        """The label of row ``number``, from 1, of a face that its own table has in ``part``.

        Raises:
            GanzooError: The two tables do not belong together.
        """
        if number > len(self._rows):
            raise self._other_table(f"there is no row {number} in it")
        label, usage = self._rows[number - 1]
        if part not in (usage, UNKNOWN_PART):
            raise self._other_table(f"row {number} is of {usage} there, of {part} here")
        return label

    def refuse_other_length(self, name: str, number: int) -> None:
        """Raises a GanzooError if a table of ``number`` rows does not have as many as this."""
        if number != len(self._rows):
            raise self._other_table(f"it has {len(self._rows):,} rows, {name} has {number:,}")

    @cached_property
    def _rows(self) -> list[tuple[str, str]]:
        """Label (an expression, ``unknown`` or ``nf``) and part of every row."""
        if lacking := [title for title in _COLUMNS if title not in self.table.titles]:
            raise GanzooError(
                f"{self.table.name} has no column {', '.join(lacking)}; get it again from github.com/microsoft/FERPlus."
            )
        try:
            with closing(self.table.open()) as text:
                text.readline()
                return [self._parsed(number, line) for number, line in self.table.rows(text)]
        except ARCHIVE_ERRORS as error:
            raise GanzooError(f"{self.table.file.name} cannot be read to its end ({error}); get it again.") from error

    def _parsed(self, number: int, line: str) -> tuple[str, str]:
        try:
            row = dict(zip(self.table.titles, (value.strip() for value in fields(line)), strict=True))
            votes = {title: int(row[title]) for title in VOTED}
            if min(votes.values()) < 0:
                raise ValueError("no number of votes")
            return majority(votes), PART_OF_USAGE[row["usage"].lower()]
        except (BadItemError, KeyError, ValueError):
            raise GanzooError(f"{self.table.name} row {number} is no row of votes: {quoted(line.strip())}.") from None

    def _other_table(self, why: str) -> GanzooError:
        return GanzooError(f"{self.table.name} does not belong to this FER2013, whose rows must be its rows: {why}.")


def majority(votes: Mapping[str, int]) -> str:
    """The expression that most votes say, ``unknown`` where there is no majority, or ``nf``.

    Args:
        votes: Number of votes for each of `VOTED`.
    """
    kept = {title: votes[title] if votes[title] > 1 else 0 for title in VOTED}
    first = max(VOTED, key=lambda title: kept[title])
    if 2 * kept[first] <= sum(kept.values()):
        return NO_MAJORITY
    return expression_of(first) or first


def find_plus_table(place: Path) -> CsvFile | None:
    """The table of FER+ directly in ``place`` or in an archive there, known by its columns, else by its name, or None."""
    archived = [table for _, tables in archived_csv_files_in(place) for table in tables]
    tables = [*csv_files_in(place), *archived]
    by_columns = (table for table in tables if set(_COLUMNS) <= set(table.titles))
    return next(by_columns, next((table for table in tables if table.name.lower() == TABLE_NAME), None))
