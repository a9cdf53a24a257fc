"""Fakes of several batches from one pass: as many as the generator stays the same for, and the same images."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from ganzoo.config import Phase, load_recipe
from ganzoo.models.base import create_generator
from ganzoo.models.stargan import StarGANGenerator
from ganzoo.rehearsal import rehearse, rendered_faces, smallest_size, tiny_recipe
from ganzoo.training.checkpoint import load_checkpoint, save_checkpoint
from ganzoo.training.context import Asked
from ganzoo.training.lookahead import Lookahead
from ganzoo.training.phases import ready_phase
from ganzoo.training.trainer import Trainer

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
LOOKING_AHEAD = ("stargan", "ganimation", "ganimation-onehot", "usgan", "ccyclegan")


def lookahead(
    generator: str, every: int, batch_size: int, device: torch.device = CPU, terms: tuple[str, ...] = ("adversarial",)
) -> Lookahead:
    network = create_generator(generator, image_channels=1, image_size_px=32, num_classes=4, width=4)
    networks = {"generator": network, "discriminator": nn.Linear(1, 1)}
    phases = [
        Phase.model_validate({"update": "discriminator", "terms": dict.fromkeys(terms)}),
        Phase.model_validate({"update": "generator", "every": every, "terms": {"adversarial": None}}),
    ]
    return Lookahead([ready_phase(phase, networks, CPU, _no_network) for phase in phases], network, batch_size, device)


def test_it_reaches_to_the_first_of_several_updates() -> None:
    recipe = tiny_recipe(load_recipe("stargan"))
    judge, maker = recipe.stages[0].phases
    every_3 = maker.model_copy(update={"every": 3, "update": ("generator.main.0",)})
    stage = recipe.stages[0].model_copy(update={"phases": (judge, maker, every_3), "batch_size": 2})
    training = rehearse(recipe.model_copy(update={"stages": (stage,)}), rendered_faces(32))
    assert [training.lookaheads[0].batches(step) for step in range(7)] == [2, 1, 1, 1, 1, 1, 2]


class _Coupling(StarGANGenerator):
    spec: ClassVar = replace(StarGANGenerator.spec, couples_batch=True)


def test_it_leaves_alone_what_a_pass_could_change() -> None:
    plain, buffered = (StarGANGenerator(image_channels=1, image_size_px=32, num_classes=4, width=4) for _ in range(2))
    buffered.register_buffer("statistics", torch.zeros(1))
    coupling = _Coupling(image_channels=1, image_size_px=32, num_classes=4, width=4)
    phases = tiny("stargan").stages[0]
    assert [Lookahead(phases, network, 4, CPU).batches(0) for network in (plain, buffered, coupling)] == [4, 1, 1]


def test_a_discriminator_that_starts_late_is_shown_nothing_before() -> None:
    phases = tiny("stargan").stages[0]
    late = phases[0]._replace(settings=phases[0].settings.model_copy(update={"start": 0.5}))
    network = StarGANGenerator(image_channels=1, image_size_px=32, num_classes=4, width=4)
    assert Lookahead([late, phases[1]], network, 4, CPU).batches(0) == 1


def test_a_stage_without_updates_of_the_generator_has_no_window() -> None:
    network = StarGANGenerator(image_channels=1, image_size_px=32, num_classes=4, width=4)
    assert Lookahead(tiny("stargan").stages[0][:1], network, 4, CPU).batches(0) == 1


def _no_network() -> Any:
    raise AssertionError("no term describes faces")


@pytest.mark.parametrize(
    ("every", "batch_size", "device", "expected"),
    [
        (5, 4, CPU, [4, 3, 2, 1, 1, 4]),
        (5, 8, CPU, [2, 2, 2, 1, 1, 2]),
        (5, 16, CPU, [1, 1, 1, 1, 1, 1]),
        (5, 100, CPU, [1, 1, 1, 1, 1, 1]),
        (5, 8, CUDA, [4, 3, 2, 1, 1, 4]),
        (3, 4, CPU, [2, 1, 1, 2, 1, 1]),
        (2, 4, CPU, [1, 1, 1, 1, 1, 1]),
        (1, 4, CPU, [1, 1, 1, 1, 1, 1]),
    ],
)
def test_it_reaches_to_the_batch_before_an_update(every: int, batch_size: int, device: torch.device, expected: list[int]) -> None:
    looking = lookahead("stargan", every, batch_size, device=device)
    assert [looking.batches(step) for step in range(6)] == expected


@pytest.mark.parametrize(
    ("generator", "why"),
    [
        ("attgan", "batch norm"),
        ("starganv2", "a style is drawn by the step"),
        ("exprgan", "an intensity is drawn by the step"),
    ],
)
def test_it_leaves_alone_what_another_batch_could_change(generator: str, why: str) -> None:
    assert lookahead("stargan", 5, 4).batches(0) == 4
    assert lookahead(generator, 5, 4).batches(0) == 1, why
    assert lookahead("stargan", 5, 4, terms=("classification",)).batches(0) == 1, "nobody looks at fakes"


def tiny(name: str, steps: int = 4) -> Trainer:
    recipe = tiny_recipe(load_recipe(name), steps)
    return rehearse(recipe, rendered_faces(smallest_size(recipe), count=32))


@pytest.mark.parametrize("name", LOOKING_AHEAD)
def test_fakes_are_those_that_each_batch_would_get_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo.training.lookahead._IMAGES_ON_CPU", 96)
    training = tiny(name)
    first = training._next(training._coming(0))
    assert isinstance(first, Asked)
    assert len(training.answered) == 3
    for asked in (first, *training.answered):
        assert asked.fake is not None and not asked.fake.requires_grad
        alone = training._context(asked._replace(fake=None, attention=None))
        alone.begin("discriminator", with_graph=())
        expected = alone.generated("fake")
        torch.testing.assert_close(asked.fake, expected.image, atol=1e-5, rtol=0)
        ahead = training._context(asked).generated("fake")
        assert ahead.image.data_ptr() == asked.fake.data_ptr(), "it is not made again"
        assert (ahead.attention is None) == (expected.attention is None)
        if expected.attention is not None:
            torch.testing.assert_close(ahead.attention, expected.attention, atol=1e-5, rtol=0)
    assert not torch.equal(first.images, training.answered[0].images)


def test_the_generator_runs_once_for_several_batches() -> None:
    training = tiny("stargan")
    sizes: list[int] = []
    training.generator.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    list(islice(training.steps(), 5))
    assert sizes == [16, 16, 8, 8], "two batches, two more, then fake and cycle of the fifth"


@pytest.mark.parametrize("name", ["stargan", "ganimation", "usgan-asc"])
@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_continues_to_the_same_bits_from_within_a_window(name: str, stop: int, tmp_path: Path) -> None:
    whole, first, second = tiny(name), tiny(name), tiny(name)
    list(whole.steps())
    list(islice(first.steps(), stop))
    save_checkpoint(tmp_path / "last.pt", first.state())
    second.load_state(load_checkpoint(tmp_path / "last.pt"))
    assert len(second.answered) == stop % 2 * (stop < 5)
    list(second.steps())
    for role, network in whole.networks.items():
        resumed = second.networks[role].state_dict()
        assert all(torch.equal(tensor, resumed[key]) for key, tensor in network.state_dict().items())
    assert whole.position.images == second.position.images


def test_a_state_from_before_it_existed_is_taken() -> None:
    first, second = tiny("stargan"), tiny("stargan")
    list(islice(first.steps(), 5))
    state = deepcopy(first.state())
    del state["answered"]
    second.load_state(state)
    list(second.steps())
    assert second.position.step == second.total_steps


def test_a_stage_takes_over_nothing_from_the_one_before() -> None:
    recipe = tiny_recipe(load_recipe("stargan"), 1)
    stage = recipe.stages[0].model_copy(update={"images": 8})
    recipe = recipe.model_copy(update={"stages": (stage, stage.model_copy(update={"batch_size": 4}))})
    training = rehearse(recipe, rendered_faces(smallest_size(recipe), count=32))
    sizes = []
    training.discriminator.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    list(training.steps())
    assert sizes == [16, 8, 8], "real and generated images together"
    assert training.position.images == 16
