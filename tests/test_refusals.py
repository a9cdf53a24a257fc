"""Hostile input: always one short line, exit code 2 and no traceback, and at once; a small fuzzer, and what it once found."""

from __future__ import annotations

import random
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganzoo import compatibility, experiment, planning
from ganzoo.cli import carry_out, main
from ganzoo.compatibility import check_terms
from ganzoo.config import Recipe, load_recipe, parse_recipe
from ganzoo.errors import GanzooError, in_one_line, is_interrupt
from ganzoo.overrides import load_preset, overwritten_by_preset, resolve_recipe
from ganzoo.registry import LOSSES, load_plugin_file
from ganzoo.testing import check_phases

SECONDS = 3.0
"""To refuse something; it takes a tenth, and test machines are busy."""
MINE = """
generator: {name: stargan, width: 32}
discriminator: patch_classifier
stages:
  - epochs: 3
    batch_size: 4
    phases:
      - {update: discriminator, terms: {adversarial: 1}}
      - {update: generator, every: 2, terms: {adversarial: 1, cycle: 10}}
"""
PLUGIN = """
import torch
from ganzoo.registry import LOSSES
class Flat:
    sides = frozenset({"generator", "discriminator"})
    def needs(self, side): return frozenset()
    def __call__(self, context): return context.real.mean()
class Reward(Flat):
    takes_negative_weights = True
class Own(Flat):
    def __call__(self, context): return torch.zeros((), requires_grad=True)
class Complex(Flat):
    def __call__(self, context): return torch.complex(context.real.mean(), context.real.mean())
for name, term in {"flat": Flat, "reward": Reward, "own": Own, "complex": Complex}.items():
    if name not in LOSSES:
        LOSSES.register(name)(term)
"""


def refuse(capsys: pytest.CaptureFixture[str], *arguments: str, codes: tuple[int, ...] = (2,)) -> str:
    """What the command line says of bad input, which has to be short and quick."""
    began = time.perf_counter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ganzoo", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
    said = capsys.readouterr().err
    assert int(end.value.code or 0) in codes, said
    assert time.perf_counter() - began < SECONDS and len(said) < 1500 and "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("terms.cycle.weight=1e39", "must be at most 1,000,000,000, not 1e+39"),
        ("terms.cycle.weight=-1", "term 'cycle' has the weight -1; it takes none below 0"),
        ("terms.cycle.weight={start: 1, end: -1}", "term 'cycle' has the weight -1"),
        ("terms.cycle.weight=[1]", "terms.cycle.weight: a number is needed"),
        ("terms.gradient_penalty.center=1e39", "at most 1,000,000,000 for 'center'"),
        ("update=[]", "update: it must not be empty"),
        ("stages.0.phases.0.update=[discriminator, discriminator]", "'discriminator' stands there twice"),
        ("stages.0.phases.1.update=[generator.main, generator]", "'generator.main' and 'generator' overlap"),
        ("stages.-1.epochs=3", "there is no '-1'"),
        ("stages.0.phases.-1=3", "has no item '-1'"),
        ("optimizer.lr=1e300", "must be at most 1e+30"),
        ("epochs=1e9", "must be at most 100,000"),
        ("batch_size=1e9", "must be at most 4,096"),
        ("batch_size=1:30", "a whole number is needed, not '1:30'"),
        ("images=1e300", "images: "),
        ("generator.residual_blocks=100000000", "at most 16,384 for 'residual_blocks'"),
        ("generator.width=16000", "cannot be built: it has more than 4,000,000,000 parameters"),
        ("generator.residual_blocks=4000", "cannot be built: it has more than 1,000 layers"),
        ("stages=&a [*a]", "an anchor holds itself"),
        ("name=" + "x" * 10_000, "it is too long"),
        ("x" * 10_000 + "=1", "unknown key 'xxxx"),
        ("stages=5", "stages: a list is needed, not 5"),
        ("terms.adversarial.loss=[]", "needs a word for 'loss', not []"),
        ("optimizers=5", "optimizers: keys with values are needed, not 5"),
        (
            "generator={name: stargan, " + ", ".join(f"k{index}: 1" for index in range(3000)) + "}",
            "generator: it has 3,000 arguments, where 100 are the most",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(change: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = refuse(capsys, "show", "stargan", "--set", change)
    assert words in said and said.startswith("ganzoo: ") and said.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "stargan", "--preset", ""),
        ("run", "stargan", "--preset="),
        ("run", "stargan", "--results", " "),
        ("compare", ""),
        ("run", "stargan", "--plugin", ""),
    ],
)
def test_empty_values_are_refused(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert "is empty; give it a value, or leave it out" in refuse(capsys, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "stargan", "--epochs", "nan"),
        ("run", "stargan", "--epochs", "1e9"),
        ("run", "stargan", "--max-minutes", "inf"),
        ("run", "stargan", "--seeds", "1000000000"),
        ("run", "stargan", "--image-size", "100000"),
        ("judge", "train", "--minutes", "nan"),
        ("judge", "train", "--scale", "inf"),
        ("show", "stargan", "--channels", "100000"),
        ("show", "stargan", "--seed", "x" * 10_000),
    ],
)
def test_options_have_bounds(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    refuse(capsys, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "~nobody-of-this-name"),
        ("show", "stargan", "--plugin", "~nobody-of-this-name/x.py"),
        ("data", "check", "folder:~nobody-of-this-name/x"),
        ("data", "check", "fer4", "--data-root", "~nobody-of-this-name"),
        ("show", "stargan", "--set", "generator=~nobody-of-this-name/x.py:Net"),
    ],
)
def test_a_home_that_is_not_there_is_named(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no home folder ~nobody-of-this-name" in refuse(capsys, *arguments)


def test_a_current_folder_that_was_deleted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert "current folder is no longer there" in refuse(capsys, "show", "stargan")


def test_a_plugin_may_be_a_link_to_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "loop.py").symlink_to("loop.py")
    assert "loop.py does not exist" in refuse(capsys, "list", "recipes", "--plugin", str(tmp_path / "loop.py"))


