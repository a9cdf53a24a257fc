"""The trainer on a made-up dataset: what is updated, how often, with which targets, and going on to the bit."""

from __future__ import annotations

import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from ganzoo.config import Recipe, load_recipe, parse_recipe
from ganzoo.data.base import Split
from ganzoo.data.resident import make_batches
from ganzoo.errors import DivergedError, GanzooError
from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.overrides import resolve_recipe
from ganzoo.rehearsal import rehearse, rendered_faces, smallest_size, tiny_recipe
from ganzoo.training.checkpoint import load_checkpoint, save_checkpoint
from ganzoo.training.optim import make_recordable
from ganzoo.training.trainer import Trainer

FACTS = {"image_channels": 1, "image_size_px": 32, "num_classes": 3}
DISCRIMINATOR_PHASE = {"update": "discriminator", "terms": {"adversarial": {"loss": "wgan"}, "classification": None}}
GENERATOR_PHASE = {"update": "generator", "terms": {"adversarial": {"loss": "wgan"}, "cycle": 10}}


def recipe(**changes: Any) -> Recipe:
    record = {
        "name": "test",
        "generator": {"name": "stargan", "width": 4, "residual_blocks": 1},
        "discriminator": {"name": "patch_classifier", "width": 4},
        "stages": [{"images": 48, "batch_size": 8, "phases": [DISCRIMINATOR_PHASE, {**GENERATOR_PHASE, "every": 2}]}],
        **changes,
    }
    return parse_recipe(record, "test")


def trainer(settings: Recipe, images: int = 24) -> Trainer:
    random = torch.Generator().manual_seed(0)
    split = Split(
        torch.randint(256, (images, 1, 32, 32), generator=random, dtype=torch.uint8),
        torch.randint(3, (images,), generator=random),
    )
    torch.manual_seed(0)
    return Trainer(
        settings,
        create_generator(settings.generator.name, **FACTS, **settings.generator.arguments),
        create_discriminator(settings.discriminator.name, **FACTS, **settings.discriminator.arguments),
        lambda batch_size, flip: make_batches(split, device=torch.device("cpu"), batch_size=batch_size, seed=1, flip=flip),
        3,
        Fabric(accelerator="cpu", devices=1),
        seed=7,
    )


def parameters(network: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def changed(network: torch.nn.Module, before: list[torch.Tensor]) -> list[bool]:
    return [not torch.equal(parameter, old) for parameter, old in zip(network.parameters(), before, strict=True)]


def test_runs_to_the_end_and_counts_updates() -> None:
    training = trainer(recipe())
    positions = [position.step for position in training.steps()]
    assert positions == [1, 2, 3, 4, 5, 6]
    assert training.position.images == 48
    assert training.position.epochs == pytest.approx(2.0)
    assert training.position.updates == {"discriminator": 6, "generator": 3}


def test_the_generator_waits_for_its_turn() -> None:
    training = trainer(recipe())
    before = parameters(training.generator)
    steps = training.steps()
    next(steps)
    assert not any(changed(training.generator, before))
    next(steps)
    assert any(changed(training.generator, before))


def test_a_phase_begins_after_its_share_of_the_stage() -> None:
    stage = {"images": 48, "batch_size": 8, "phases": [DISCRIMINATOR_PHASE, {**GENERATOR_PHASE, "start": 0.5}]}
    training = trainer(recipe(stages=[stage]))
    before = parameters(training.generator)
    for position in training.steps():
        assert any(changed(training.generator, before)) == (position.step > 3)
    assert training.position.updates == {"discriminator": 6, "generator": 3}


def test_a_part_alone_can_be_trained() -> None:
    stage = {"images": 8, "batch_size": 8, "phases": [{**GENERATOR_PHASE, "update": "generator.main.0"}]}
    training = trainer(recipe(stages=[stage]))
    before, judge = parameters(training.generator), parameters(training.discriminator)
    list(training.steps())
    assert changed(training.generator, before) == [True] + [False] * (len(before) - 1)
    assert not any(changed(training.discriminator, judge))


def test_unknown_part_is_named() -> None:
    stage = {"images": 8, "batch_size": 8, "phases": [{**GENERATOR_PHASE, "update": "generator.mian"}]}
    with pytest.raises(GanzooError, match="no part 'mian'.*Did you mean 'main'"):
        trainer(recipe(stages=[stage]))


def test_stages_follow_one_another_with_their_own_batches() -> None:
    stages = [
        {"images": 16, "batch_size": 8, "phases": [DISCRIMINATOR_PHASE]},
        {"epochs": 1, "batch_size": 12, "phases": [GENERATOR_PHASE]},
    ]
    training = trainer(recipe(stages=stages))
    assert training.stage_steps == [2, 2]
    assert training.total_images == 16 + 24
    list(training.steps())
    assert training.position.updates == {"discriminator": 2, "generator": 2}


def test_all_other_targets_train_on_every_other_class() -> None:
    training = trainer(recipe(targets="all_other"))
    context = training._context(training._ask(next(training.batches[0].epoch(0))))
    assert len(context.real) == len(context.target_labels) == 16
    assert torch.equal(context.real[0], context.real[1])
    assert bool((context.target_labels != context.source_labels).all())


def test_moving_average_is_the_scored_generator() -> None:
    training = trainer(recipe(ema=0.5))
    first = parameters(training.generator)
    seen = []
    for position in training.steps():
        if position.step % 2 == 0:
            seen.append(parameters(training.generator)[0])
    expected = seen[0]  # The first update is copied, as there is nothing to average it with.
    for count, new in enumerate(seen[1:], 1):
        decay = min(0.5, (1 + count) / (10 + count))
        expected = decay * expected + (1 - decay) * new
    assert not torch.equal(first[0], expected)
    torch.testing.assert_close(parameters(training.scored_generator())[0], expected)


def test_without_average_the_generator_itself_is_scored() -> None:
    training = trainer(recipe())
    assert training.scored_generator() is training.generator


def test_learning_rate_falls_linearly_to_zero() -> None:
    stage = {"images": 80, "batch_size": 8, "linear_decay_from": 0.5, "phases": [DISCRIMINATOR_PHASE]}
    training = trainer(recipe(stages=[stage], optimizer={"lr": 0.1}))
    rates = [training.optimizers["discriminator"].param_groups[0]["lr"] for _ in training.steps()]
    assert rates == pytest.approx([0.1] * 6 + [0.08, 0.06, 0.04, 0.02])


def test_a_stage_can_lower_the_learning_rate() -> None:
    stage = {"images": 16, "batch_size": 8, "phases": [DISCRIMINATOR_PHASE]}
    later = {**stage, "images": 32, "lr_factor": 0.1, "linear_decay_from": 0.5}
    training = trainer(recipe(stages=[stage, later], optimizer={"lr": 0.1}))
    rates = [training.optimizers["discriminator"].param_groups[0]["lr"] for _ in training.steps()]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.01, 0.005])


