"""Reading what a run keeps for pictures, however damaged: in words what is wrong, never an error."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ganzoo.compare.groups import plain
from ganzoo.errors import GanzooError
from ganzoo.reading import read_bytes

T = TypeVar("T")
LARGEST_BYTES = 2**30
LARGEST_NUMBER = 1e30
"""What is larger draws nothing: sums, squares and the limits of axes would overflow."""
REGIONS = ("mouth", "eyes", "brows", "rest")
"""Columns of the places of edits."""
VERDICTS = ("source_index", "target", "predicted", "p_target")
"""Columns of ``per_image.parquet`` that say what the judges see; a run without judges has not all of them."""


def attempt(file: Path, read: Callable[[BinaryIO], T]) -> T | str | None:
    """What ``read`` makes of a file; in one line why it cannot; None where there is no such file."""
    if not os.path.lexists(file):
        return None
    try:
        return read(io.BytesIO(read_bytes(file, LARGEST_BYTES)))
    except GanzooError as error:
        return plain(error)
    except Exception as error:  # Of a damaged file, readers raise whatever the corners of its format hold.
        return f"{file.name} cannot be read ({type(error).__name__}: {plain(error)[:120]})"


def read_numbers(file: Path, needed: Sequence[str]) -> pd.DataFrame | str | None:
    """The rows of a table of numbers that have all that is needed; other cells may be NaN. None where it has none yet.

    Args:
        file: CSV.
        needed: Columns without which a row tells nothing; the first is a count.
    """

    def read(content: BinaryIO) -> pd.DataFrame | None:
        cells: pd.DataFrame = pd.read_csv(content, on_bad_lines="skip", encoding_errors="replace", low_memory=False)
        if missing := [name for name in needed if name not in cells]:
            raise ValueError(f"it has no column {', '.join(missing)}")
        table = cells.apply(pd.to_numeric, errors="coerce").astype("float64")
        table = table.where(table.abs() <= LARGEST_NUMBER, np.nan)
        counted = table[needed[0]] >= 0
        whole: pd.DataFrame = table.loc[counted].dropna(subset=list(needed))
        if len(whole):
            return whole
        # No rows yet, or empty cells where nothing was edited, are no damage.
        if not counted.all() or (cells.notna() & table.isna()).any(axis=None):
            raise ValueError("none of its rows is whole")
        return None

    return attempt(file, read)


def read_verdicts(file: Path) -> pd.DataFrame | str | None:
    """What the judges see in each face, columns :data:`VERDICTS`, whole rows alone; None where the run had no judges."""

    def read(content: BinaryIO) -> pd.DataFrame | None:
        table = pq.ParquetFile(content)
        if not set(VERDICTS) <= set(table.schema_arrow.names):
            table.read()  # Read all the same, so that damage shows.
            return None
        rows: pd.DataFrame = table.read(columns=list(VERDICTS)).to_pandas().apply(pd.to_numeric, errors="coerce").dropna()
        return rows.loc[rows.abs().max(axis=1) < 2**53]

    return attempt(file, read)
