from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo.compare.collect import collect
from ganzoo.compare.edit_locality import edit_locality
from ganzoo.compare.figures import draw
from ganzoo.compare.tables import Table, build_table
from ganzoo.runs.folder import RunFolder

HEAD = "images,mouth,eyes,brows,rest,energy\n"


def _table(results: Path) -> Table:
    return build_table(collect(results).groups[0])


def _write(folder: RunFolder, text: str) -> None:
    folder.samples.mkdir(exist_ok=True)
    folder.edit_locality.write_text(text)


def test_a_panel_per_part_and_a_line_per_run(tmp_path: Path, make_run) -> None:
    _write(make_run(seed=0), HEAD + "0,,,,,0\n8,0.7,0.1,0.1,0.1,0.2\n16,0.5,0.2,0.2,0.1,0.2\n")
    _write(make_run(seed=1), HEAD + "0,0.2,0.2,0.2,0.4,0.1\n")
    make_run(seed=2)
    panels = draw(edit_locality, _table(tmp_path)).axes
    assert [axes.get_title() for axes in panels] == ["mouth", "eyes", "brows", "rest"]
    assert [len(axes.lines) for axes in panels] == [2] * 4
    mouth = panels[0].lines[0]
    assert (list(mouth.get_xdata()), list(mouth.get_ydata())) == ([8, 16], [0.7, 0.5])


@pytest.mark.parametrize("text", ["", HEAD, "something,else\n1,2\n", HEAD + "0,,,,,0\n"])
def test_missing_empty_or_foreign_tables_draw_nothing(tmp_path: Path, make_run, text: str) -> None:
    _write(make_run(), text)
    make_run(seed=1)
    assert draw(edit_locality, _table(tmp_path)) is None


def test_the_highest_point_stands_clear_of_the_frame(tmp_path: Path, make_run) -> None:
    _write(make_run(), HEAD + "0,0.40,0.2,0.1,0.3,1\n8,0.41,0.2,0.1,0.29,1\n")
    mouth = draw(edit_locality, _table(tmp_path)).axes[0]
    assert mouth.get_ylim() == pytest.approx((0, 1.05 * 0.41))
