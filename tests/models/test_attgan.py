"""AttGAN: size, where the condition and the skip enter, the discriminator's heads, and what the recipe trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.config import load_recipe
from ganzoo.errors import GanzooError
from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.models.cost import macs_per_image, traced_parameters
from ganzoo.training.translator import GeneratorTranslator

FER, CELEBA = (1, 48, 4), (3, 128, 13)


def tiny(kind: str = "generator", size_px: int = 48, channels: int = 1, classes: int = 4, **arguments: int) -> Any:
    torch.manual_seed(0)
    create: Any = create_generator if kind == "generator" else create_discriminator
    return create("attgan", image_channels=channels, image_size_px=size_px, num_classes=classes, width=4, **arguments)


def images(size_px: int = 48, channels: int = 1) -> Tensor:
    return torch.rand(2, channels, size_px, size_px, generator=torch.Generator().manual_seed(1)) * 2 - 1


def signed(classes: int = 4) -> Tensor:
    return 2 * torch.eye(classes)[:2] - 1


@pytest.mark.parametrize(
    ("kind", "facts", "parameters", "macs"),
    [
        ("generator", FER, 10_672_769, 286e6),
        ("discriminator", FER, 12_199_813, 66.7e6),
        ("generator", CELEBA, 43_459_203, 2732e6),
        ("discriminator", CELEBA, 44_718_990, 583e6),
    ],
)
def test_size_is_that_of_the_original(kind: str, facts: tuple[int, int, int], parameters: int, macs: float) -> None:
    assert traced_parameters("attgan", {}, facts, kind) == parameters
    assert macs_per_image("attgan", {}, facts, kind) == pytest.approx(macs, rel=0.01)


def sides_of(network: nn.Module, kind: type[nn.Module], *inputs: Tensor) -> list[int]:
    """Sides of the maps that layers of a kind give, in order."""
    sides: list[int] = []
    for module in network.modules():
        if isinstance(module, kind):
            module.register_forward_hook(lambda _, __, output: sides.append(output.shape[-1]))
    network(*inputs)
    return sides


@pytest.mark.parametrize(
    ("size_px", "down"),
    [(12, [6, 3]), (32, [16, 8, 4]), (48, [24, 12, 6, 3]), (64, [32, 16, 8, 4]), (128, [64, 32, 16, 8, 4]), (36, [18, 9])],
)
def test_the_depth_follows_the_size(size_px: int, down: list[int]) -> None:
    assert sides_of(tiny(size_px=size_px), nn.Conv2d, images(size_px), signed()) == down
    assert sides_of(tiny(size_px=size_px), nn.ConvTranspose2d, images(size_px), signed()) == [*down[-2::-1], size_px]
    assert sides_of(tiny("discriminator", size_px), nn.InstanceNorm2d, images(size_px)) == down


@pytest.mark.parametrize(("size_px", "channels", "classes"), [(32, 3, 2), (48, 1, 8), (64, 3, 4), (128, 1, 3)])
def test_sizes_channels_and_classes(size_px: int, channels: int, classes: int) -> None:
    image = images(size_px, channels)
    translated = tiny("generator", size_px, channels, classes)(image, signed(classes)).image
    assert translated.shape == image.shape and translated.abs().max() <= 1
    judged = tiny("discriminator", size_px, channels, classes)(image)
    assert judged.scores.shape == (2, 1) and judged.class_logits.shape == (2, classes)


def inputs_of(network: Any, image: Tensor, condition: Tensor) -> list[Tensor]:
    """What each layer of the decoder is given."""
    given: list[Tensor] = []
    for layer in [*network.decoder.layers, network.decoder.draw]:
        layer.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    network(image, condition)
    return given


def test_the_condition_enters_at_the_bottleneck_and_one_level_above() -> None:
    given = inputs_of(tiny(), images(), signed())
    assert [tensor.shape[1] for tensor in given] == [32 + 4, 32 + 16 + 4, 16, 8]
    for tensor in given[:2]:
        assert torch.equal(tensor[:, -4:], signed()[:, :, None, None].expand(-1, -1, *tensor.shape[2:]))


def test_one_skip_joins_the_encoder_to_the_decoder() -> None:
    network, maps = tiny(), []
    network.encoder.register_forward_hook(lambda _, __, output: maps.extend(output))
    given = inputs_of(network, images(), signed())
    assert torch.equal(given[0][:, :32], maps[3])
    assert torch.equal(given[1][:, 32:48], maps[2])


def test_skips_and_injections_can_be_chosen() -> None:
    given = inputs_of(tiny(shortcut_layers=0, inject_layers=3), images(), signed())
    assert [tensor.shape[1] for tensor in given] == [36, 36, 20, 12]
    given = inputs_of(tiny(shortcut_layers=3, inject_layers=0), images(), signed())
    assert [tensor.shape[1] for tensor in given] == [36, 48, 24, 12]


def test_half_the_intensity_lies_half_way_between_two_expressions() -> None:
    network, image = tiny().eval(), images()
    translate = GeneratorTranslator(network, ("a", "b", "c", "d"), torch.device("cpu"))
    source, target = torch.tensor([0, 2]), torch.tensor([1, 3])
    half_way = torch.tensor([[0.0, 0, -1, -1], [-1, -1, 0, 0]])
    torch.testing.assert_close(translate(image, source, target, intensity=0.5), network(image, half_way).image)
    torch.testing.assert_close(translate(image, source, target), network(image, 2 * torch.eye(4)[target] - 1).image)


@pytest.mark.parametrize("name", ["shortcut_layers", "inject_layers"])
def test_more_skips_than_layers_are_refused(name: str) -> None:
    with pytest.raises(GanzooError, match=f"{name} must be between 0 and 3 at this image size, not 4"):
        tiny(**{name: 4})
    with pytest.raises(GanzooError, match=f"needs a whole number that is not negative for '{name}', not -1"):
        tiny(**{name: -1})


def test_a_size_that_leaves_no_room_for_the_skip_is_refused() -> None:
    with pytest.raises(GanzooError, match="needs images of at least 12 px, not 8"):
        tiny(size_px=8)


def test_each_head_of_the_discriminator_learns_by_itself() -> None:
    network = tiny("discriminator")
    network(images()).scores.sum().backward()
    assert all(parameter.grad is None for parameter in network.class_head.parameters())
    assert all(parameter.grad is not None for part in (network.main, network.score_head) for parameter in part.parameters())


def test_published_settings() -> None:
    recipe = load_recipe("attgan")
    (stage,) = recipe.stages
    judge, maker = stage.phases
    assert (stage.epochs, stage.batch_size, stage.linear_decay_from, maker.every) == (60, 32, 0.5, 5)
    assert (recipe.optimizer.lr, recipe.optimizer.betas, recipe.targets) == (2e-4, (0.5, 0.999), "permute")
    assert {name: term.weight for name, term in judge.terms.items()} == {
        "adversarial": 1,
        "gradient_penalty": 10,
        "classification": 1,
    }
    assert {name: term.weight for name, term in maker.terms.items()} == {
        "adversarial": 1,
        "classification": 10,
        "self_reconstruction": 100,
    }
    assert all(phase.terms["classification"].arguments == {"form": "binary"} for phase in stage.phases)
    assert all(phase.terms["adversarial"].arguments == {"loss": "wgan"} for phase in stage.phases)


def test_the_recipe_trains(train_recipe: Callable[..., Any]) -> None:
    trained = train_recipe("attgan", "generator.width=4", "discriminator.width=4", "batch_size=4", "images=40")
    assert trained.updates == {"discriminator": 10, "generator": 2}
    # The Wasserstein loss takes a difference of scores, in which their bias cancels.
    assert trained.untouched == ["discriminator.score_head.2.bias"]