def test_optimizers_can_differ_by_network() -> None:
    training = trainer(recipe(optimizer={"lr": 0.1}, optimizers={"generator": {"lr": 0.2, "betas": [0.0, 0.99]}}))
    assert training.optimizers["discriminator"].defaults["lr"] == 0.1
    assert training.optimizers["generator"].defaults["betas"] == (0.0, 0.99)


@pytest.mark.parametrize("bound", [None, 1e-3])
def test_clipping_bounds_the_gradient_that_a_step_takes(bound: float | None) -> None:
    phase = {**DISCRIMINATOR_PHASE, "clip_gradient_norm": bound}
    training = trainer(recipe(stages=[{"images": 8, "batch_size": 8, "phases": [phase]}]))
    gradients: list[torch.Tensor] = []
    training.optimizers["discriminator"].register_step_pre_hook(
        lambda *_: gradients.extend(p.grad.norm() for p in training.discriminator.parameters() if p.grad is not None)
    )
    list(training.steps())
    norm = float(torch.stack(gradients).norm())
    assert norm == pytest.approx(bound, rel=1e-2) if bound else norm > 0.1


def test_gradients_take_no_memory_after_their_step() -> None:
    training = trainer(recipe())
    list(training.steps())
    networks = training.generator, training.discriminator
    assert all(parameter.grad is None for network in networks for parameter in network.parameters())


def test_weights_follow_their_schedule() -> None:
    term = {"loss": "wgan", "weight": {"start": 1.0, "end": 0.0}}
    stage = {"images": 32, "batch_size": 8, "phases": [{"update": "discriminator", "terms": {"adversarial": term}}]}
    training = trainer(recipe(stages=[stage]))
    list(training.steps())
    training.losses.fetch()
    assert [weight for _, _, weight in training.losses.pending] == pytest.approx([1.0, 0.75, 0.5, 0.25])


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_continues_to_the_same_bits(stop: int) -> None:
    settings = recipe(ema=0.9, targets="uniform")
    whole = trainer(settings)
    list(whole.steps())

    first = trainer(settings)
    for position in first.steps():
        if position.step == stop:
            break
    state = first.state()
    second = trainer(settings)
    torch.manual_seed(99)
    second.load_state(state)
    list(second.steps())

    for name, network in whole.networks.items():
        for key, tensor in network.state_dict().items():
            assert torch.equal(tensor, second.networks[name].state_dict()[key]), f"{name}.{key}"
    for old, new in zip(parameters(whole.scored_generator()), parameters(second.scored_generator()), strict=True):
        assert torch.equal(old, new)
    whole.losses.fetch()
    second.losses.fetch()
    assert whole.losses.pending == second.losses.pending


