"""A recipe in small: its networks at their tiny settings, its phases on a handful of rendered faces."""

from __future__ import annotations

from typing import Any

import torch
from lightning_fabric import Fabric

from ganzoo.compatibility import ImageFacts
from ganzoo.config import Component, Optimizer, Phase, Recipe
from ganzoo.data.base import SPLIT_NAMES, Dataset, Split
from ganzoo.data.expressions import AU_NAMES, EMOTIONS
from ganzoo.data.face_parameters import draw_faces
from ganzoo.data.rendering import render
from ganzoo.errors import GanzooError
from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.registry import DISCRIMINATORS, GENERATORS, Registry
from ganzoo.training.trainer import Trainer, create_trainer

SIZES_PX = (32, 48, 64, 128)
CLASSES = ("angry", "happy", "sad", "surprise")
FACES, BATCH_SIZE = 16, 8
LEARNING_RATE = 1e-3


def rendered_faces(size_px: int, count: int = FACES, seed: int = 0) -> Dataset:
    """A dataset of a few rendered grey faces with known action units; all parts hold the same ones, every class equally often."""
    faces = draw_faces(count, seed)
    labels = torch.arange(count) % len(CLASSES)
    emotions = torch.tensor([EMOTIONS.index(name) for name in CLASSES])[labels]
    units = faces.expressions[torch.arange(count), emotions]
    split = Split(render(faces, units, size_px), labels, action_units=units)
    splits = dict.fromkeys(SPLIT_NAMES, split)
    return Dataset("rendered faces", CLASSES, splits, content_hash="", action_unit_names=AU_NAMES)


def facts_of(dataset: Dataset) -> ImageFacts:
    """What networks must know of a dataset."""
    return ImageFacts(dataset.image_channels, dataset.image_size_px, dataset.num_classes)


def smallest_size(recipe: Recipe) -> int:
    """The smallest of the sizes in use at which both networks of a recipe work.

    Raises:
        GanzooError: There is none.
    """
    specs: list[Any] = [GENERATORS.get(recipe.generator.name).spec, DISCRIMINATORS.get(recipe.discriminator.name).spec]
    for size_px in SIZES_PX:
        if all(spec.size_problem(size_px) is None for spec in specs):
            return size_px
    sizes = ", ".join(str(size_px) for size_px in SIZES_PX)
    raise GanzooError(f"The networks of recipe '{recipe.name}' share none of the sizes {sizes} px.")


def tiny_recipe(recipe: Recipe, steps: int = 2, learning_rate: float = LEARNING_RATE) -> Recipe:
    """The recipe with small networks, small batches and short stages; terms, phases and targets stay what they are.

    Weight decay is off, so that a parameter moves only where a gradient reaches it.
    """
    changed = {
        "generator": _tiny(recipe.generator, GENERATORS),
        "discriminator": _tiny(recipe.discriminator, DISCRIMINATORS),
        "optimizer": _plain(recipe.optimizer, learning_rate),
        "optimizers": {name: _plain(settings, learning_rate) for name, settings in recipe.optimizers.items()},
        "stages": tuple(
            stage.model_copy(
                update={
                    "epochs": None,
                    "images": BATCH_SIZE * steps * max(phase.every for phase in stage.phases),
                    "batch_size": BATCH_SIZE,
                }
            )
            for stage in recipe.at_full_work().stages
        ),
    }
    return recipe.model_copy(update=changed)


def alone(recipe: Recipe, phase: Phase, steps: int) -> Recipe:
    """A recipe of one phase of another one, run on every batch."""
    stage = recipe.stages[0].model_copy(
        update={"phases": (phase.model_copy(update={"every": 1, "start": 0.0}),), "images": BATCH_SIZE * steps, "epochs": None}
    )
    return recipe.model_copy(update={"stages": (stage,)})


def rehearse(recipe: Recipe, dataset: Dataset, seed: int = 0) -> Trainer:
    """A trainer of a tiny recipe, on the CPU, ready for its first step."""
    facts = facts_of(dataset)._asdict()
    torch.manual_seed(seed)
    generator = create_generator(recipe.generator.name, **facts, **recipe.generator.arguments)
    discriminator = create_discriminator(recipe.discriminator.name, **facts, **recipe.discriminator.arguments)
    return create_trainer(recipe, generator, discriminator, dataset, Fabric(accelerator="cpu", devices=1), seed)


def _tiny(component: Component, registry: Registry[Any]) -> Component:
    tiny = registry.get(component.name).spec.tiny
    return Component.model_validate({"name": component.name, **component.arguments, **tiny})


def _plain(settings: Optimizer, learning_rate: float) -> Optimizer:
    return settings.model_copy(update={"lr": learning_rate, "weight_decay": 0.0})
