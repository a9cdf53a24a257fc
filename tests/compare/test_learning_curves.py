from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo.compare.collect import collect
from ganzoo.compare.figures import draw
from ganzoo.compare.histories import POINTS
from ganzoo.compare.learning_curves import learning_curves
from ganzoo.compare.tables import Table, build_table


def _table(results: Path) -> Table:
    return build_table(collect(results).groups[0])


def test_a_panel_per_total_and_raw_term_and_a_line_per_run(tmp_path: Path, make_run, add_pictures) -> None:
    for seed in range(2):
        add_pictures(make_run(seed=seed))
    figure = draw(learning_curves, _table(tmp_path))
    assert [axes.get_title() for axes in figure.axes] == ["generator: total", "generator: cycle"]
    assert [len(axes.lines) for axes in figure.axes] == [2, 2]


def test_long_histories_are_averaged_in_bins(tmp_path: Path, make_run, add_pictures) -> None:
    add_pictures(make_run())
    line = draw(learning_curves, _table(tmp_path)).axes[1].lines[0]
    assert len(line.get_xdata()) == POINTS
    # 200 rows in 60 bins: the first holds rows 0 to 3, that is images 0, 8, 16, 24 and losses 1, 1/2, 1/3, 1/4.
    assert line.get_xdata()[0] == pytest.approx(12) and line.get_ydata()[0] == pytest.approx(25 / 48)


def test_gaps_and_values_that_are_not_finite_are_left_out(tmp_path: Path, make_run) -> None:
    make_run().history.write_text("step,images,generator.total\n0,0,3\n1,8,\n2,16,inf\n3,24,1\n")
    line = draw(learning_curves, _table(tmp_path)).axes[0].lines[0]
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([0, 24], [3, 1])


@pytest.mark.parametrize("content", [b"", b"step,images\n", b"\xff\xfe\x00", b"something,else\n1,2\n"])
def test_missing_empty_or_foreign_histories_draw_nothing(tmp_path: Path, make_run, content: bytes) -> None:
    make_run().history.write_bytes(content)
    make_run(seed=1)
    assert draw(learning_curves, _table(tmp_path)) is None
