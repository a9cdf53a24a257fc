"""A few steps of training on made-up faces, for the test of each family's recipes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from lightning_fabric import Fabric

from ganzoo.data.base import Split
from ganzoo.data.resident import make_batches
from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.overrides import resolve_recipe
from ganzoo.training.trainer import Trainer

CLASSES, IMAGES = 4, 24
FACTS = {"image_channels": 1, "image_size_px": 32, "num_classes": CLASSES}


class Trained(NamedTuple):
    """What a few steps did.

    Attributes:
        updates: Network -> optimiser steps.
        untouched: Parameters that no step changed, such as ``generator.main.0.weight``.
    """

    updates: dict[str, int]
    untouched: list[str]


@pytest.fixture
def train_recipe() -> Callable[..., Trained]:
    """Trains a recipe of class labels at 32x32x1: ``train_recipe(name, "images=40", "generator.width=4")``."""
    return _train


def _train(name: str, *changes: str) -> Trained:
    trainer = _trainer(name, *changes)
    before = {key: value.detach().clone() for key, value in _parameters(trainer).items()}
    list(trainer.steps())
    trainer.losses.fetch()  # raises where a loss is not finite
    untouched = [key for key, value in _parameters(trainer).items() if torch.equal(value, before[key])]
    return Trained(trainer.position.updates, untouched)


def _parameters(trainer: Trainer) -> dict[str, torch.nn.Parameter]:
    return {f"{name}.{key}": value for name, part in trainer.networks.items() for key, value in part.named_parameters()}


def _trainer(name: str, *changes: str) -> Trainer:
    recipe = resolve_recipe(name, changes=changes)
    random = torch.Generator().manual_seed(0)
    split = Split(
        torch.randint(256, (IMAGES, 1, 32, 32), generator=random, dtype=torch.uint8),
        torch.randint(CLASSES, (IMAGES,), generator=random),
    )
    torch.manual_seed(0)
    return Trainer(
        recipe,
        create_generator(recipe.generator.name, **FACTS, **recipe.generator.arguments),
        create_discriminator(recipe.discriminator.name, **FACTS, **recipe.discriminator.arguments),
        lambda batch_size, flip: make_batches(split, device=torch.device("cpu"), batch_size=batch_size, seed=1, flip=flip),
        CLASSES,
        Fabric(accelerator="cpu", devices=1),
        seed=7,
    )
