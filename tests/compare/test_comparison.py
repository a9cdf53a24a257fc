from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

import ganzoo.compare.comparison as comparison
from ganzoo.compare.comparison import compare_runs, show_run
from ganzoo.errors import GanzooError
from ganzoo.runs.schema import MetricInfo

FIGURES = ("metrics", "accuracy_identity", "confusion", "learning_curves", "edit_locality", "contact_sheet")


def test_everything_is_written_and_listed(tmp_path: Path, make_run, add_pictures) -> None:
    for recipe in ("stargan", "dcgan"):
        add_pictures(make_run(recipe=recipe))
    found = compare_runs(tmp_path)
    wanted = ["runs.csv", "comparison.csv", "pairs.csv", "comparison.md", "comparison.tex"]
    wanted += [f"fer4_{name}.{kind}" for name in FIGURES for kind in ("png", "svg")]
    assert found.folder == tmp_path / "comparison" and found.notes == ()
    assert [path.name for path in found.files] == wanted
    assert sorted(path.name for path in found.folder.iterdir()) == sorted(wanted)
    assert all(path.stat().st_size > 100 for path in found.files)


def test_the_output_is_not_taken_for_a_run_and_a_second_call_gives_the_same(tmp_path: Path, make_run, add_pictures) -> None:
    add_pictures(make_run())
    first = {path: path.read_bytes() for path in compare_runs(tmp_path).files}
    again = compare_runs(tmp_path)
    assert again.problems == () and {path: path.read_bytes() for path in again.files} == first


def test_tables_alone_draw_nothing(tmp_path: Path, make_run) -> None:
    make_run()
    found = compare_runs(tmp_path, tmp_path / "elsewhere", figures=False)
    assert {path.suffix for path in found.files} == {".csv", ".md", ".tex"}
    assert {path.parent for path in found.files} == {tmp_path / "elsewhere"}


def test_the_csv_holds_the_scores_unrounded(tmp_path: Path, make_run) -> None:
    make_run(scores={"acc": 0.123456789})
    found = compare_runs(tmp_path, figures=False)
    assert pd.read_csv(found.folder / "runs.csv").query("metric == 'acc'").value.tolist() == [0.123456789]
    written = pd.read_csv(found.folder / "comparison.csv").astype(found.summary.dtypes)
    pd.testing.assert_frame_equal(written, found.summary)


def test_secondary_metrics_stand_in_the_csv_and_in_tables_where_they_are_asked_for(tmp_path: Path, make_run) -> None:
    kid = MetricInfo(label="KID", direction="lower", ranked=False, headline=False)
    make_run(scores={"kid": 0.02}, info={"kid": kid}, controls={"real": {"acc": 0.9, "kid": 0.001}})
    found, everything = (
        compare_runs(tmp_path, figures=False),
        compare_runs(tmp_path, tmp_path / "all", figures=False, all_metrics=True),
    )
    assert "KID" not in (found.folder / "comparison.md").read_text() + (found.folder / "comparison.tex").read_text()
    assert "KID ↓" in (everything.folder / "comparison.md").read_text(encoding="utf-8")
    for name in ("runs.csv", "comparison.csv"):
        assert "kid" in set(pd.read_csv(found.folder / name).metric)
        assert (found.folder / name).read_bytes() == (everything.folder / name).read_bytes()


def test_several_protocols_give_several_tables_and_figures(tmp_path: Path, make_run) -> None:
    make_run(seed=0)
    make_run(seed=1)
    make_run(recipe="dcgan", eval="f" * 64, protocol={"version": 2})
    found = compare_runs(tmp_path)
    names = {path.name for path in found.files}
    assert len(found.tables) == 2 and {"fer4_metrics.png", "fer4_ffffffff_metrics.png"} <= names
    assert "What differs: version (1 there, 2 here)" in (found.folder / "comparison.md").read_text(encoding="utf-8")


def test_what_a_figure_lacks_is_said(tmp_path: Path, make_run) -> None:
    make_run()
    notes = compare_runs(tmp_path).notes
    assert any("no learning curves" in note for note in notes) and any("no gallery.npz" in note for note in notes)


