"""Training never waits for the device: it runs on one that holds no numbers, where whoever reads a value fails.

On a GPU each such read waits for all that is queued, and none may stand in a captured graph. What is not for processors alone
is also carried out here.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch

from ganzoo.config import load_recipe, recipe_names
from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.rehearsal import facts_of, rendered_faces, smallest_size, tiny_recipe
from ganzoo.training import face_network
from ganzoo.training.trainer import create_trainer

NOWHERE = torch.device("meta")


class Nowhere:
    """What the trainer uses of Fabric."""

    device = NOWHERE

    def autocast(self) -> AbstractContextManager[None]:
        return nullcontext()


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    on_cpu, describing = torch.Generator, face_network.face_network
    monkeypatch.setattr(torch, "Generator", lambda device=None: on_cpu())  # torch has none for meta, and takes this one
    # A network that describes faces is trained before the first step, and may read what it likes.
    monkeypatch.setattr(
        "ganzoo.training.trainer.face_network", lambda images, device: describing(images, torch.device("cpu")).to(device)
    )


@pytest.mark.parametrize("name", recipe_names())
def test_steps_read_nothing_back(name: str) -> None:
    recipe = tiny_recipe(load_recipe(name))
    faces = rendered_faces(smallest_size(recipe))
    facts, fabric = facts_of(faces)._asdict(), Nowhere()
    generator = create_generator(recipe.generator.name, **facts, **recipe.generator.arguments)
    discriminator = create_discriminator(recipe.discriminator.name, **facts, **recipe.discriminator.arguments)
    training = create_trainer(recipe, generator, discriminator, faces, fabric, seed=0)  # type: ignore[arg-type]  # a stand-in
    list(training.steps())
    assert training.position.step == training.total_steps
    assert all(training.position.updates.values())
    assert next(generator.parameters()).device == NOWHERE


@pytest.mark.parametrize("read", [float, bool, lambda one: one[one > 0], lambda one: one.to("cpu")])
def test_a_read_would_fail(read: Any) -> None:
    with pytest.raises((RuntimeError, NotImplementedError)):
        read(torch.ones(1, device=NOWHERE))
