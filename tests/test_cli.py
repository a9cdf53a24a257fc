"""The command line: bad input is one line and exit code 2, and starting is quick."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torchvision.io import write_png

import ganzoo
from ganzoo.catalogue import list_recipes
from ganzoo.cli import main
from ganzoo.config import Recipe, load_recipe
from ganzoo.errors import GanzooError


def invoke(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ganzoo", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "sargan"), "Did you mean 'stargan'"),
        (("run", "stargan", "--set", "batchsize=4"), "Did you mean 'batch_size'"),
        (("run", "stargan", "--set", "generator=cdcgan"), "starts from noise"),
        (("run", "stargan", "--seed", "0", "--seed", "18446744073709551616"), "--seed must be below 2**63"),
        (("identity", "train", "--out", "nowhere", "--seed", "18446744073709551616"), "--seed must be below 2**63"),
        (
            ("show", "stargan", "--set", "generator=no_such_module:Thing"),
            "ganzoo: Cannot import 'no_such_module' for a generator",
        ),
        (("show", "nothing.yaml"), "does not exist"),
        (("data", "check", "folder:nowhere"), "nowhere"),
        (("data", "check", "fer4", "--data-root", "nowhere"), "nowhere"),
        (("evaluate", "nowhere"), "is not a run"),
        (("compare", "nowhere"), "nowhere"),
        (("show", "x" * 400), "File name too long"),
        (("profile", "stargan", "--data", "folder:nowhere"), "nowhere"),
        (("list", "recipes", "--plugin", "nowhere.py"), "nowhere.py does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("ganzoo: ") and error.count("\n") == 1 and words in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory"), "Out of memory: "),
        (MemoryError("Unable to allocate 9.09 TiB"), "Out of memory: "),
        (torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate"), "Out of memory on the device: "),
    ],
)
def test_memory_that_is_used_up_is_one_line(
    error: Exception, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def use_up(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("ganzoo.listing.print_recipe", use_up)
    assert invoke("show", "stargan") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"ganzoo: {words}") and said.count("\n") == 1 and "batch_size" in said


@pytest.mark.parametrize(
    "arguments", [("run",), ("run", "stargan", "--nothing"), ("run", "stargan", "--device", "tpu"), ("nothing",)]
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    assert invoke(*arguments) == 2


def test_list_shows_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("list") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("stargan", "patch_classifier", "gradient_penalty", "synth4", "l1_cycle", "dcgan-rec"))


def test_list_of_recipes_says_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("list", "recipes") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list_recipes()
    described = dict(line.split(maxsplit=1) for line in lines)
    assert described["stargan"].startswith("StarGAN (arXiv 1711.09020)")


def test_list_of_recipes_survives_a_broken_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Recipe:
        if name == "attgan":
            raise GanzooError("attgan.yaml: generator: field required")
        return load_recipe(name)

    monkeypatch.setattr("ganzoo.config.load_recipe", broken)
    assert invoke("list", "recipes") == 0
    shown = capsys.readouterr().out
    assert "broken: attgan.yaml: generator: field required" in shown and "usgan-asc" in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("--version") == 0
    assert capsys.readouterr().out == f"ganzoo {ganzoo.__version__}\n"


def test_show_gives_the_recipe_and_its_cost(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("show", "stargan") == 0
    shown = capsys.readouterr().out
    assert "8,414,848" in shown and "2,777,536" in shown and "1,364.6 M" in shown and "every: 5" in shown


def test_what_show_prints_is_a_recipe_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert invoke("show", "starganv2") == 0
    (tmp_path / "mine.yaml").write_text(capsys.readouterr().out.replace("name: starganv2", "name: mine", 1))
    assert load_recipe(str(tmp_path / "mine.yaml")) == load_recipe("starganv2").model_copy(update={"name": "mine"})


def test_data_check_prints_and_draws(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert invoke("data", "check", "synth4", "--picture", str(tmp_path / "grid.png")) == 0
    shown = capsys.readouterr().out
    assert "12,000" in shown and "identical images" in shown and "a row for each class" in shown
    assert (tmp_path / "grid.png").stat().st_size > 1000


def test_data_check_tells_facts_in_words(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for part, seed in (("train", 0), ("val", 1), ("test", 2)):
        for label in ("glad", "sorry"):
            folder = tmp_path / "faces" / part / label
            folder.mkdir(parents=True)
            values = torch.Generator().manual_seed(2 * seed + (label == "glad"))
            write_png(torch.randint(0, 256, (1, 16, 16), generator=values, dtype=torch.uint8), str(folder / "face.png"))
    assert invoke("data", "check", f"folder:{tmp_path / 'faces'}", "--picture", str(tmp_path / "grid.png")) == 0
    told = capsys.readouterr().out
    assert re.search(r"num other files ignored  +0\n", told)
    assert re.search(r"counts  +train 1 / 1, val 1 / 1, test 1 / 1\n", told)


def test_profile_shows_phases_terms_and_operators(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for number, folder in enumerate(f"{part}/{kind}" for part in ("train", "val", "test") for kind in ("happy", "sad")):
        (tmp_path / folder).mkdir(parents=True)
        for image in range(2):
            pixels = torch.full((1, 16, 16), 40 * number + image, dtype=torch.uint8)
            write_png(pixels, str(tmp_path / folder / f"{image}.png"))
    changes = ("generator.width=4", "discriminator.width=4", "batch_size=2", "terms.cycle.weight=5")
    flags = [argument for change in changes for argument in ("--set", change)]
    assert invoke("profile", "stargan", "--data", f"folder:{tmp_path}", "--windows", "1", *flags) == 0
    shown = capsys.readouterr().out
    for words in ("images/s", "backward generator", "generator.cycle", "aten::convolution_backward", "a large matrix product"):
        assert words in " ".join(shown.split())


def test_help_is_quick() -> None:
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "ganzoo", "--help"], capture_output=True, text=True, check=True)
    assert "run" in done.stdout
    # Half a second is what a user should feel; a busy test machine gets more, but not what importing torch takes.
    assert time.perf_counter() - began < 1.5


def test_every_seed_is_checked_before_the_first_is_trained(tmp_path: Path) -> None:
    seeds = ("--seed", "0", "--seed", "-1")
    assert invoke("run", "stargan", "--set", "images=16", "--results", str(tmp_path / "results"), *seeds) == 2
    assert not (tmp_path / "results").exists()


def test_line_breaks_in_names_stay_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("show", "star\ngan") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_show_knows_the_datasets(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke("show", "stargan", "--data", "nope") == 2
    assert "Unknown dataset 'nope'" in capsys.readouterr().err
    assert invoke("show", "stargan", "--data", "folder:anywhere", "--classes", "3") == 0
