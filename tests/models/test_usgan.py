"""US-GAN: published size, the change that is added to the source, and what the recipe trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo.config import load_recipe
from ganzoo.models.base import create_generator
from ganzoo.models.cost import macs_per_image, traced_parameters

FER = (1, 48, 4)


def test_size_of_the_sheet() -> None:
    assert traced_parameters("usgan", {}, FER, "generator") == 2_511_488
    assert macs_per_image("usgan", {}, FER) == pytest.approx(515e6, rel=0.01)


def tiny(name: str, size_px: int = 32, channels: int = 1, classes: int = 4) -> Any:
    torch.manual_seed(0)
    facts = {"image_channels": channels, "image_size_px": size_px, "num_classes": classes}
    return create_generator(name, **facts, width=4, residual_blocks=1)


def inputs(size_px: int = 32, channels: int = 1, classes: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, channels, size_px, size_px, generator=generator) * 2 - 1, torch.eye(classes)[:2]


def test_stargans_picture_is_added_to_the_source() -> None:
    image, condition = inputs()
    change = tiny("stargan")(image, condition).image
    assert torch.equal(tiny("usgan")(image, condition).image, image + change)
    assert change.abs().max() > 0.01


def test_the_sum_is_not_clamped() -> None:
    network = tiny("usgan")
    with torch.no_grad():
        network.main[-2].weight.mul_(100)
    image, condition = inputs()
    output = network(image.sign(), condition).image
    assert 1.9 < output.abs().max() <= network.spec.largest_value == 2


def test_an_untouched_head_keeps_the_face() -> None:
    network = tiny("usgan")
    with torch.no_grad():
        network.main[-2].weight.zero_()
    image, condition = inputs()
    assert torch.equal(network(image, condition).image, image)


def test_its_parameters_are_those_of_stargan() -> None:
    assert list(tiny("usgan").state_dict()) == list(tiny("stargan").state_dict())


@pytest.mark.parametrize(("size_px", "channels", "classes"), [(32, 3, 2), (48, 1, 8), (64, 3, 4), (128, 1, 3)])
def test_sizes_channels_and_classes(size_px: int, channels: int, classes: int) -> None:
    image, condition = inputs(size_px, channels, classes)
    assert tiny("usgan", size_px, channels, classes)(image, condition).image.shape == image.shape


def test_published_settings() -> None:
    recipe = load_recipe("usgan")
    (stage,) = recipe.stages
    critic, maker = stage.phases
    assert (stage.images, stage.batch_size, maker.every, stage.linear_decay_from) == (200_000 * 8, 8, 5, 1)
    assert (recipe.optimizer.lr, recipe.optimizer.betas, recipe.targets) == (1e-4, (0.5, 0.999), "permute")
    weights = {name: term.weight for name, term in critic.terms.items()}
    assert weights == {"adversarial": 1, "gradient_penalty": 10, "classification": 1}
    assert {name: term.weight for name, term in maker.terms.items()} == {"adversarial": 1, "classification": 1, "cycle": 1}


def test_the_recipe_trains(train_recipe: Callable[..., Any]) -> None:
    trained = train_recipe("usgan", "generator.width=4", "discriminator.width=4", "batch_size=4", "images=40")
    assert trained.updates == {"discriminator": 10, "generator": 2}
    assert trained.untouched == []


def test_the_recipe_with_a_source_classifier_asks_no_more_than_stargan() -> None:
    ours, theirs = load_recipe("usgan-asc"), load_recipe("stargan")
    for kind in ("generator", "discriminator"):
        own, reference = (
            traced_parameters(part.name, part.arguments, FER, kind) for part in (getattr(ours, kind), getattr(theirs, kind))
        )
        assert own == reference
    lengths = [(stage.epochs, stage.batch_size, stage.phases[1].every) for stage in (*ours.stages, *theirs.stages)]
    assert lengths[0] == lengths[1]
    assert ours.stages[0].phases[0].terms["classification"].arguments == {"fakes": "source", "fake_weight": 0.25}


def test_the_recipe_with_a_source_classifier_trains(train_recipe: Callable[..., Any]) -> None:
    trained = train_recipe("usgan-asc", "generator.width=4", "discriminator.width=4", "batch_size=4", "images=40")
    assert trained.updates == {"discriminator": 10, "generator": 2}
    assert trained.untouched == []
