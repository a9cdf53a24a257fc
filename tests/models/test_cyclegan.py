"""CycleGAN's patch discriminator with a map for each expression, and the one-network recipe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.config import load_recipe
from ganzoo.errors import GanzooError
from ganzoo.models.base import create_discriminator
from ganzoo.models.cost import macs_per_image, traced_parameters

FER = (1, 48, 4)


def tiny(size_px: int = 32, channels: int = 1, classes: int = 4, **arguments: int) -> Any:
    torch.manual_seed(0)
    facts = {"image_channels": channels, "image_size_px": size_px, "num_classes": classes}
    return create_discriminator("cyclegan", **facts, width=4, **arguments)


def images(size_px: int = 32, channels: int = 1, count: int = 3) -> Tensor:
    return torch.rand(count, channels, size_px, size_px, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_size() -> None:
    # Convolutions of 16 weights 1 -> 64 -> 128 -> 256 -> 4 channels, biases on the first and last; maps of 24, 12, 11, 10 px.
    weights = [16 * 64, 16 * 64 * 128, 16 * 128 * 256, 16 * 256 * 4]
    assert traced_parameters("cyclegan", {}, FER, "discriminator") == sum(weights) + 64 + 4
    macs = sum(count * side**2 for count, side in zip(weights, (24, 12, 11, 10), strict=True))
    assert macs_per_image("cyclegan", {}, FER, "discriminator") == macs


def test_three_levels_are_the_published_patchgan() -> None:
    # 64-128-256-512 for colour images, whose 2,764,737 parameters hold a bias before each of three norms; ours have none there.
    assert traced_parameters("cyclegan", {"levels": 3}, (3, 256, 1), "discriminator") == 2_764_737 - (128 + 256 + 512)
    facts = {"image_channels": 3, "image_size_px": 256, "num_classes": 1}
    network = create_discriminator("cyclegan", **facts, levels=3, width=2)
    assert network(torch.zeros(1, 3, 256, 256), torch.tensor([0])).scores.shape == (1, 1, 30, 30)


def test_each_image_is_judged_by_the_map_of_its_expression() -> None:
    network, batch, wanted = tiny(), images(), torch.tensor([2, 0, 2])
    maps = network.main(batch)
    scores = network(batch, wanted).scores
    assert maps.shape == (3, 4, 6, 6) and scores.shape == (3, 1, 6, 6)
    for index, expression in enumerate(wanted.tolist()):
        assert torch.equal(scores[index, 0], maps[index, expression])


def test_other_expressions_learn_nothing_from_an_image() -> None:
    network = tiny()
    network(images(), torch.tensor([1, 1, 3])).scores.sum().backward()
    gradient = network.main[-1].weight.grad.flatten(1).abs().amax(dim=1)
    assert (gradient > 0).tolist() == [False, True, False, True]


@pytest.mark.parametrize(("levels", "patch_px"), [(1, 16), (2, 34), (3, 70)])
def test_patches_have_the_declared_size(levels: int, patch_px: int) -> None:
    network = tiny(160, levels=levels).main
    network = nn.Sequential(*(layer for layer in network if not isinstance(layer, nn.InstanceNorm2d)))
    image = images(160, count=1).requires_grad_()
    scores = network(image)
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    assert image.grad is not None
    rows = image.grad[0, 0].abs().amax(dim=1).nonzero().flatten()
    assert int(rows[-1] - rows[0]) + 1 == patch_px


@pytest.mark.parametrize(("size_px", "channels", "classes"), [(32, 3, 2), (48, 1, 8), (64, 3, 4), (128, 1, 3), (12, 1, 2)])
def test_sizes_channels_and_classes(size_px: int, channels: int, classes: int) -> None:
    batch = images(size_px, channels)
    scores = tiny(size_px, channels, classes)(batch, torch.tensor([0, 1, 1])).scores
    assert scores.shape == (3, 1, size_px // 4 - 2, size_px // 4 - 2)


@pytest.mark.parametrize("levels", [0, 4])
def test_levels_that_leave_nothing_are_refused(levels: int) -> None:
    with pytest.raises(GanzooError, match=f"'cyclegan' cannot halve 32 px {levels} times and keep 3 px"):
        tiny(levels=levels)


def test_weights_start_as_published() -> None:
    network = create_discriminator("cyclegan", image_channels=1, image_size_px=48, num_classes=4)
    weights = [module.weight for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert all(weight.std().item() == pytest.approx(0.02, rel=0.1) for weight in weights)


def test_published_settings() -> None:
    recipe = load_recipe("cyclegan-c")
    (stage,) = recipe.stages
    judge, maker = stage.phases
    assert (stage.epochs, stage.batch_size, stage.linear_decay_from, maker.every) == (200, 1, 0.5, 1)
    assert (recipe.optimizer.lr, recipe.optimizer.betas, recipe.targets) == (2e-4, (0.5, 0.999), "uniform_other")
    assert {name: term.weight for name, term in judge.terms.items()} == {"adversarial": 1}
    weights = {name: term.weight for name, term in maker.terms.items()}
    assert weights == {"adversarial": 2, "cycle": 10, "self_reconstruction": 5}


def test_the_recipe_trains(train_recipe: Callable[..., Any]) -> None:
    sizes = ("generator.width=4", "generator.residual_blocks=1", "discriminator.width=4")
    trained = train_recipe("cyclegan-c", *sizes, "images=6")
    assert trained.updates == {"discriminator": 6, "generator": 6}
    assert trained.untouched == []
