"""The page: what is on it, that everything foreign is escaped, and that it asks nothing of any network."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import ganzoo.compare.report as report
from ganzoo.cli import app, main
from ganzoo.compare.collect import collect
from ganzoo.compare.comparison import compare_runs
from ganzoo.compare.report import pictures, render, write_report
from ganzoo.compare.report.charts import nice_ticks
from ganzoo.compare.tables import build_table
from ganzoo.errors import GanzooError
from ganzoo.runs.folder import RunFolder

VOID = {"meta", "img", "input", "br"}
AWKWARD = "<script>alert(1)</script>\"'&lt;{{ 7 * 7 }}"


class Page(HTMLParser):
    """A page as its elements (tag, attributes, text below), with a check that they are nested well."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self.open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(text)
        assert not self.open, f"never closed: {[tag for tag, _, _ in self.open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, {name: value or "" for name, value in attrs}, [])
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1][0] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for _, _, words in self.open:
            words.append(data)

    def all(self, tag: str, **wanted: str) -> list[tuple[dict[str, str], str]]:
        """(attributes, text) of every such element; ``class_="x"`` looks for one of its classes."""
        classes = wanted.pop("class_", "")
        return [
            (attributes, " ".join("".join(words).split()))
            for name, attributes, words in self.elements
            if name == tag
            and all(attributes.get(key) == value for key, value in wanted.items())
            and (not classes or classes in attributes.get("class", "").split())
        ]


def _page(results: Path) -> Page:
    found = collect(results)
    return Page(render(found, [build_table(group) for group in found.groups]))


def test_every_part_is_there_under_headings_in_order(whole: Path) -> None:
    page = _page(whole)
    levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))
    words = [text for _, text in page.all("h3")]
    assert words == [
        "Ranking", "Accuracy and identity", "Faces", "Through training", "Confusion", "Losses", "Cost", "Run it again",
    ]  # fmt: skip
    identifiers = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    links = [attributes["href"] for attributes, _ in page.all("a")]
    assert {link[1:] for link in links} <= set(identifiers)


