"""GANimation: published size, blending, and what the recipe trains."""

from __future__ import annotations

import pytest
import torch

from ganzoo.config import load_recipe
from ganzoo.data.expressions import AU_NAMES
from ganzoo.models.base import NUM_ACTION_UNITS, create_discriminator, create_generator
from ganzoo.models.cost import macs_per_image, traced_parameters
from ganzoo.models.stargan import StarGANGenerator

FER = (1, 48, 4)


@pytest.mark.parametrize(
    ("name", "parameters", "million_macs"), [("ganimation", 8_458_752, 1466), ("ganimation_onehot", 8_417_984, 1372)]
)
def test_size_of_the_sheet(name: str, parameters: int, million_macs: int) -> None:
    assert traced_parameters(name, {}, FER, "generator") == parameters
    assert macs_per_image(name, {}, FER) == pytest.approx(million_macs * 1e6, rel=0.01)


def test_the_discriminator_is_stargans_with_seventeen_outputs() -> None:
    # 2,777,536 parameters with four outputs of 512 channels on a 3x3 map.
    assert traced_parameters("patch_regressor", {}, FER, "discriminator") == 2_777_536 + 13 * 512 * 9


def test_the_units_are_those_of_the_data() -> None:
    assert len(AU_NAMES) == NUM_ACTION_UNITS


def tiny(name: str = "ganimation") -> torch.nn.Module:
    torch.manual_seed(0)
    return create_generator(name, image_channels=1, image_size_px=32, num_classes=4, width=4, residual_blocks=1)


def test_the_mask_blends_source_and_color() -> None:
    network = tiny()
    image, units = torch.rand(2, 1, 32, 32) * 2 - 1, torch.rand(2, NUM_ACTION_UNITS)
    kept, replaced = network.attention_head.weight, network.color_head.weight
    with torch.no_grad():
        first = network(image, units)
        # A mask of one half everywhere and no colour: half the source.
        kept.zero_()
        replaced.zero_()
        blended = network(image, units)
    assert first.attention.min() > 0 and first.attention.max() < 1
    torch.testing.assert_close(blended.image, image / 2)


def test_weights_start_as_published() -> None:
    network = create_generator("ganimation", image_channels=1, image_size_px=48, num_classes=4)
    weight = network.color_head.weight
    assert isinstance(network, StarGANGenerator)
    assert weight.std().item() == pytest.approx(0.02, rel=0.1)
    discriminator = create_discriminator("patch_regressor", image_channels=1, image_size_px=48, num_classes=4)
    assert discriminator.class_head.weight.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("name", ["ganimation", "ganimation-onehot"])
def test_published_settings(name: str) -> None:
    (stage,) = load_recipe(name).stages
    assert (stage.batch_size, stage.epochs, stage.phases[1].every) == (25, 30, 5)
    assert stage.linear_decay_from == pytest.approx(2 / 3)
    assert stage.phases[1].terms["cycle"].weight == 10
