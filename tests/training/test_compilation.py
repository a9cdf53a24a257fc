"""Compiled training: when it is done, what of a recipe it takes, and that it trains the same network."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from ganzoo import devices
from ganzoo.config import load_recipe
from ganzoo.errors import GanzooError
from ganzoo.models.base import PiecewiseLinearDiscriminator
from ganzoo.rehearsal import rehearse, rendered_faces, smallest_size, tiny_recipe
from ganzoo.session import RunOptions
from ganzoo.training import compilation
from ganzoo.training.compilation import WORTH_SECONDS, WORTH_SECONDS_ON_CUDA, decide
from ganzoo.training.trainer import Trainer
from ganzoo.training.translator import GeneratorTranslator

CPU = torch.device("cpu")


def trainer(name: str, steps: int = 2) -> Trainer:
    recipe = tiny_recipe(load_recipe(name), steps)
    return rehearse(recipe, rendered_faces(smallest_size(recipe)))


def test_auto_compiles_long_runs_where_that_helps() -> None:
    assert decide("auto", CPU, 2 * WORTH_SECONDS).compiled
    short = decide("auto", CPU, WORTH_SECONDS / 2)
    assert not short.compiled
    assert "too short" in short.reason
    useless = decide("auto", CPU, 2 * WORTH_SECONDS, against="the moon is full")
    assert useless == (False, "no: the moon is full")
    assert decide("on", CPU, 0.0, against="the moon is full").compiled


def test_on_cuda_shorter_runs_are_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "_possible", lambda device, why: compilation.Compilation(True))
    assert decide("auto", torch.device("cuda"), 2 * WORTH_SECONDS_ON_CUDA).compiled
    assert not decide("auto", torch.device("cuda"), WORTH_SECONDS_ON_CUDA / 2).compiled
    assert not decide("auto", CPU, 2 * WORTH_SECONDS_ON_CUDA).compiled


def test_cuda_records_steps_without_a_compiler_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: object, **named: object) -> None:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", fails)
    on_cuda = decide("on", torch.device("cuda"), 0.0)
    assert on_cuda == (True, "steps are recorded, but torch cannot compile here (RuntimeError: no compiler)")
    assert decide("on", CPU, 0.0) == (False, "no: torch cannot compile here (RuntimeError: no compiler)")


def test_it_is_known_where_compiling_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    for has_amx, reason in ((True, None), (False, "nothing is gained on a processor without AMX")):
        monkeypatch.setattr(devices, "_has_amx", lambda has_amx=has_amx: has_amx)
        assert devices.reason_against_compiling(CPU) == reason
    cuda = torch.device("cuda")
    assert devices.reason_against_compiling(cuda) is None
    assert "--compile on if yours count nothing" in str(devices.reason_against_compiling(cuda, has_plugins=True))
    assert "not been measured" in str(devices.reason_against_compiling(torch.device("mps")))


def test_a_resumed_run_goes_on_as_it_was_begun() -> None:
    assert decide("auto", CPU, 0.0, "the moon is full", before=True).compiled
    assert not decide("auto", CPU, 9 * WORTH_SECONDS, before=False).compiled
    stopped = decide("off", CPU, 9 * WORTH_SECONDS, before=True)
    assert not stopped.compiled
    assert "ends in other bits" in stopped.reason
    begun_without = decide("on", CPU, 0.0, before=False)
    assert begun_without.compiled
    assert "was not compiled before, and ends in other bits" in begun_without.reason


def test_without_a_compiler_training_goes_on_as_it_is(tmp_path: Path) -> None:
    code = "import torch; from ganzoo.training.compilation import decide; print(decide('on', torch.device('cpu'), 0.0))"
    nothing = {"CXX": str(tmp_path / "no-compiler"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | nothing, capture_output=True, text=True, check=True
    ).stdout
    assert "compiled=False" in said
    assert "torch cannot compile here" in said
    assert "no-compiler" in said
    assert said.count("\n") == 1


_COMPILED_STEPS = """
from ganzoo.config import load_recipe
from ganzoo.rehearsal import rehearse, rendered_faces, smallest_size, tiny_recipe
recipe = tiny_recipe(load_recipe("stargan"))
trainer = rehearse(recipe, rendered_faces(smallest_size(recipe)))
trainer.compile()
print(sum(1 for _ in trainer.steps()))
"""


def test_what_the_compiler_fails_on_runs_as_it_is_written(tmp_path: Path) -> None:
    """It has been tried before (`decide`); but it may fail on one network, or for want of memory."""
    nothing = {"CXX": str(tmp_path / "no-compiler"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", _COMPILED_STEPS], env=os.environ | nothing, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "10\n"), ended.stderr


def test_another_choice_is_refused() -> None:
    with pytest.raises(GanzooError, match="auto, on, off"):
        RunOptions(compile="yes")  # type: ignore[arg-type]  # what a caller in Python may write


def test_a_compiled_run_trains_the_same_network_and_resumes_to_the_bit() -> None:
    plain, whole, resumed = trainer("stargan"), trainer("stargan"), trainer("stargan")
    list(plain.steps())
    whole.compile()
    steps = whole.steps()
    next(steps)
    state = copy.deepcopy(whole.state())
    list(steps)
    assert counters["stats"]["unique_graphs"] >= 3  # generator, discriminator, gradient
    resumed.load_state(state)
    resumed.compile()
    list(resumed.steps())
    plain.losses.fetch()
    whole.losses.fetch()
    for (column, value, _), (_, expected, _) in zip(whole.losses.pending, plain.losses.pending, strict=True):
        assert value == pytest.approx(expected, rel=1e-3, abs=1e-4), column
    assert _tensors(whole).keys() == _tensors(plain).keys()
    assert all(torch.equal(one, other) for one, other in zip(_tensors(whole).values(), _tensors(resumed).values(), strict=True))

    before = counters["stats"]["unique_graphs"]
    translator = GeneratorTranslator(whole.scored_generator(), ("angry", "happy", "sad", "surprise"), CPU)
    for count in (3, 5):
        faces, labels = torch.zeros(count, 1, 32, 32), torch.zeros(count, dtype=torch.int64)
        assert translator(faces, labels, labels).shape == faces.shape
    assert counters["stats"]["unique_graphs"] == before


@pytest.mark.parametrize(
    ("name", "is_compiled", "own"),
    [
        ("stargan", True, []),
        ("starganv2", False, ["restyle", "style_of", "style_from_noise"]),
        ("ganimation", True, []),
        ("exprgan", True, ["encode", "sample"]),
        ("attgan", False, []),
        ("icgan", True, ["encode", "classify", "sample"]),
    ],
)
def test_what_is_differentiated_twice_or_looked_into_stays_as_it_is(name: str, is_compiled: bool, own: list[str]) -> None:
    training = trainer(name)
    needs: set[str] = set().union(*(phase.needs for stage in training.stages for phase in stage))
    compilation.compile_networks(training.generator, training.discriminator, needs)
    assert ("forward" in training.discriminator.__dict__) == is_compiled
    assert {"forward", *own} <= training.generator.__dict__.keys()
    assert ("score_gradient" in training.discriminator.__dict__) == isinstance(
        training.discriminator, PiecewiseLinearDiscriminator
    )


def _tensors(training: Trainer) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for name, part in training.networks.items() for key, value in part.state_dict().items()}
