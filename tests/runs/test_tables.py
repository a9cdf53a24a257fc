"""Cells that a spreadsheet would take for formulas are text; numbers stay numbers."""

from __future__ import annotations

import csv
import io

import pytest

from ganzoo.runs.tables import as_csv, as_text


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "-", "-angry", "\uff1d1"]
)
def test_a_formula_becomes_text(text: str) -> None:
    assert as_text(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-1", "+2.5", "-1e-07", "-.5", "stargan", "", "a=b", -1, -0.25, None, True])
def test_numbers_and_plain_words_stay(value: object) -> None:
    assert as_text(value) is value


def test_heads_and_cells_are_written_so() -> None:
    text = as_csv(["step", "=x"], [{"step": "-1", "=x": "=y", "other": 3}, {"step": -2.5}])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["step", "'=x"], ["-1", "'=y"], ["-2.5", ""]]