def test_goes_on_from_a_state_of_another_kind_of_device() -> None:
    first, second = trainer(recipe()), trainer(recipe())
    next(first.steps())
    state = {**deepcopy(first.state()), "device": "cuda", "random": torch.zeros(16, dtype=torch.uint8)}
    state["global_random"]["cuda"] = [torch.zeros(16, dtype=torch.uint8)]
    second.load_state(state)
    list(second.steps())
    assert second.position.step == second.total_steps


def test_goes_on_in_python_from_a_state_of_recorded_steps() -> None:
    first, second = trainer(recipe()), trainer(recipe())
    for optimizer in first.optimizers.values():
        make_recordable(optimizer)
    next(first.steps())
    second.load_state(deepcopy(first.state()))
    for optimizer in second.optimizers.values():
        assert [(type(group["lr"]), group["capturable"]) for group in optimizer.param_groups] == [(float, False)]
    list(second.steps())


def test_waiting_for_the_device_is_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    training = trainer(recipe())
    next(training.steps())
    before = training.position.seconds
    monkeypatch.setattr(training.losses, "fetch", lambda: time.sleep(0.1))
    training.settle()
    assert training.position.seconds >= before + 0.1


LECAM_PHASE = {"update": "discriminator", "terms": {"adversarial": {"loss": "rpgan"}, "lecam": {"decay": 0.9}}}


def test_what_a_loss_term_remembers_comes_back_to_the_bit(tmp_path: Path) -> None:
    settings = recipe(stages=[{"images": 48, "batch_size": 8, "phases": [LECAM_PHASE, GENERATOR_PHASE]}])
    whole, first, second = trainer(settings), trainer(settings), trainer(settings)
    list(whole.steps())
    next(iter(first.steps()))
    save_checkpoint(tmp_path / "last.pt", first.state())
    second.load_state(load_checkpoint(tmp_path / "last.pt"))
    list(second.steps())
    term, resumed = (training.state()["terms"]["0.0.lecam"] for training in (whole, second))
    assert int(term["batches"]) == 6 and term.keys() == resumed.keys()
    assert all(torch.equal(term[key], resumed[key]) for key in term)
    assert whole.losses.pending == second.losses.pending


def test_a_checkpoint_of_other_terms_is_refused() -> None:
    with_lecam = trainer(recipe(stages=[{"images": 48, "batch_size": 8, "phases": [LECAM_PHASE]}]))
    with pytest.raises(GanzooError, match=r"state of other loss terms: none; the recipe has 0\.0\.lecam"):
        with_lecam.load_state({**with_lecam.state(), "terms": {}})


def test_real_scores_are_constants_of_the_generator() -> None:
    training = trainer(recipe())
    context = training._context(training._ask(next(training.batches[0].epoch(0))))
    context.begin("generator", frozenset({"fake"}))
    assert not context.scores("real").scores.requires_grad and context.scores("fake").scores.requires_grad


def test_a_loss_that_is_not_finite_names_step_and_term() -> None:
    training = trainer(recipe(optimizer={"lr": 1e30}))
    with pytest.raises(DivergedError, match=r"discriminator\.\w+ became (nan|inf|-inf) in step \d"):
        for _ in training.steps():
            training.losses.fetch()


def test_r3gan_trains_stargan_by_its_recipe() -> None:
    sizes = ("generator.width=4", "generator.residual_blocks=1", "discriminator.width=4", "batch_size=8", "images=24")
    training = trainer(resolve_recipe("stargan-r3", changes=sizes))
    before = parameters(training.generator), parameters(training.discriminator)
    list(training.steps())
    assert training.position.updates == {"discriminator": 3, "generator": 3}
    assert all(changed(training.generator, before[0])) and all(changed(training.discriminator, before[1]))
    training.losses.fetch()
    losses = {column for column, _, _ in training.losses.pending}
    assert {"discriminator.r1", "discriminator.r2", "generator.adversarial"} <= losses


@pytest.mark.parametrize("name", ["acgan", "sngan-pd"])
def test_dropout_and_spectral_norm_continue_to_the_same_bits(name: str) -> None:
    sizes = ("generator.width=4", "discriminator.width=4", "batch_size=8", "images=80")
    whole, first, second = (trainer(resolve_recipe(name, changes=sizes)) for _ in range(3))
    torch.manual_seed(5)
    list(whole.steps())
    torch.manual_seed(5)
    for position in first.steps():
        if position.step == 6:
            break
    state = deepcopy(first.state())
    torch.manual_seed(99)
    second.load_state(state)
    list(second.steps())
    for network in ("generator", "discriminator"):
        expected, resumed = whole.networks[network].state_dict(), second.networks[network].state_dict()
        assert all(torch.equal(tensor, resumed[key]) for key, tensor in expected.items())