@pytest.mark.parametrize(
    ("suite", "words"),
    [
        (
            f"recipes: [stargan]\nseeds: {list(range(5000))}\ndata: [synth4, synth7, fer4]",
            "15,000 runs, where 10,000 are the most",
        ),
        (f"recipes: {['stargan'] * 3000}", "recipes: it has too many items"),
        (f"recipes: [stargan]\ndata: {['synth4'] * 3000}", "data: 'synth4' stands there twice"),
    ],
)
def test_suites_have_bounds(suite: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "suite.yaml").write_text(suite)
    assert words in refuse(capsys, "bench", str(tmp_path / "suite.yaml"))


def test_networks_of_a_suite_are_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(compatibility, "trial_problems", lambda name, *_: tried.append(name) or [])
    monkeypatch.setattr(compatibility, "_TRIED", {})
    for batch_size in (4, 8):
        recipe = resolve_recipe("stargan", changes=[f"batch_size={batch_size}"])
        assert not list(compatibility.find_problems(recipe, compatibility.ImageFacts(1, 48, 4)))
    assert tried == ["stargan", "patch_classifier"]


@pytest.mark.parametrize("name", [5, None, "", "a\nb", "\ud800", "x" * 10_000, ("a",)])
def test_names_of_parts_are_words(name: Any) -> None:
    with pytest.raises(GanzooError, match="A loss cannot be called"):
        LOSSES.register(name)(dict)


def test_later_changes_may_point_into_earlier_ones() -> None:
    stages = "stages=[{epochs: 1, batch_size: 4, phases: [{update: generator, every: 2, terms: {cycle: 1}}]}]"
    recipe = resolve_recipe("stargan", changes=[stages, "every=3", "terms.cycle.weight=5", "optimizers={generator: {lr: 1e-3}}"])
    (phase,) = recipe.stages[0].phases
    assert (phase.every, phase.terms["cycle"].weight, recipe.optimizer_for("generator").lr) == (3, 5, 1e-3)


