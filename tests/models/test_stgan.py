"""STGAN: size, the transfer unit by hand, where the difference enters, faces that come back, and what the recipe trains."""

from __future__ import annotations

from collections.abc import Callable
from math import tanh
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.config import load_recipe
from ganzoo.data.conditions import Condition
from ganzoo.models.base import create_generator
from ganzoo.models.cost import macs_per_image, traced_parameters
from ganzoo.models.stgan import SelectiveTransferUnit
from ganzoo.training.translator import GeneratorTranslator

FER, CELEBA = (1, 48, 4), (3, 128, 13)


def tiny(size_px: int = 48, channels: int = 1, classes: int = 4, width: int = 4) -> Any:
    torch.manual_seed(0)
    return create_generator("stgan", image_channels=channels, image_size_px=size_px, num_classes=classes, width=width)


def images(size_px: int = 48, channels: int = 1) -> Tensor:
    return torch.rand(2, channels, size_px, size_px, generator=torch.Generator().manual_seed(1)) * 2 - 1


def difference(target: list[int], source: list[int], classes: int = 4) -> Tensor:
    return Condition(torch.tensor(target), torch.tensor(source), classes).view("difference")


@pytest.mark.parametrize(("facts", "parameters", "macs"), [(FER, 18_372_033, 765e6), (CELEBA, 74_998_771, 7512e6)])
def test_size_is_that_of_the_original(facts: tuple[int, int, int], parameters: int, macs: float) -> None:
    assert traced_parameters("stgan", {}, facts, "generator") == parameters
    assert macs_per_image("stgan", {}, facts) == pytest.approx(macs, rel=0.01)


def unit(**biases: float) -> SelectiveTransferUnit:
    """A unit whose gates are their biases, whatever it is given, and that enlarges each state to its value."""
    cell = SelectiveTransferUnit(1, 1)
    for parameter in cell.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(cell.enlarge.weight, 1 / 4)  # inside a map, each pixel is reached by four weights
    for name, value in biases.items():
        nn.init.constant_(cell.get_submodule(name).get_submodule("0").get_parameter("bias"), value)
    return cell


def centre(values: Tensor) -> float:
    """Value in the middle of an 8x8 map, where no border is felt."""
    return values[0, 0, 4, 4].item()


def test_open_and_half_open_gates_by_hand() -> None:
    features, state = torch.zeros(1, 1, 8, 8), torch.full((1, 1, 4, 4), 0.8)
    output, kept = unit()(features, state)  # both gates ½, candidate tanh(0) = 0
    assert (centre(output), centre(kept)) == pytest.approx((0.4, 0.4))
    output, kept = unit(update=50, candidate=0.3)(features, state)  # the candidate alone passes
    assert (centre(output), centre(kept)) == pytest.approx((tanh(0.3), 0.4))
    output, kept = unit(update=-50, candidate=0.3, reset=50)(features, state)  # the state passes, and is kept whole
    assert (centre(output), centre(kept)) == pytest.approx((0.8, 0.8))
    output, kept = unit(reset=-50)(features, state)
    assert (centre(output), centre(kept)) == pytest.approx((0.4, 0.0), abs=1e-6)


def test_the_candidate_reads_the_map_and_what_is_kept_of_the_state() -> None:
    cell = unit(update=50)
    features, state = torch.full((1, 1, 8, 8), 0.2), torch.full((1, 1, 4, 4), 0.8)
    nn.init.constant_(cell.candidate.get_submodule("0").get_parameter("weight"), 1 / 9)  # means of both inputs
    assert centre(cell(features, state)[0]) == pytest.approx(tanh(0.2 + 0.4))


def test_units_run_from_deep_to_shallow_and_hand_on_what_they_keep() -> None:
    network, calls = tiny(), []
    for cell in network.transfer:
        cell.register_forward_hook(lambda _, given, output: calls.append((given, output)))
    wanted = difference([1, 2], [0, 2])
    network(images(), wanted)
    assert [given[0].shape[1:] for given, _ in calls] == [(16, 6, 6), (8, 12, 12), (4, 24, 24)]
    for given, _ in calls:
        assert torch.equal(given[1][:, -4:, 0, 0], wanted)
    for (_, output), (given, _) in zip(calls, calls[1:], strict=False):
        assert torch.equal(given[1][:, :-4], output[1])


