"""Runs on a folder of one's own: what the header says of the pictures, and what becomes of a run whose data move."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import ganzoo
from ganzoo import fonts
from ganzoo.compare.comparison import compare_runs
from ganzoo.config import read_run_config
from ganzoo.data.base import load_dataset
from ganzoo.errors import GanzooError
from ganzoo.evaluation.judge_training import train_judges
from ganzoo.experiment import RunResult, evaluate_run
from ganzoo.reporting import Reporter
from ganzoo.reproduction import reproduce
from ganzoo.runs.folder import RunFolder

TINY = ("generator.width=4", "generator.residual_blocks=1", "discriminator.width=4", "batch_size=8", "images=16")
SIDE = 32


def pictures(root: Path) -> Path:
    """A small tree in which some pictures are not square, some transparent, and some files no pictures."""
    draw = np.random.default_rng(0)
    for part, count in (("train", 8), ("val", 4), ("test", 4)):
        for name in ("生气", "高兴"):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                height = SIDE + 8 if number == 0 else SIDE
                Image.fromarray(draw.integers(0, 256, (height, SIDE), dtype=np.uint8)).save(folder / f"{number}.png")
            (folder / "notes.txt").touch()
    clear = Image.new("LA", (SIDE, SIDE), (90, 0))
    clear.putpixel((3, 3), (200, 255))
    clear.save(root / "train" / "高兴" / "clear.png")
    (root / "train" / ".ipynb_checkpoints").mkdir()
    return root


def run(data: Path, results: Path, **more: Any) -> tuple[RunResult, str]:
    """A run with what it says."""
    said = io.StringIO()
    result = ganzoo.run(
        "stargan",
        f"folder:{data}",
        preset="quick",
        changes=TINY,
        results=results,
        image_size_px=SIDE,
        device="cpu",
        precision="32",
        reporter=Reporter(Console(file=said, width=400)),
        **more,
    )
    return result, said.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pictures and with a finished run on them."""
    place = tmp_path_factory.mktemp("place")
    data = pictures(place / "faces")
    train_judges(load_dataset(f"folder:{data}", image_size_px=SIDE), epochs=0.1, scale=0.1)
    _, said = run(data, place / "results")
    (place / "said.txt").write_text(said, encoding="utf-8")
    return place


def the_run(place: Path) -> RunFolder:
    (file,) = (place / "results").rglob("run.json")
    return RunFolder(file.parent)


def test_the_header_counts_what_was_changed_and_left_out(place: Path) -> None:
    said = (place / "said.txt").read_text(encoding="utf-8")
    lines = {line.split("  ")[1].strip(): line for line in said.splitlines() if line.startswith("  ")}
    assert "--fit crop; most were 32x40): 6" in lines["changed"]
    assert "laid over mid grey where transparent: 1" in lines["changed"]
    assert "(6 .txt): 6" in lines["left out"]
    facts = the_run(place).read_info().data.facts
    assert "--fit crop" in facts["changed"] and "6 .txt" in facts["left out"]


def test_a_run_keeps_its_fit_and_is_scored_and_made_again_with_it(place: Path) -> None:
    folder = the_run(place)
    assert read_run_config(folder.config).fit == "crop"
    before = folder.read_metrics()
    assert evaluate_run(folder.path, device="cpu").metrics == before.metrics
    assert "--fit crop" in reproduce(folder, folder.read_info()).command


def test_another_fit_is_another_experiment(place: Path) -> None:
    kinds = {fit: load_dataset(f"folder:{place}/faces", image_size_px=SIDE, fit=fit) for fit in ("crop", "pad", "stretch")}
    assert len({dataset.content_hash for dataset in kinds.values()}) == 3


def test_a_finished_run_whose_data_moved_is_kept_and_found_again(place: Path) -> None:
    folder = the_run(place)
    scores = folder.metrics.read_bytes()
    old, new = place / "faces", place / "elsewhere" / "faces"
    new.parent.mkdir()
    old.rename(new)
    try:
        with pytest.raises(GanzooError, match=r"does not exist.*stay as they are.*ganzoo evaluate .* --data-root PLACE"):
            evaluate_run(folder.path, device="cpu")
        with pytest.raises(GanzooError, match=r"does not exist.*keeps 1 run on these data: 'ganzoo compare' shows them"):
            run(old, place / "results")
        again, said = run(new, place / "results")
        assert again.folder == folder.path and f"is finished already (on the same pictures, as folder:{old})." in said
        by_root, said = run(old, place / "results", data_root=new.parent)
        assert by_root.folder == folder.path and "is finished already" in said
        assert folder.metrics.read_bytes() == scores and the_run(place).path == folder.path
        assert evaluate_run(folder.path, data_root=new.parent, device="cpu").metrics
    finally:
        new.rename(old)


def test_letters_that_no_font_has_cost_one_line_and_no_warning(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fonts._found.cache_clear()
    monkeypatch.setattr(fonts, "_installed", dict)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        comparison = compare_runs(place / "results", place / "out", html=place / "page.html")
    fonts._found.cache_clear()
    assert len([note for note in comparison.notes if "No installed font has" in note]) == 1
    assert "生气" in (place / "page.html").read_text(encoding="utf-8")