def test_runs_without_any_scores_are_shown_as_such(tmp_path: Path, make_run) -> None:
    make_run(scored=False, status="diverged", message="nan at step 7")
    screen = io.StringIO()
    found = compare_runs(tmp_path, console=Console(file=screen, width=120))
    assert found.tables == () and "nan at step 7" in screen.getvalue()
    assert "nan at step 7" in (found.folder / "comparison.md").read_text(encoding="utf-8")


def test_one_run_alone_is_shown_with_its_controls_and_nothing_is_written(tmp_path: Path, make_run) -> None:
    folder = make_run(status="stopped", message="--max-minutes 1").path
    before = sorted(folder.iterdir())
    screen = io.StringIO()
    show_run(folder, console=Console(file=screen, width=120))
    for part in ("stargan (stopped)", "0.700", "no-edit"):
        assert part in screen.getvalue()
    assert sorted(folder.iterdir()) == before


def test_one_run_without_scores_says_why(tmp_path: Path, make_run) -> None:
    screen = io.StringIO()
    show_run(make_run(scored=False, status="failed", message="no space left").path, console=Console(file=screen, width=120))
    assert "seed_0" in screen.getvalue() and "no space left" in screen.getvalue()


def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path, make_run) -> None:
    make_run()
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(GanzooError, match="Cannot write the comparison to .*taken.*another folder with --out"):
        compare_runs(tmp_path, tmp_path / "taken", figures=False)


def test_comparing_never_loads_torch_and_tables_need_no_seaborn(tmp_path: Path, make_run, add_pictures) -> None:
    add_pictures(make_run())
    script = (
        "import sys; from pathlib import Path; from ganzoo.compare.comparison import compare_runs\n"
        "where = Path(sys.argv[1]); compare_runs(where, figures=False)\n"
        "assert not {'torch', 'seaborn', 'matplotlib'} & set(sys.modules)\n"
        "compare_runs(where); assert 'torch' not in sys.modules and 'seaborn' in sys.modules"
    )
    root = Path(comparison.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_folder_full_of_trouble_breaks_nothing(tmp_path: Path, make_run, add_pictures) -> None:
    add_pictures(make_run())
    add_pictures(make_run(recipe="<script>alert(1)</script>", scores={"acc": 0.6}))
    add_pictures(make_run(under="reference", scores={"acc": 0.65}))
    make_run(seed=1, scored=False, status="failed", message="disk full")
    cut = make_run(seed=2)
    cut.metrics.write_bytes(cut.metrics.read_bytes()[:100])
    cut = make_run(seed=3)
    cut.info.write_bytes(cut.info.read_bytes()[:100])
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "fer4" / "run.json").mkdir()
    (tmp_path / "fer4" / "metrics.json").write_bytes(bytes(range(256)))
    screen = io.StringIO()
    found = compare_runs(tmp_path, console=Console(file=screen, width=120))
    (table,) = found.tables
    assert [row.label for row in table.models] == ["<script>alert(1)</script>", "stargan", "stargan (reference)"]
    assert sorted(table.statistics.rankings["acc"].order) == [row.label for row in table.models]
    assert sorted(problem.status for problem in found.problems) == ["failed", "unreadable", "unreadable", "unreadable"]
    assert "disk full" in screen.getvalue() and "<script>" not in (found.folder / "comparison.md").read_text(encoding="utf-8")


def test_no_cell_of_a_csv_file_is_a_formula_and_numbers_stay_numbers(tmp_path: Path, make_run) -> None:
    for seed in range(6):
        for recipe in ("=HYPERLINK(1)", "@b"):
            make_run(recipe=recipe, seed=seed, data="+data", scores={"acc": -0.5 - seed}, reasons={"acc": "-because"})
    comparison = compare_runs(tmp_path, figures=False)
    for name in ("runs.csv", "comparison.csv", "pairs.csv"):
        frame = pd.read_csv(comparison.folder / name, dtype=str, keep_default_na=False)
        assert len(frame)
        for cell in frame.to_numpy().flatten():
            assert cell[:1] not in tuple("=+-@\t\r") or float(cell) < 0, (name, cell)
    runs = pd.read_csv(comparison.folder / "runs.csv")
    assert set(runs.recipe) == {"'=HYPERLINK(1)", "'@b"} and runs.query("metric == 'acc'").value.min() == -5.5