def test_the_decoder_gets_outputs_of_the_units_and_the_difference_at_every_level() -> None:
    network, outputs, given = tiny(), [], []
    for cell in network.transfer:
        cell.register_forward_hook(lambda _, __, output: outputs.append(output[0]))
    for layer in [*network.decoder.layers, network.decoder.draw]:
        layer.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    wanted = difference([1, 2], [0, 2])
    network(images(), wanted)
    assert [tensor.shape[1] for tensor in given] == [32 + 4, 32 + 16 + 4, 16 + 8 + 4, 8 + 4 + 4]
    assert all(torch.equal(tensor[:, -4:, 0, 0], wanted) for tensor in given)
    assert all(torch.equal(tensor[:, -4 - skip.shape[1] : -4], skip) for tensor, skip in zip(given[1:], outputs, strict=True))


@pytest.mark.parametrize(
    ("size_px", "channels", "classes", "units"), [(12, 1, 4, 1), (32, 3, 2, 2), (48, 1, 8, 3), (64, 3, 4, 3), (128, 1, 3, 4)]
)
def test_sizes_channels_and_classes(size_px: int, channels: int, classes: int, units: int) -> None:
    network, image = tiny(size_px, channels, classes), images(size_px, channels)
    assert len(network.transfer) == units
    translated = network(image, difference([0, 1], [1, 1], classes)).image
    assert translated.shape == image.shape and translated.abs().max() <= 1


def test_only_the_difference_counts_not_which_expression_stays() -> None:
    network, image = tiny().eval(), images()
    stays = [network(image, difference([same, same], [same, same])).image for same in (0, 3)]
    assert torch.equal(*stays)
    there, back = (network(image, difference(*way)).image for way in (([1, 1], [0, 0]), ([0, 0], [1, 1])))
    assert (there - back).abs().max() > 1e-6


def test_an_intensity_scales_the_difference() -> None:
    network, image = tiny().eval(), images()
    translate = GeneratorTranslator(network, ("a", "b", "c", "d"), torch.device("cpu"))
    source, target, wanted = torch.tensor([0, 2]), torch.tensor([1, 3]), difference([1, 3], [0, 2])
    for intensity in (0.0, 0.5, 1.0, 2.0):
        expected = network(image, intensity * wanted).image
        torch.testing.assert_close(translate(image, source, target, intensity=intensity), expected)


def test_without_a_difference_a_short_training_gives_the_face_back() -> None:
    network = tiny(size_px=32, width=8)
    ramp = torch.linspace(-0.8, 0.8, 32)
    across, down = ramp.expand(32, 32), ramp[:, None].expand(32, 32)
    faces = torch.stack([across, down, across * down, -across])[:, None]
    nothing = torch.zeros(4, 4)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3, betas=(0.5, 0.999))
    distances = []
    for _ in range(120):
        distance = (network(faces, nothing).image - faces).abs().mean()
        optimizer.zero_grad()
        distance.backward()
        optimizer.step()
        distances.append(distance.item())
    assert distances[-1] < 0.05 < 0.3 < distances[0]
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.momentum = None  # A plain mean over passes: the published 0.001 takes thousands of them.
        norm.reset_running_stats()
    for _ in range(3):
        network(faces, nothing)
    given_back = network.eval()(faces, nothing).image
    assert (given_back - faces).abs().mean().item() < 0.1


def test_published_settings() -> None:
    recipe = load_recipe("stgan")
    assert recipe.discriminator.name == "attgan"
    assert (recipe.optimizer.lr, recipe.optimizer.betas, recipe.targets) == (2e-4, (0.5, 0.999), "permute")
    assert [(stage.epochs, stage.batch_size, stage.lr_factor) for stage in recipe.stages] == [(100, 32, 1), (100, 32, 0.1)]
    assert recipe.stages[0].phases == recipe.stages[1].phases == load_recipe("attgan").stages[0].phases


def test_the_recipe_trains(train_recipe: Callable[..., Any]) -> None:
    trained = train_recipe("stgan", "generator.width=4", "discriminator.width=4", "batch_size=4", "images=40")
    assert trained.updates == {"discriminator": 20, "generator": 4}
    # The Wasserstein loss takes a difference of scores, in which their bias cancels.
    assert trained.untouched == ["discriminator.score_head.2.bias"]
