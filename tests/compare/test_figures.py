from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from ganzoo.compare.collect import collect
from ganzoo.compare.figures import accuracy_identity, confusion, draw, metrics, save, short
from ganzoo.compare.tables import Table, build_table
from ganzoo.fonts import Font, Fonts


def _table(results: Path) -> Table:
    return build_table(collect(results).groups[0])


def test_metrics_has_a_panel_per_metric_a_bar_per_recipe_and_a_point_per_seed(tmp_path: Path, make_run) -> None:
    for seed, acc in enumerate([0.6, 0.8]):
        make_run(recipe="a", seed=seed, scores={"acc": acc})
    make_run(recipe="b", scores={"acc": 0.5})
    figure = draw(metrics, _table(tmp_path))
    panel = next(axes for axes in figure.axes if axes.get_title() == "acc ↑")
    assert [axes.get_title() for axes in figure.axes] == ["FID ↓", "acc ↑", "L1 cycle ↓", "L1 edit"]
    assert [bar.get_width() for bar in panel.patches] == pytest.approx([0.7, 0.5])
    points = [line.get_xdata() for line in panel.lines if line.get_marker() == "o"]
    assert [list(values) for values in points] == [[0.6, 0.8], [0.5]]
    controls = [line.get_xdata()[0] for line in panel.lines if line.get_linestyle() != "None"]
    assert controls == pytest.approx([0.9, 0.05])
    assert panel.get_xlabel() == "share · higher is better"
    assert "n = 1–2 seeds" in figure.get_suptitle()


def test_a_missing_metric_leaves_a_word_in_its_place(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", scores={"fid": None})
    make_run(recipe="b")
    panel = draw(metrics, _table(tmp_path)).axes[0]
    assert [text.get_text() for text in panel.texts] == ["not available"]


def test_accuracy_identity_takes_fid_for_colour_or_the_judges_distance(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", scores={"fd_judge": 2.0})
    make_run(recipe="b", scores={"fd_judge": 3.0, "acc": 0.3})
    with_fid = draw(accuracy_identity, _table(tmp_path))
    make_run(recipe="b", scores={"fid": None, "fd_judge": 3.0, "acc": 0.3})
    without = draw(accuracy_identity, _table(tmp_path))
    assert with_fid.axes[1].get_ylabel() == "FID ↓" and without.axes[1].get_ylabel() == "fd_judge"
    words = [text.get_text() for text in without.axes[0].texts]
    assert words == ["real (held-out faces)", "no-edit (source unchanged)", "a ◆", "b"]


def test_accuracy_identity_names_do_not_cover_one_another(tmp_path: Path, make_run) -> None:
    for at in range(5):
        make_run(recipe=f"a_rather_long_name_{at}", scores={"acc": 0.5 + 0.001 * at})
    figure = draw(accuracy_identity, _table(tmp_path))
    figure.draw_without_rendering()
    # Without the thread to its point, which may cross another name.
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts if text.get_text().startswith("a_")]
    assert len(boxes) == 5
    assert not any(one.overlaps(other) for at, one in enumerate(boxes) for other in boxes[:at])


def test_without_identity_there_is_no_such_figure(tmp_path: Path, make_run) -> None:
    make_run(scores={"l1_cycle": None})
    assert draw(accuracy_identity, _table(tmp_path)) is None


def test_confusion_adds_seeds_and_shows_percent_of_each_target(tmp_path: Path, make_run) -> None:
    make_run(seed=0)
    make_run(seed=1)
    axes = draw(confusion, _table(tmp_path)).axes[0]
    shares = np.asarray(axes.collections[0].get_array()).reshape(4, 4)
    assert shares[0] == pytest.approx([70, 10, 10, 10])
    assert [text.get_text() for text in axes.texts[:4]] == ["70", "10", "10", "10"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["angry", "happy", "neutral", "sad"]


def test_a_dollar_in_a_name_is_no_formula(tmp_path: Path, make_run) -> None:
    make_run(recipe=r"price$\frac$")
    for name, make in (("metrics", metrics), ("accuracy", accuracy_identity), ("confusion", confusion)):
        save(draw(make, _table(tmp_path)), tmp_path / name)
        assert (tmp_path / f"{name}.png").exists()


def test_saving_gives_the_same_bytes_twice_in_both_formats(tmp_path: Path, make_run) -> None:
    make_run()
    first = [path.read_bytes() for path in save(draw(metrics, _table(tmp_path)), tmp_path / "first")]
    again = [path.read_bytes() for path in save(draw(metrics, _table(tmp_path)), tmp_path / "again")]
    assert first == again
    assert b"<svg" in first[1]
    with Image.open(tmp_path / "first.png") as picture:
        assert round(picture.info["dpi"][0]) == 150
        assert np.asarray(picture.convert("L")).std() > 10


def test_long_names_are_shortened_in_the_middle() -> None:
    assert short("stargan") == "stargan"
    assert short("x" * 40 + "_end").endswith("_end") and len(short("x" * 40 + "_end")) <= 30


def test_every_seed_has_its_interval_as_an_error_bar(tmp_path: Path, make_run) -> None:
    make_run(seed=0, scores={"acc": 0.6}, intervals={"acc": (0.55, 0.65)})
    make_run(seed=1, scores={"acc": 0.8})
    figure = draw(metrics, _table(tmp_path))
    panel = next(axes for axes in figure.axes if axes.get_title() == "acc ↑")
    (points,) = [line for line in panel.lines if line.get_marker() == "o"]
    (bar,) = [line for line in panel.lines if list(line.get_xdata()) == [0.55, 0.65]]
    assert list(bar.get_ydata()) == [points.get_ydata()[0]] * 2
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "one seed, 95 % bootstrap interval over source faces" in words


def test_a_metric_that_discriminates_nothing_says_so_in_its_panel(tmp_path: Path, make_run) -> None:
    make_run(scores={"acc": 0.01})
    panel = next(axes for axes in draw(metrics, _table(tmp_path)).axes if axes.get_title() == "acc† ↑")
    assert panel.get_xlabel() == "share · higher is better\n† no model beats no-edit"


def test_rows_on_the_front_are_marked_beside_their_points(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", scores={"acc": 0.9})
    make_run(recipe="b")
    axes = draw(accuracy_identity, _table(tmp_path)).axes[0]
    assert {"a ◆", "b"} <= {text.get_text() for text in axes.texts} and "Pareto front" in axes.get_title(loc="left")
    assert axes.get_ylabel() == "acc ↑  (expression; share)" and axes.get_xlabel() == "L1 cycle ↓  (identity)"


def test_names_in_any_script_are_drawn_without_a_warning(tmp_path: Path, make_run) -> None:
    make_run(recipe="生气")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(draw(metrics, _table(tmp_path)), tmp_path / "figure")
    fonts = Fonts(more=(Font("DejaVu Serif", "", frozenset("生")),))
    figure = draw(metrics, _table(tmp_path), fonts)
    assert any("DejaVu Serif" in text.get_fontfamily() for text in figure.findobj(Text))
