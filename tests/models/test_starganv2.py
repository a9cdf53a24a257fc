"""StarGAN v2: sizes, branches, styles without and with chance, and what its recipe trains."""

from __future__ import annotations

import pytest
import torch

from ganzoo.config import load_recipe
from ganzoo.models.base import StyledGenerator, create_discriminator, create_generator
from ganzoo.models.cost import count_parameters, macs_per_image, traced_parameters

FER = (1, 48, 4)
TINY = {"width": 4, "most_channels": 8, "style_size": 4, "mapping_width": 8}


def starganv2(size_px: int = 48, **arguments: int) -> StyledGenerator:
    torch.manual_seed(0)
    network = create_generator("starganv2", image_channels=1, image_size_px=size_px, num_classes=4, **arguments)
    assert isinstance(network, StyledGenerator)
    return network


def test_size_of_the_sheet() -> None:
    network = starganv2()
    parts = {"synthesis": 6_121_089, "style_encoder": 3_611_328, "mapping": 4_079_872}
    assert {part: count_parameters(network.get_submodule(part)) for part in parts} == parts
    assert traced_parameters("class_branches", {}, FER, "discriminator") == 3_546_564
    assert macs_per_image("starganv2", {}, FER) == pytest.approx(1521e6, rel=0.01)
    assert macs_per_image("class_branches", {}, FER, "discriminator") == pytest.approx(427e6, rel=0.01)


def test_each_class_has_its_own_branch() -> None:
    torch.manual_seed(0)
    network = create_discriminator("class_branches", image_channels=1, image_size_px=48, num_classes=4, width=4)
    image = torch.rand(1, 1, 48, 48).expand(4, -1, -1, -1)
    scores = network(image, torch.arange(4)).scores
    assert scores.shape == (4, 1) and scores.unique().numel() == 4
    with torch.no_grad():
        network.branches.weight[2].zero_()
        network.branches.bias[2] = 5.0
    changed = network(image, torch.arange(4)).scores
    assert (changed != scores).flatten().tolist() == [False, False, True, False] and changed[2] == 5


@pytest.mark.parametrize("size_px", [32, 48, 64, 128])
def test_styles_of_one_expression(size_px: int) -> None:
    network = starganv2(size_px, **TINY)
    faces, happy = torch.rand(2, 1, size_px, size_px) * 2 - 1, torch.tensor([1, 1])
    noise = torch.randn(2, network.spec.noise_size)
    first, second = (network.style_from_noise(part.expand(2, -1), happy) for part in noise[:, None])
    assert first.shape == (2, 4)
    assert (network.restyle(faces, first).image - network.restyle(faces, second).image).abs().max() > 1e-4
    assert network.style_of(faces, happy).shape == (2, 4)


def test_evaluation_takes_the_mean_style_of_the_present_weights() -> None:
    network = starganv2(**TINY)
    faces, classes = torch.rand(3, 1, 48, 48), torch.tensor([0, 2, 2])
    training = network(faces, classes).image
    torch.testing.assert_close(network.eval()(faces, classes).image, training)
    with torch.no_grad():
        for parameter in network.mapping.parameters():
            parameter.add_(0.5)
    assert (network.eval()(faces, classes).image - training).abs().max() > 1e-4


def test_the_mapping_network_learns_slowly_and_references_train_the_synthesis_alone() -> None:
    recipe = load_recipe("starganv2")
    (stage,) = recipe.stages
    assert recipe.optimizer_for("generator.mapping").lr == 1e-6 and recipe.optimizer_for("generator.synthesis").lr == 1e-4
    assert [(phase.style, phase.update) for phase in stage.phases[1::2]] == [
        ("reference", ("discriminator",)),
        ("reference", ("generator.synthesis",)),
    ]
    assert stage.phases[2].terms["diversity"].weight_at(0.25) == 1.5
    assert (recipe.targets, recipe.sampling) == ("reference", "balanced")
