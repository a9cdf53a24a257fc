"""Tables of a run as CSV: read however damaged, and written so that no cell is a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError
from ganzoo.reading import read_bytes

LARGEST_TABLE_BYTES = 2**30
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a formula begins with, for one spreadsheet or another; the last four are the full-width forms of the first."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_COUNT = re.compile("[0-9]{1,18}")


def as_text(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe before it.

    Numbers stay what they are, be they written as text; so does everything that is no text.
    """
    if not isinstance(value, str) or not value.startswith(_FORMULA) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}"


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], header: bool = True) -> str:
    """Rows as text, each line ended by CR LF; columns without a value stay empty, values without a column are left out."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", restval="")
    if header:
        writer.writerow({name: as_text(name) for name in columns})
    writer.writerows({name: as_text(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def read_rows(path: Path, columns: Sequence[str], counter: str) -> tuple[list[dict[str, str]], str | None]:
    """The sound rows of a table: as many cells as columns, and a number to count by; a last line cut off by a kill is none.

    Args:
        path: May be missing, which makes no rows.
        columns: Those that the table should have.
        counter: The column that counts.

    Returns:
        The rows, and in one line what was wrong; None where nothing was. Cells of other columns are left out, those of missing
        ones are empty.
    """
    if not path.exists():
        return [], None
    try:
        content = read_bytes(path, LARGEST_TABLE_BYTES)
    except GanzooError as error:
        return [], str(error)
    head, *lines = content[: content.rfind(b"\n") + 1].splitlines() or [b""]
    written = {as_text(name): name for name in columns}
    names = [written.get(name, name) for name in _cells(head) or []]
    if counter not in names:
        return [], f"{path} is damaged: its first line does not name the columns."
    rows: list[dict[str, str]] = []
    for line in lines:
        cells = _cells(line)
        if cells is None or len(cells) != len(names):
            continue
        row = dict(zip(names, cells, strict=True))
        if _COUNT.fullmatch(row[counter]):
            rows.append({name: row.get(name, "") for name in columns})
    lost = len(lines) - len(rows)
    return rows, f"{path} is damaged: {lost} of its {len(lines)} rows cannot be read." if lost else None


def _cells(line: bytes) -> list[str] | None:
    """The cells of a line of text; None where it is none."""
    try:
        return next(csv.reader([line.decode()], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return None
