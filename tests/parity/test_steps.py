"""Training steps, through the trainer and the recipes as shipped, against independent ones: losses, gradients, new weights.

Sizes of the networks are tiny; weights, batches and everything that chance decides follow from names on both sides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor

from ganzoo.data.resident import Batch
from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.overrides import resolve_recipe
from ganzoo.training.context import StepContext
from ganzoo.training.trainer import Trainer
from parity import drawing
from parity.filling import fill
from parity.training_cases import FACTS, IMAGES, KEPT_GRADIENTS, TRAINING_CASES, TrainingCase

FOLDER = Path(__file__).with_name("vectors")


class FedBatches:
    """The batches of a case, in place of those of a split; as small as they are, they count as many images as the recipe says."""

    steps_per_epoch = 1000

    def __init__(self, case: TrainingCase, batch_size: int, references: bool) -> None:
        self.case, self.batch_size, self.references = case, batch_size, references

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        for batch in range(start, self.case.batches + 1):
            case = self.case
            own = case.images(batch), case.labels(batch), torch.arange(IMAGES)
            yield Batch(*own, case.references(batch), case.targets(batch)) if self.references else Batch(*own)


class FedUnits:
    """The action units of a case, asked for batch by batch."""

    def __init__(self, case: TrainingCase) -> None:
        self.case, self.asked = case, 0

    def of_faces(self, labels: Tensor, indices: Tensor) -> Tensor:
        return self.case.source_units(self.asked - 1)

    def draw_targets(self, targets: Tensor, generator: torch.Generator) -> Tensor:
        self.asked += 1
        return self.case.target_units(self.asked - 1)


def fed_trainer(case: TrainingCase, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """The trainer of a recipe with a case's weights, in which nothing is left to chance."""
    sizes = [
        f"{side}.{name}={value}"
        for side, arguments in (("generator", case.generator), ("discriminator", case.discriminator))
        for name, value in arguments.items()
    ]
    recipe = resolve_recipe(case.recipe, changes=sizes)
    facts = dict(zip(("image_channels", "image_size_px", "num_classes"), FACTS, strict=True))
    generator = create_generator(recipe.generator.name, **facts, **recipe.generator.arguments).double()
    discriminator = create_discriminator(recipe.discriminator.name, **facts, **recipe.discriminator.arguments).double()
    fill(generator)
    fill(discriminator)
    fabric = Fabric(accelerator="cpu", devices=1)
    units = FedUnits(case) if generator.spec.uses_action_units else None

    def batches(batch_size: int, flip: bool) -> FedBatches:
        return FedBatches(case, batch_size, recipe.targets == "reference")

    trainer = Trainer(recipe, generator, discriminator, batches, FACTS[2], fabric, 0, units)  # type: ignore[arg-type]
    trainer.position.stage = case.stage
    if trainer.sample_targets is not None:
        asked = count()
        monkeypatch.setattr(trainer, "sample_targets", lambda labels, classes, random: case.targets(next(asked)))
    _feed_context(case, trainer, monkeypatch)
    return trainer


def _feed_context(case: TrainingCase, trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random numbers and wrong labels of a step are those of the case."""
    draws: dict[tuple[int, str], int] = {}

    def drawn(kind: str, *shape: int) -> Tensor:
        place = trainer.position.step, kind
        draws[place] = draws.get(place, -1) + 1
        numbers: Tensor = getattr(drawing, kind)(f"{case.name}: {kind} {place[0]}.{draws[place]}", *shape)
        return numbers

    monkeypatch.setattr(StepContext, "uniform", lambda self, *shape: drawn("uniform", *shape))
    monkeypatch.setattr(StepContext, "normal", lambda self, *shape: drawn("normal", *shape))
    wrong = "ganzoo.training.context.other_of_batch"
    monkeypatch.setattr(wrong, lambda labels, classes, random: case.wrong_labels(trainer.position.step))


def watched_gradients(trainer: Trainer) -> dict[str, Tensor]:
    """Filled by the first steps of every optimizer with the gradients that it takes."""
    names = {id(value): key for network in trainer.networks.values() for key, value in network.named_parameters()}
    found: dict[str, Tensor] = {}
    steps = dict.fromkeys(trainer.optimizers, 0)

    def watch(part: str) -> Any:
        def note(optimizer: torch.optim.Optimizer, *_: object) -> None:
            if steps[part] < KEPT_GRADIENTS:
                for value in optimizer.param_groups[0]["params"]:
                    gradient = torch.zeros_like(value) if value.grad is None else value.grad.clone()
                    found[f"{part} {steps[part]}: {names[id(value)]}"] = gradient
            steps[part] += 1

        return note

    for part, optimizer in trainer.optimizers.items():
        optimizer.register_step_pre_hook(watch(part))
    return found


def parameters(trainer: Trainer) -> dict[str, Tensor]:
    return {
        f"{name}: {key}": value.detach().clone()
        for name, network in trainer.networks.items()
        for key, value in network.named_parameters()
    }


@pytest.mark.parametrize("case", TRAINING_CASES, ids=lambda case: case.name)
def test_training_equals_its_reference(case: TrainingCase, double_precision: None, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = json.loads((FOLDER / f"steps_{case.recipe}.json").read_text())[case.name]
    trainer = fed_trainer(case, monkeypatch)
    gradients, before = watched_gradients(trainer), parameters(trainer)
    for position in trainer.steps():
        if position.step == case.batches:
            break
    trainer.losses.fetch()
    losses: dict[str, list[float]] = {}
    factors: dict[str, list[float]] = {}
    for column, value, factor in trainer.losses.pending:
        losses.setdefault(column, []).append(value)
        factors.setdefault(column, []).append(factor)
    assert factors == {name: pytest.approx(values, rel=1e-9) for name, values in expected["factors"].items()}
    assert losses == {name: pytest.approx(values, rel=1e-7) for name, values in expected["losses"].items()}
    moved = {name: now - before[name] for name, now in parameters(trainer).items()}
    trained = {name: value for name, value in moved.items() if name in expected["moved"]}
    wrong = {
        "gradients": drawing.differing(gradients, expected["gradients"]),
        # Adam makes a step even of the rounding of what should be 0; moves are a thousandth of the weights.
        "moved": drawing.differing(trained, expected["moved"], tolerance=1e-5, smallest=0.1),
        "moved though not trained": [name for name, value in moved.items() if name not in trained and bool(value.any())],
    }
    assert not {what: names for what, names in wrong.items() if names}