def test_a_preset_tells_what_it_replaces_and_leaves_what_was_set(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(MINE)
    quick, changes = load_preset("quick"), ["batch_size=4"]
    before, after = (resolve_recipe(str(file), preset, changes) for preset in (None, quick))
    told = overwritten_by_preset(str(file), "quick", before, after)
    assert told is not None and "generator.width 32 by 16" in told and "stages.0.epochs 3.0 by 16000 images" in told
    assert "batch_size" not in told and "every" not in told and after.stages[0].batch_size == 4
    assert overwritten_by_preset("stargan", "quick", load_recipe("stargan"), after) is None
    exchanged = resolve_recipe("stargan", quick, ["generator={name: stargan, width: 24}"])
    assert exchanged.generator.arguments["width"] == 24


def test_a_term_says_whether_it_takes_negative_weights(tmp_path: Path) -> None:
    check_terms(_with_term(tmp_path, "reward", -1))
    with pytest.raises(GanzooError, match="term 'flat' has the weight -1"):
        check_terms(_with_term(tmp_path, "flat", -1))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("flat", "No gradient comes from the term flat"),
        ("own", "No gradient comes from the term own"),
        ("complex", "The term 'complex' gives a complex number"),
    ],
)
def test_a_term_that_can_train_nothing_is_named(tmp_path: Path, name: str, reason: str) -> None:
    recipe = _with_term(tmp_path, name, 1)
    with pytest.raises(AssertionError, match=f"term '{name}' by itself: {reason}"):
        check_phases(recipe)


def _with_term(folder: Path, name: str, weight: float) -> Recipe:
    (folder / "flat_terms.py").write_text(PLUGIN)
    load_plugin_file(folder / "flat_terms.py")
    return resolve_recipe("stargan", changes=[f"stages.0.phases.1.terms.{name}={{weight: {weight}}}"])