SIMULTANEOUS = {"images": 48, "batch_size": 8, "simultaneous": True, "phases": [DISCRIMINATOR_PHASE, GENERATOR_PHASE]}


def gradients(training: Trainer) -> dict[str, list[torch.Tensor]]:
    """Those of the first step, by network."""
    found: dict[str, list[torch.Tensor]] = {}

    def keep(name: str) -> None:
        found[name] = [parameter.grad.clone() for parameter in training.networks[name].parameters() if parameter.grad is not None]

    for name, optimizer in training.optimizers.items():
        optimizer.register_step_pre_hook(lambda *_, name=name: keep(name))
    next(training.steps())
    return found


def test_simultaneous_phases_learn_from_the_weights_that_the_batch_found() -> None:
    """Each gradient is the one that the phase finds alone; one after the other the second sees the first's step."""
    steep = {"discriminator": {"lr": 0.05}, "generator": {"lr": 0.05}}
    together = gradients(trainer(recipe(stages=[SIMULTANEOUS], optimizers=steep)))
    in_turn = gradients(trainer(recipe(stages=[{**SIMULTANEOUS, "simultaneous": False}], optimizers=steep)))
    alone = trainer(recipe(stages=[{**SIMULTANEOUS, "phases": [GENERATOR_PHASE]}], optimizers=steep))
    expected = {**in_turn, **gradients(alone)}
    for name, found in together.items():
        assert len(found) == len(expected[name]) > 0
        for gradient, other in zip(found, expected[name], strict=True):
            torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(together["generator"][0], in_turn["generator"][0], rtol=1e-2)


def test_the_order_of_simultaneous_phases_does_not_matter() -> None:
    phases = [DISCRIMINATOR_PHASE, GENERATOR_PHASE]
    one, other = (trainer(recipe(stages=[{**SIMULTANEOUS, "phases": order}])) for order in (phases, phases[::-1]))
    next(one.steps()), next(other.steps())
    for name, network in one.networks.items():
        for parameter, same in zip(network.parameters(), other.networks[name].parameters(), strict=True):
            torch.testing.assert_close(parameter, same, rtol=1e-4, atol=1e-6)


def test_two_phases_of_one_player_can_step_together() -> None:
    judges = [
        {"update": "discriminator.main", "terms": {"adversarial": {"loss": "wgan"}}},
        {"update": "discriminator.class_head", "terms": {"classification": None}},
        {"update": "generator.main.0", "terms": {"adversarial": {"loss": "wgan"}, "cycle": 10}},
        {"update": "generator.main.3", "terms": {"adversarial": {"loss": "wgan"}, "cycle": 10}},
    ]
    training = trainer(recipe(stages=[{**SIMULTANEOUS, "phases": judges}]))
    list(training.steps())
    assert set(training.position.updates.values()) == {6}


@pytest.mark.parametrize("stop", [1, 3, 6, 7])
def test_simultaneous_stages_with_fresh_optimizers_continue_to_the_same_bits(stop: int, tmp_path: Path) -> None:
    settings = recipe(stages=[SIMULTANEOUS, {**SIMULTANEOUS, "fresh_optimizers": True}], targets="uniform")
    whole, first, second = (trainer(settings) for _ in range(3))
    list(whole.steps())
    for position in first.steps():
        if position.step == stop:
            break
    save_checkpoint(tmp_path / "last.pt", first.state())
    second.load_state(load_checkpoint(tmp_path / "last.pt"))
    list(second.steps())
    for name, network in whole.networks.items():
        for key, tensor in network.state_dict().items():
            assert torch.equal(tensor, second.networks[name].state_dict()[key]), f"{name}.{key}"


@pytest.mark.parametrize("fresh", [True, False])
def test_a_stage_can_begin_with_fresh_optimizers(fresh: bool) -> None:
    """Those of its own phases, that is; another network's wait as they are."""
    both = {"images": 48, "batch_size": 8, "phases": [DISCRIMINATOR_PHASE, GENERATOR_PHASE]}
    later = {"images": 16, "batch_size": 8, "fresh_optimizers": fresh, "phases": [GENERATOR_PHASE]}
    training = trainer(recipe(stages=[both, later]))
    list(training.steps())
    steps = {name: {int(state["step"]) for state in opt.state.values()} for name, opt in training.optimizers.items()}
    assert steps == {"discriminator": {6}, "generator": {2 if fresh else 8}}


def test_stages_of_one_batch_size_share_the_images() -> None:
    settings = tiny_recipe(load_recipe("exprgan"))
    training = rehearse(settings, rendered_faces(smallest_size(settings)))
    assert len(training.batches) == 3
    assert all(batches is training.batches[0] for batches in training.batches)
