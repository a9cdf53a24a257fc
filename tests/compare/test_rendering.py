from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from ganzoo.compare.collect import collect
from ganzoo.compare.rendering import show, to_latex, to_markdown
from ganzoo.compare.tables import Table, build_table
from ganzoo.runs.schema import MetricInfo

AWKWARD = "a|b <script>_50%&#${x}"


def _shown(results: Path, width: int = 140, colours: bool = False) -> str:
    found = collect(results)
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=colours, color_system="standard" if colours else None)
    show(console, [build_table(group) for group in found.groups], found.problems)
    return screen.getvalue()


def _tables(results: Path) -> list[Table]:
    return [build_table(group) for group in collect(results).groups]


def test_the_terminal_shows_rows_controls_marks_and_problems(tmp_path: Path, make_run) -> None:
    make_run(recipe="stargan", scores={"fid": None}, reasons={"fid": "no weights"})
    make_run(recipe="dcgan", scored=False, status="diverged", message="nan at step 7")
    text = _shown(tmp_path)
    for part in ("fer4 · protocol eeeeeeee", "FID ↓", "acc ↑", "stargan", "–ᵃ", "ᵃ FID: no weights", "no-edit", "8.41 M"):
        assert part in text
    assert "diverged" in text and "nan at step 7" in text


def test_controls_stand_below_a_rule(tmp_path: Path, make_run) -> None:
    make_run()
    lines = _shown(tmp_path).splitlines()
    model, control = (next(at for at, line in enumerate(lines) if line.strip().startswith(name)) for name in ("stargan", "real"))
    assert control == model + 2 and set(lines[model + 1].strip()) == {"─"}


def test_the_best_is_bold(tmp_path: Path, make_run) -> None:
    make_run(recipe="a", scores={"acc": 0.8})
    make_run(recipe="b", scores={"acc": 0.6})
    text = _shown(tmp_path, colours=True)
    assert "\x1b[1;32m0.800" in text and "\x1b[1;32m0.600" not in text


def test_a_long_heading_is_folded_not_cut(tmp_path: Path, make_run, monkeypatch: pytest.MonkeyPatch) -> None:
    long = MetricInfo(label="expression accuracy", direction="higher", ranked=True)
    monkeypatch.setattr("ganzoo.compare.groups.Group.metric_info", {"acc": long})
    make_run()
    lines = [line.split() for line in _shown(tmp_path).splitlines()]
    assert ["expression"] in lines and ["recipe", "seeds", "accuracy", "↑"] in lines


def test_names_are_not_taken_for_markup(tmp_path: Path, make_run) -> None:
    make_run(recipe="[red]x[/red] [bold]")
    assert "[red]x[/red] [bold]" in _shown(tmp_path)


@pytest.mark.parametrize("width", [60, 80, 140])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(tmp_path: Path, make_run, width: int) -> None:
    for seed in range(3):
        make_run(recipe="a_very_long_recipe_name_that_a_sweep_has_made_up", seed=seed, scores={"fid": 40.0 + seed})
    text = _shown(tmp_path, width)
    assert max(map(len, text.splitlines())) <= width
    assert "40.00–42.00" in text and "0.0300–0.0300" in text and "…" not in text


def test_markdown_escapes_names_and_marks_the_best(tmp_path: Path, make_run) -> None:
    make_run(recipe=AWKWARD, scores={"acc": 0.8})
    make_run(recipe="b", scores={"acc": 0.6})
    page = to_markdown(_tables(tmp_path), [], [("metrics", "fer4_metrics.png")])
    row = next(line for line in page.splitlines() if "script" in line and "0.8" in line)
    assert row.startswith(r"| a\|b &lt;script&gt;\_50%&amp;\#\${x} ◆ | 1 |") and "**0.800**" in row
    assert "<script>" not in page and "![metrics](fer4_metrics.png)" in page
    table = [line for line in page.splitlines() if line.startswith("|")][:6]
    assert {line.replace(r"\|", "").count("|") for line in table} == {7}


def test_markdown_gives_ranges_footnotes_and_problems(tmp_path: Path, make_run) -> None:
    make_run(seed=0, scores={"acc": 0.6, "fid": None}, reasons={"fid": "no weights"})
    make_run(seed=1, scores={"acc": 0.8, "fid": None}, reasons={"fid": "no weights"})
    make_run(seed=2, scored=False, status="diverged", message="nan | at step 7")
    page = to_markdown(_tables(tmp_path), collect(tmp_path).problems)
    assert "0.700 (0.600–0.800)" in page and "–<sup>a</sup>" in page and "* <sup>a</sup> FID: no weights" in page
    assert r"nan \| at step 7" in page


def test_latex_escapes_names_and_uses_booktabs(tmp_path: Path, make_run) -> None:
    make_run(recipe=AWKWARD, scores={"acc": 0.8})
    make_run(recipe="b~^\\", scores={"acc": 0.6})
    text = to_latex(_tables(tmp_path))
    assert r"a\textbar{}b \textless{}script\textgreater{}\_50\%\&\#\$\{x\} $\diamond$ & 1 &" in text
    assert r"b\textasciitilde{}\textasciicircum{}\textbackslash{} & 1 &" in text
    assert r"\textbf{0.800}" in text and r"FID $\downarrow$" in text
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 2, 1]
    assert text.count("{") == text.count("}")


def test_latex_rows_have_as_many_cells_as_columns(tmp_path: Path, make_run) -> None:
    make_run(seed=0)
    make_run(seed=1, scores={"fid": None})
    rows = [line for line in to_latex(_tables(tmp_path)).splitlines() if line.endswith(r"\\")]
    assert {row.replace(r"\&", "").count("&") for row in rows} == {5}


def _six_seeds(make_run) -> None:
    for recipe, acc in (("alpha", 0.9), ("beta", 0.503), ("gamma", 0.5)):
        for seed in range(6):
            make_run(recipe=recipe, seed=seed, scores={"acc": acc + 0.002 * seed, "fid": 40.0 + seed})


@pytest.mark.parametrize("width", [80, 120])
def test_ranks_ties_and_front_fit_the_terminal(tmp_path: Path, make_run, width: int) -> None:
    _six_seeds(make_run)
    text = _shown(tmp_path, width)
    assert max(map(len, text.splitlines())) <= width
    assert "alpha ◆" in text and "rank 1 A" in text and text.count("rank 2–3 B") == 2 and "Pareto front" in text


def test_markdown_and_latex_give_ranks_ties_and_front(tmp_path: Path, make_run) -> None:
    _six_seeds(make_run)
    page, paper = to_markdown(_tables(tmp_path), []), to_latex(_tables(tmp_path))
    assert "0.508 (0.503–0.513; rank 2–3 B)" in page and "| alpha ◆ |" in page and "more seeds would tell" in page
    assert r"{\scriptsize rank 2--3 B}" in paper and r"alpha $\diamond$" in paper and "more seeds would tell" in paper
    rows = [line for line in paper.splitlines() if line.endswith(r"\\")]
    assert {row.count("&") for row in rows} == {5}


def test_intervals_of_one_seed_stand_in_brackets(tmp_path: Path, make_run) -> None:
    make_run(intervals={"acc": (0.68, 0.72)})
    assert "[0.680–0.720]" in _shown(tmp_path, 80)
    assert r"0.700 (\[0.680–0.720\])" in to_markdown(_tables(tmp_path), [])
    assert r"{\scriptsize [0.680--0.720]}" in to_latex(_tables(tmp_path))