@pytest.mark.parametrize(
    "code",
    [
        "class Odd(BaseException): pass\nraise Odd('odd')",
        "class Odd(KeyboardInterrupt): pass\nraise Odd('odd')",
        "raise GeneratorExit('odd')",
        "class Part:\n    raise SystemExit('odd')",
        "raise EOFError('odd')",
        "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd",
    ],
)
def test_a_plugin_may_raise_anything(code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "odd.py"
    file.write_text(code)
    said = refuse(capsys, "list", "recipes", "--plugin", str(file))
    assert "odd.py cannot be imported" in said and said.count("\n") == 1


@pytest.mark.parametrize("ending", ["typer.Exit(0)", "typer.Abort()", "typer.BadParameter('odd')"])
def test_a_part_does_not_choose_the_exit_code(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ending_term.py"
    file.write_text(
        PLUGIN.replace("flat", "ending")
        .replace("reward", "ending2")
        .replace("return frozenset()", f"import typer; raise {ending}")
    )
    for name in ("ending", "ending2"):
        LOSSES._registered.pop(name, None)
    said = refuse(capsys, "show", "stargan", "--plugin", str(file), "--set", "stages.0.phases.1.terms.ending=1")
    assert "ending_term.py, line" in said and said.count("\n") == 1


def test_a_warning_is_one_short_line() -> None:
    said: list[str] = []
    carry_out(lambda: said.append(warnings.formatwarning(UserWarning("long\n" * 5000), UserWarning, "/home/me/part.py", 3)))
    assert said[0].startswith("part.py, line 3: UserWarning: long long ") and said[0].count("\n") == 1 and len(said[0]) < 1100


def test_ctrl_c_is_no_fault_of_a_part(tmp_path: Path) -> None:
    file = tmp_path / "stopped.py"
    file.write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_plugin_file(file)
    assert is_interrupt(KeyboardInterrupt()) and not is_interrupt(GeneratorExit())


def test_messages_are_short_and_without_the_stack_of_torch() -> None:
    error = RuntimeError("bad size\nException raised from f at x.cpp:3 (most recent call first):\nframe #0: g\nframe #1: h")
    assert in_one_line(error) == "RuntimeError: bad size"
    assert len(in_one_line(GanzooError("x" * 100_000))) <= 200 and len(in_one_line(GanzooError("x " * 100_000))) <= 1000


def test_many_problems_are_told_by_the_first() -> None:
    record = {"name": "x", **{f"key{index}": 1 for index in range(50_000)}}
    began = time.perf_counter()
    with pytest.raises(GanzooError, match="more") as caught:
        parse_recipe(record, "test")
    assert time.perf_counter() - began < SECONDS and len(str(caught.value)) < 1000


def _words(text: str) -> list[str]:
    return text.split()


PIECES = [
    *_words("1e39 -1 nan .nan .inf -.inf 1e400 [] {} [[]] null ~ true '' *x 1:30 5 0 -0.0 %TAG generator.main {weight:}"),
    *("&a [*a]", "!!int x", "[1, 2", "{a: {b: {c: 1}}}", "[generator, generator]", "[0.5, 0.9, 0.9]", "{start: 1}", "? x", "- -"),
    *("{weight: .inf}", "{name: dcgan, width: -4}", "9" * 400, "x" * 9000, "\x00", "\ud800", "é✓"),
]
KEYS = [
    *_words("generator generator.width generator.residual_blocks generator.name discriminator discriminator.depth targets"),
    *_words("optimizer optimizer.lr optimizer.betas optimizer.betas.0 optimizer.betas.-1 optimizers optimizers.generator.lr"),
    *_words("optimizers.x.y.z stages stages.0 stages.0.phases stages.0.phases.1 stages.0.phases.1.terms.cycle stages.9 epochs"),
    *_words("images batch_size update every start terms terms.cycle terms.cycle.weight terms.adversarial.loss terms.cycle.x"),
    *_words("ema flip name description linear_decay_from lr_factor clip_gradient_norm style . .. a.b.c stages.0."),
    *("", "x" * 3000),
]


def _hostile(draw: random.Random) -> Iterator[tuple[str, ...]]:
    for _ in range(40):
        changes = [f"{draw.choice(KEYS)}={draw.choice(PIECES)}" for _ in range(draw.choice((1, 1, 2, 3)))]
        yield ("--set", *[word for change in changes for word in ("--set", change)][1:])


def test_the_command_line_survives_a_fuzzer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is let through would be run: here that ends where data would be read."""

    def end(*_: object, **__: object) -> None:
        raise GanzooError("let through")

    monkeypatch.setattr(experiment, "load_dataset", end)
    monkeypatch.setattr(planning, "load_dataset", end)
    draw = random.Random(7)
    for options in _hostile(draw):
        refuse(capsys, "run", "stargan", "--results", str(tmp_path / "results"), *options)
    for number in range(12):
        file = tmp_path / f"{number}.yaml"
        lines = MINE.splitlines()
        lines[draw.randrange(len(lines))] = f"{draw.choice(KEYS) or 'x'}: {draw.choice(PIECES)}"
        file.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        refuse(capsys, "run", str(file), "--results", str(tmp_path / "results"))
        suite = tmp_path / f"{number}.suite.yaml"
        suite.write_bytes(
            f"{draw.choice(('recipes', 'seeds', 'set', 'data', 'epochs'))}: {draw.choice(PIECES)}\n".encode(
                "utf-8", "surrogatepass"
            )
            + draw.choice((b"", b"recipes: [stargan]\n", b"recipes: [{recipe: x}]\n", b"seeds: [-1]\n"))
        )
        refuse(capsys, "bench", str(suite), "--results", str(tmp_path / "results"), "--dry-run", codes=(0, 2))