def test_nothing_outside_the_page_is_asked_for(whole: Path) -> None:
    page = _page(whole)
    policy = next(attributes["content"] for attributes, _ in page.all("meta") if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'; img-src data:; ") and "unsafe" not in policy and "http" not in policy
    for kind in ("style", "script"):
        ((_, attributes, words),) = [element for element in page.elements if element[0] == kind]
        assert attributes == {}
        digest = base64.b64encode(hashlib.sha256("".join(words).encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    for _, attributes, _ in page.elements:
        assert not any(name.startswith("on") for name in attributes) and "style" not in attributes
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert re.match(r"#|data:image/png;base64,[A-Za-z0-9+/=]+$", attributes.get(name, "#"))
    assert not re.search(r"url\(|@import|https?:", "".join("".join(words) for tag, _, words in page.elements if tag == "style"))


def test_pictures_controls_and_plots_say_what_they_are(whole: Path) -> None:
    page = _page(whole)
    assert all("alt" in attributes for attributes, _ in page.all("img"))
    # Pictures in labels are named by their label's words; all others by themselves.
    assert sum(attributes["alt"] == "" for attributes, _ in page.all("img")) == 5
    for attributes, _ in page.all("svg"):
        assert attributes.get("aria-hidden") == "true" or attributes.get("aria-label") or attributes.get("aria-labelledby")
    labelled = {attributes.get("for") for attributes, _ in page.all("label")}
    for attributes, _ in page.all("input", type="range"):
        assert attributes.get("aria-label") or attributes.get("id") in labelled
    for attributes, _ in page.all("div", role="region"):
        assert attributes["tabindex"] == "0" and (attributes.get("aria-label") or attributes.get("aria-labelledby"))
    for tag, attributes, _ in page.elements:
        if tag == "th":
            assert attributes["scope"] in ("col", "row", "rowgroup")
    ((attributes, _),) = page.all("html")
    assert attributes["lang"] == "en"


def test_the_ranking_has_scores_controls_marks_and_sort_keys(whole: Path) -> None:
    page = _page(whole)
    text = next(text for attributes, text in page.all("table", class_="scores"))
    for part in ("0.700 best", "0.600–0.800", "Controls", "no-edit", "FID ↓, lower is better", "acc ↑, higher is better"):
        assert part in text
    keys = [attributes["data-key"] for attributes, _ in page.all("th") if "data-key" in attributes]
    assert keys[:6] == ["name", "seeds", "fid", "acc", "l1_cycle", "l1_edit"]
    rows = [attributes["data-value"] for attributes, _ in page.all("th", scope="row") if "data-value" in attributes]
    assert rows == ["stargan", "dcgan"] * 2


def test_the_wall_shows_every_translation_with_the_judges_verdict(whole: Path) -> None:
    page = _page(whole)
    faces = [attributes for attributes, _ in page.all("img", width="96")]
    assert len(faces) == 5 * 4 * 3
    verdicts = [text for _, text in page.all("span", class_="verdict")]
    assert verdicts[:4] == ["seen as happyangry 0.75", "happy 0.75", "seen as happyneutral 0.75", "seen as happysad 0.75"]
    assert len(page.all("tr", class_="further")) == 5
    with np.load(whole / "fer4" / "stargan" / ("a" * 8) / "seed_0" / "gallery.npz") as arrays:
        wanted = arrays["translations"][0, 0, 0]
    shown = Image.open(io.BytesIO(base64.b64decode(faces[0]["src"].partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(shown), wanted)


def test_the_training_pictures_are_cut_to_a_few_faces_at_their_own_size(whole: Path) -> None:
    frames = [attributes for attributes, _ in _page(whole).all("img") if "data-said" in attributes]
    assert [frame["data-said"] for frame in frames[:3]] == ["0 images", "100 images", "200 images"]
    assert ["hidden" in frame for frame in frames] == [True, True, False] * 2
    with Image.open(io.BytesIO(base64.b64decode(frames[1]["src"].partition(",")[2]))) as picture:
        assert picture.mode == "L" and picture.size == (6 * 96, 4 * 96) and picture.getpixel((5, 5)) == 40


def test_commands_and_records_are_there(whole: Path) -> None:
    page = _page(whole)
    assert "ganzoo run stargan --data fer4 --precision 32 --seed 0 --seed 1" in [text for _, text in page.all("code")]
    assert sum('"format": "ganzoo-run/1"' in text for _, text in page.all("pre")) == 3


def test_what_went_wrong_is_listed(whole: Path) -> None:
    ((_, text),) = _page(whole).all("table", class_="problems")
    assert "nan at step 7" in text and "diverged" in text and "running" in text
    assert "sngan-pd" in text and "unreadable" in text


def test_names_classes_and_messages_are_words_and_never_markup(tmp_path: Path, make_run, add_pictures, sample_grids) -> None:
    folder = make_run(recipe=AWKWARD, data=AWKWARD, judge_note=AWKWARD, scores={"fid": None}, reasons={"fid": AWKWARD})
    make_run(recipe="b", data=AWKWARD, status="failed", message=AWKWARD, scored=False)
    make_run(recipe="c", data=AWKWARD, eval="f" * 64, protocol={AWKWARD: AWKWARD})
    for file in (folder.info, folder.metrics):
        file.write_text(file.read_text().replace('"angry"', '"<img src=x onerror=alert(1)>"'))
    add_pictures(folder)
    with np.load(folder.gallery) as arrays:
        kept = dict(arrays)
    np.savez(folder.gallery, **kept | {"class_names": np.array(["<img src=x onerror=alert(1)>", "happy", "neutral", "sad"])})
    sample_grids(folder)
    page = _page(tmp_path)
    assert len(page.all("script")) == 1
    assert not [attributes for attributes, _ in page.all("img") if "onerror" in attributes or attributes["src"] == "x"]
    assert AWKWARD in "".join("".join(words) for tag, _, words in page.elements if tag == "main")
    assert "49" not in "".join(text for _, text in page.all("h2"))


def test_tables_of_different_protocols_stand_apart_and_say_what_differs(tmp_path: Path, make_run) -> None:
    make_run(seed=0)
    make_run(seed=1)
    make_run(recipe="dcgan", eval="f" * 64, protocol={"version": 2, "judge": {"hash": "d" * 64}})
    page = _page(tmp_path)
    assert [text for _, text in page.all("h2")] == ["fer4 · protocol eeeeeeee", "fer4 · protocol ffffffff"]
    assert "version12" in " ".join(text for _, text in page.all("table", class_="small"))


def test_a_dataset_may_bear_the_name_of_a_part_of_the_page(tmp_path: Path, make_run) -> None:
    for data in ("page", "main", "problems", "fer4", "fer4-ranking"):
        make_run(data=data)
    make_run(recipe="b", scored=False)
    identifiers = [attributes["id"] for _, attributes, _ in _page(tmp_path).elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


def test_without_scores_or_pictures_there_is_still_a_page(tmp_path: Path, make_run) -> None:
    make_run(scored=False, status="stopped", message="--max-minutes 1")
    page = _page(tmp_path)
    assert "No run here has scores yet." in page.all("main")[0][1] and "--max-minutes 1" in page.all("main")[0][1]


@pytest.mark.parametrize("damage", ["gallery", "per_image", "samples", "history", "config"])
def test_a_damaged_file_costs_only_its_part(whole: Path, damage: str) -> None:
    for run in whole.rglob("seed_*"):
        folder = RunFolder(run)
        for file in folder.samples.glob("*.png") if damage == "samples" else [getattr(folder, damage)]:
            if file.exists():
                file.write_bytes(b"PK\x03\x04 cut off")
    page = _page(whole)
    rows = [attributes["data-value"] for attributes, _ in page.all("th", scope="row") if "data-value" in attributes]
    assert rows == ["stargan", "dcgan"] * 2
    if damage == "config":
        assert any("config.yaml" in text for _, text in page.all("p", class_="note"))
    if damage == "per_image":
        assert page.all("span", class_="verdict") == [] and len(page.all("img", width="96")) == 60


def test_pictures_beyond_the_limit_are_counted(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one_row = sum(len(attributes["src"]) for attributes, _ in _page(whole).all("img", width="96")[:20])
    monkeypatch.setattr("ganzoo.compare.report.content.FACES_BYTES", int(1.5 * one_row))
    page = _page(whole)
    assert len(page.all("img", width="96")) == 20
    assert "Not shown, no room left on this page: dcgan seed 0, stargan seed 1." in [
        text for _, text in page.all("p", class_="note")
    ]


def test_of_many_models_the_first_are_shown_whole(tmp_path: Path, make_run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo.compare.report.content.DETAILED", 10)
    for at in range(50):
        make_run(recipe=f"model{at}", scores={"acc": at / 100})
    page = _page(tmp_path)
    assert len(page.all("details", class_="origin")) == 10 and len(page.all("table", class_="heat")) == 10
    rows = [attributes["data-value"] for attributes, _ in page.all("th", scope="row") if "data-value" in attributes]
    assert len(rows) == 100 and rows[0] == "model49"
    assert any("40 more have scores and costs alone" in text for _, text in page.all("p", class_="note"))
    assert any("Show all 50 rows" in text for _, text in page.all("label"))


def test_it_is_written_by_the_command_line_and_twice_alike(whole: Path, tmp_path: Path) -> None:
    file = tmp_path / "out" / "page.html"
    for _ in range(2):
        done = CliRunner().invoke(app, ["compare", str(whole), "--html", str(file)])
        assert done.exit_code == 0, done.output
        written = file.read_bytes()
    assert written == file.read_bytes() and [path.name for path in file.parent.iterdir()] == ["page.html"]
    assert "The page is" in done.output and not list((whole / "comparison").glob("*.png"))


def test_figures_can_be_had_beside_the_page(tmp_path: Path, make_run) -> None:
    make_run()
    found = compare_runs(tmp_path, figures=True, html=tmp_path / "page.html")
    assert tmp_path / "page.html" in found.files and any(file.suffix == ".png" for file in found.files)


def test_a_place_that_cannot_be_written_is_one_line_and_exit_code_2(tmp_path: Path, make_run, monkeypatch, capsys) -> None:
    make_run()
    (tmp_path / "taken").write_text("a file")
    for place in (tmp_path / "taken" / "page.html", tmp_path):
        monkeypatch.setattr(sys, "argv", ["ganzoo", "compare", str(tmp_path), "--html", str(place)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr().err
        assert end.value.code == 2 and said.count("\n") == 1
        assert f"Cannot write the page to {place}" in said and "--html" in said


def test_writing_fails_with_the_reason(tmp_path: Path, make_run) -> None:
    make_run()
    with pytest.raises(GanzooError, match="Cannot write the page to .*: Is a directory. Name another file with --html"):
        write_report(tmp_path, collect(tmp_path), [])


def test_it_needs_neither_torch_nor_matplotlib(whole: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from ganzoo.compare.comparison import compare_runs\n"
        "where = Path(sys.argv[1]); compare_runs(where, figures=False, html=where / 'page.html')\n"
        "assert not {'torch', 'seaborn', 'matplotlib'} & set(sys.modules)"
    )
    root = Path(report.__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", script, str(whole)], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-3, 7, [-2, 0, 2, 4, 6]),
        (0, 0.013, [0, 0.005, 0.01]),
        (5, 5, [5]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == pytest.approx(ticks)


def test_the_budget_ends_at_the_first_that_finds_no_room() -> None:
    budget = pictures.Budget(10)
    assert budget.allows(["xxxx"]) and not budget.allows(["x" * 7]) and not budget.allows(["x"])
