"""Profiles of training steps: what is slow is found, in the right network, direction, phase and term."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from ganzoo.compatibility import ImageFacts
from ganzoo.config import parse_recipe
from ganzoo.data.base import Split
from ganzoo.data.resident import make_batches
from ganzoo.errors import GanzooError
from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.models.cost import macs_per_image
from ganzoo.training.profiling import StepProfile, _OperationCounter, profile_steps
from ganzoo.training.trainer import Trainer

FACTS = {"image_channels": 1, "image_size_px": 32, "num_classes": 3}
SLOW_SECONDS = 0.3


class SlowBackward(torch.autograd.Function):
    """The identity, with a backward pass that takes its time."""

    @staticmethod
    def forward(context: Any, images: torch.Tensor) -> torch.Tensor:
        return images.clone()

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        time.sleep(SLOW_SECONDS)
        return gradient


def make_trainer(images: int = 800, penalty: str = "gradient_penalty") -> Trainer:
    critic = {"update": "discriminator", "terms": {"adversarial": {"loss": "wgan"}, penalty: 10}}
    maker = {"update": "generator", "every": 2, "terms": {"adversarial": {"loss": "wgan"}, "cycle": 10}}
    record = {
        "name": "test",
        "generator": {"name": "stargan", "width": 4, "residual_blocks": 1},
        "discriminator": {"name": "patch_classifier", "width": 4},
        "stages": [{"images": images, "batch_size": 8, "phases": [critic, maker]}],
    }
    settings = parse_recipe(record, "test")
    split = Split(torch.randint(256, (24, 1, 32, 32), dtype=torch.uint8), torch.randint(3, (24,)))
    return Trainer(
        settings,
        create_generator("stargan", **FACTS, **settings.generator.arguments),
        create_discriminator("patch_classifier", **FACTS, **settings.discriminator.arguments),
        lambda batch_size, flip: make_batches(split, device=torch.device("cpu"), batch_size=batch_size, seed=1, flip=flip),
        3,
        Fabric(accelerator="cpu", devices=1),
        seed=7,
    )


def parts(result: StepProfile) -> dict[str, float]:
    found: dict[str, float] = {}
    for shares in result.shares.values():
        for part, share in shares.items():
            found[part] = found.get(part, 0.0) + share
    return found


def test_shares_add_up_and_the_trainer_is_left_as_it_was() -> None:
    trainer = make_trainer()
    stages = trainer.stages
    result = profile_steps(trainer, windows=1)
    assert (result.steps, result.images, result.launches) == (2, 16, 0)
    assert 2 * 20 < result.kernels < 2 * 1000
    assert sum(parts(result).values()) == pytest.approx(1)
    assert {"forward generator", "backward generator", "forward discriminator", "backward discriminator", "optimizer"} <= set(
        parts(result)
    )
    assert "backward generator" not in result.shares["discriminator"]  # Fakes carry no graph there.
    assert set(result.terms) == {
        "discriminator.adversarial",
        "discriminator.gradient_penalty",
        "generator.adversarial",
        "generator.cycle",
    }
    assert result.ceiling > 1e8
    assert trainer.stages is stages
    assert not {"forward", "score_gradient"} & set(vars(trainer.discriminator))


def test_a_slow_forward_pass_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer()
    quick = type(trainer.generator).forward

    def slow(self: Any, *inputs: Any) -> Any:
        time.sleep(SLOW_SECONDS)
        return quick(self, *inputs)

    monkeypatch.setattr(type(trainer.generator), "forward", slow)
    result = profile_steps(trainer, windows=1)
    assert parts(result)["forward generator"] > 0.6
    # Three passes: the first step's fakes, the second's, which its generator step takes up again, and the cycle.
    assert result.shares["discriminator"]["forward generator"] > 1.5 * result.shares["generator"]["forward generator"]
    assert result.terms["discriminator.adversarial"] > 0.3


def test_a_slow_backward_pass_is_the_network_s_that_recorded_it(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer()
    quick = type(trainer.discriminator).forward
    monkeypatch.setattr(
        type(trainer.discriminator), "forward", lambda self, images, *rest: quick(self, SlowBackward.apply(images), *rest)
    )
    result = profile_steps(trainer, windows=1)
    # Its input needs a gradient only where the generator is trained through it.
    assert result.shares["generator"]["backward discriminator"] > 0.3
    assert result.shares["generator"]["backward discriminator"] > 3 * result.shares["discriminator"]["backward discriminator"]


def test_double_backward_is_profiled_too() -> None:
    assert sum(parts(profile_steps(make_trainer(penalty="r1"), windows=1)).values()) == pytest.approx(1)


def test_operations_are_two_for_each_multiply_accumulate() -> None:
    arguments = {"width": 8, "residual_blocks": 1}
    generator = create_generator("stargan", **FACTS, **arguments)
    with _OperationCounter() as counter, torch.no_grad():
        generator(torch.zeros(2, 1, 32, 32), torch.eye(3)[:2])
    assert counter.operations == 2 * 2 * macs_per_image("stargan", arguments, ImageFacts(**FACTS))


def test_a_stage_that_is_too_short_is_refused() -> None:
    with pytest.raises(GanzooError, match="has 3 steps; a profile of 1 windows takes 8"):
        profile_steps(make_trainer(images=24), windows=1)


def test_operators_that_compute_are_counted_and_views_are_not() -> None:
    with _OperationCounter() as counter:
        (torch.ones(2, 3) @ torch.ones(3, 4)).T.relu_()
    assert counter.operations == 2 * 2 * 3 * 4
    assert counter.kernels == 4  # two of ones, the product, relu
