"""CCycleGAN: sizes of its maps, skips, norms, and what the recipe trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.config import load_recipe
from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.models.ccyclegan import WholeImageNorm
from ganzoo.models.cost import macs_per_image, traced_parameters

FER = (1, 48, 4)
DOWN = [16 * 64, 16 * 64 * 128, 16 * 128 * 256, 16 * 256 * 512]  # weights
DOWN_BIASES, DOWN_NORMS = 64 + 128 + 256 + 512, 2 * 4
DOWN_MACS = sum(count * side**2 for count, side in zip(DOWN, (23, 10, 4, 1), strict=True))


def tiny(kind: str = "generator", size_px: int = 48, channels: int = 1, classes: int = 4) -> Any:
    torch.manual_seed(0)
    create: Any = create_generator if kind == "generator" else create_discriminator
    return create("ccyclegan", image_channels=channels, image_size_px=size_px, num_classes=classes, width=4)


def images(size_px: int = 48, channels: int = 1) -> Tensor:
    return torch.rand(2, channels, size_px, size_px, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_size_of_the_generator() -> None:
    bottleneck = [516 * 516, 516 * 512]
    up = [16 * 512 * 256, 16 * 512 * 128, 16 * 256 * 64, 16 * 128 * 1]
    up_biases, up_norms = 256 + 128 + 64 + 1, 2 * 3
    parameters = sum(DOWN + bottleneck + up) + DOWN_BIASES + DOWN_NORMS + 516 + 512 + up_biases + up_norms
    assert traced_parameters("ccyclegan", {}, FER, "generator") == parameters == 6_696_355
    macs = DOWN_MACS + sum(bottleneck) + sum(count * side**2 for count, side in zip(up, (1, 4, 10, 23), strict=True))
    assert macs_per_image("ccyclegan", {}, FER) == macs == 70_837_264


def test_size_of_the_discriminator() -> None:
    heads = [512 * 512, 512 * 1, 512 * 512, 512 * 4]
    norms = DOWN_NORMS - 2  # none on the first map
    parameters = sum(DOWN + heads) + DOWN_BIASES + norms + 512 + 1 + 512 + 4
    assert traced_parameters("ccyclegan", {}, FER, "discriminator") == parameters == 3_282_379
    assert macs_per_image("ccyclegan", {}, FER, "discriminator") == DOWN_MACS + sum(heads)


def shapes_of(network: nn.Module, kind: type[nn.Module], *inputs: Tensor) -> list[int]:
    """Sides of the maps that layers of a kind give, in order."""
    sides: list[int] = []
    for module in network.modules():
        if isinstance(module, kind):
            module.register_forward_hook(lambda _, __, output: sides.append(output.shape[-1]))
    network(*inputs)
    return sides


@pytest.mark.parametrize(
    ("size_px", "down", "up"),
    [
        (48, [23, 10, 4, 1], [4, 10, 23, 48]),
        (46, [22, 10, 4, 1], [4, 10, 22, 46]),
        (32, [15, 6, 2], [6, 15, 32]),
        (22, [10, 4, 1], [4, 10, 22]),
        (64, [31, 14, 6, 2], [6, 14, 31, 64]),
        (128, [63, 30, 14, 6], [14, 30, 63, 128]),
    ],
)
def test_maps_on_the_way_down_and_up(size_px: int, down: list[int], up: list[int]) -> None:
    image, condition = images(size_px), torch.eye(4)[:2]
    assert shapes_of(tiny(size_px=size_px), nn.Conv2d, image, condition) == down + 2 * [down[-1]]
    assert shapes_of(tiny(size_px=size_px), nn.ConvTranspose2d, image, condition) == up
    assert shapes_of(tiny("discriminator", size_px), nn.Conv2d, image) == down


def test_maps_are_normalised_as_a_whole_that_of_one_pixel_too() -> None:
    normalised = [23, 10, 4, 1]
    assert shapes_of(tiny(), WholeImageNorm, images(), torch.eye(4)[:2]) == normalised + normalised[-2::-1]
    assert shapes_of(tiny("discriminator"), WholeImageNorm, images()) == normalised[1:]
    features = torch.tensor([1.0, 2.0, 3.0, 6.0]).reshape(1, 2, 1, 2).requires_grad_()
    normalized = WholeImageNorm()(features)
    assert normalized.flatten().tolist() == pytest.approx([(x - 3) / (3.5**0.5 + 1e-3) for x in (1, 2, 3, 6)])
    flat = torch.ones(1, 2, 1, 2, requires_grad=True)  # all activations alike, or all dead
    WholeImageNorm()(flat).sum().backward()
    assert flat.grad is not None and flat.grad.isfinite().all()


@pytest.mark.parametrize(("size_px", "channels", "classes"), [(32, 3, 2), (48, 1, 8), (64, 3, 4), (128, 1, 3)])
def test_sizes_channels_and_classes(size_px: int, channels: int, classes: int) -> None:
    image = images(size_px, channels)
    translated = tiny("generator", size_px, channels, classes)(image, torch.eye(classes)[:2]).image
    assert translated.shape == image.shape and translated.abs().max() <= 1
    judged = tiny("discriminator", size_px, channels, classes)(image)
    assert judged.scores.shape == (2, 1) and judged.class_logits.shape == (2, classes)


def test_every_skip_reaches_the_picture() -> None:
    network, image, condition = tiny(), images(), torch.eye(4)[:2]
    whole = network(image, condition).image
    for level in range(3):
        hook = network.down[level].register_forward_hook(lambda _, __, output: output + torch.linspace(0, 1, output.shape[-1]))
        assert (network(image, condition).image - whole).abs().max() > 1e-4
        hook.remove()


def test_the_expression_enters_at_the_bottleneck_alone() -> None:
    network, image = tiny(), images()
    given: list[Tensor] = []
    network.bottleneck.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    network(image, torch.eye(4)[:2])
    network(image, torch.eye(4)[2:])
    assert torch.equal(given[0][:, :-4], given[1][:, :-4])
    assert torch.equal(given[0][:, -4:, 0, 0], torch.eye(4)[:2])


def test_published_settings() -> None:
    recipe = load_recipe("ccyclegan")
    (stage,) = recipe.stages
    judge, maker = stage.phases
    assert (stage.epochs, stage.batch_size, maker.every, recipe.flip) == (170, 64, 5, True)
    assert (recipe.optimizer.lr, recipe.optimizer.betas, recipe.targets) == (2e-4, (0.5, 0.999), "all_other")
    assert {name: term.weight for name, term in judge.terms.items()} == {"adversarial": 1, "null_class": 1}
    assert {term.arguments["fake_weight"] for term in judge.terms.values()} == {3}
    assert {name: term.weight for name, term in maker.terms.items()} == {
        "adversarial": 2,
        "null_class": 2,
        "self_reconstruction": 1,
    }


def test_the_recipe_trains(train_recipe: Callable[..., Any]) -> None:
    trained = train_recipe("ccyclegan", "generator.width=4", "discriminator.width=4", "batch_size=4", "images=40")
    assert trained.updates == {"discriminator": 10, "generator": 2}
    assert trained.untouched == []
