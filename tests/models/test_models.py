"""What every registered network must do; a new one is tested the moment it is registered."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.data.conditions import Condition
from ganzoo.errors import GanzooError
from ganzoo.models.base import (
    NUM_ACTION_UNITS,
    Discriminator,
    Generator,
    LabelEncodingGenerator,
    LatentDiscriminator,
    StyledGenerator,
    create_discriminator,
    create_generator,
)
from ganzoo.models.cost import count_parameters, macs_per_image, traced_parameters
from ganzoo.registry import DISCRIMINATORS, GENERATORS
from ganzoo.testing import nudged

COUNT = 3
FER = (1, 48, 4)  # channels, side in pixels, classes
GENERATOR_NAMES = [name for name in GENERATORS.names() if GENERATORS.origin(name) == "ganzoo"]
DISCRIMINATOR_NAMES = [name for name in DISCRIMINATORS.names() if DISCRIMINATORS.origin(name) == "ganzoo"]
EVERY_NETWORK = [("generator", name) for name in GENERATOR_NAMES] + [("discriminator", name) for name in DISCRIMINATOR_NAMES]
EVERY_SHAPE = [(1, 32, 2), (3, 48, 4), (1, 64, 7)]


def _create(kind: str, name: str, channels: int = 1, size_px: int = 32, classes: int = 4, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    create: Any = create_generator if kind == "generator" else create_discriminator
    tiny = (GENERATORS if kind == "generator" else DISCRIMINATORS).get(name).spec.tiny
    return create(name, image_channels=channels, image_size_px=size_px, num_classes=classes, **tiny)


def _source(network: nn.Module, channels: int, size_px: int, count: int = COUNT, seed: int = 1) -> Tensor:
    """An image or noise, as the network takes it, in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    spec: Any = network.spec
    if not getattr(spec, "takes_image", True):
        return 2 * torch.rand(count, spec.noise_size, generator=generator) - 1
    return 2 * torch.rand(count, channels, size_px, size_px, generator=generator) - 1


def _condition(network: nn.Module, targets: list[int], classes: int) -> list[Tensor]:
    spec: Any = network.spec
    if spec.condition is None:
        return []
    if spec.condition == "action_units":
        return [torch.rand(classes, NUM_ACTION_UNITS, generator=torch.Generator().manual_seed(2))[targets]]
    return [Condition(torch.tensor(targets), torch.zeros(len(targets), dtype=torch.int64), classes).view(spec.condition)]


def _outputs(network: Any, source: Tensor, targets: list[int], classes: int) -> list[Tensor]:
    outputs = network(source, *_condition(network, targets, classes))._asdict()
    return [part for name, part in outputs.items() if part is not None and name != "style"]


@pytest.mark.parametrize(("channels", "size_px", "classes"), EVERY_SHAPE)
@pytest.mark.parametrize("name", GENERATOR_NAMES)
def test_a_generator_gives_images(name: str, channels: int, size_px: int, classes: int) -> None:
    network: Generator = _create("generator", name, channels, size_px, classes)
    assert network.spec.size_problem(size_px) is None
    output = network(_source(network, channels, size_px), *_condition(network, [0, 1, 1], classes))
    assert output.image.shape == (COUNT, channels, size_px, size_px)
    assert output.image.dtype == torch.float32
    assert output.image.isfinite().all() and output.image.abs().max() <= network.spec.largest_value
    if output.attention is not None:
        assert output.attention.shape == (COUNT, 1, size_px, size_px)
        assert output.attention.min() >= 0 and output.attention.max() <= 1


@pytest.mark.parametrize(("channels", "size_px", "classes"), EVERY_SHAPE)
@pytest.mark.parametrize("name", DISCRIMINATOR_NAMES)
def test_a_discriminator_gives_what_it_declares(name: str, channels: int, size_px: int, classes: int) -> None:
    network: Discriminator = _create("discriminator", name, channels, size_px, classes)
    output = network(_source(network, channels, size_px), *_condition(network, [0, 1, 1], classes))
    assert output.scores.shape[:2] == (COUNT, 1)
    assert output.scores.isfinite().all()
    assert (output.class_logits is not None) == ("class_logits" in network.spec.gives)
    if output.class_logits is not None:
        assert output.class_logits.shape == (COUNT, classes)


@pytest.mark.parametrize(("kind", "name"), EVERY_NETWORK)
def test_the_gradient_reaches_every_parameter(kind: str, name: str) -> None:
    network = _create(kind, name)
    outputs = _outputs(network, _source(network, 1, 32), [0, 1, 2], 4)
    if isinstance(network, LabelEncodingGenerator):
        outputs.append(network.classify(_source(network, 1, 32)))
    if isinstance(network, LatentDiscriminator):
        outputs.append(network.judge_latent(torch.randn(COUNT, network.spec.latent_size)))
    if isinstance(network, StyledGenerator):
        classes = torch.arange(4)
        outputs.append(network.style_from_noise(torch.randn(4, network.spec.noise_size), classes))
        outputs.append(network.style_of(_source(network, 1, 32, count=4), classes))
    sum(part.square().sum() for part in outputs).backward()
    without = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.isfinite().all()]
    assert not without
    # A bias before batch norm has gradient 0 up to rounding, so the weights are what must move.
    still = [key for key, value in network.named_parameters() if value.ndim > 1 and not value.grad.abs().max() > 0]
    assert not still


@pytest.mark.parametrize(("kind", "name"), EVERY_NETWORK)
def test_the_source_changes_the_output(kind: str, name: str) -> None:
    network = _create(kind, name)  # in training mode: batch norm keeps DCGAN's tiny initial weights from fading the signal
    first, second = (_outputs(network, _source(network, 1, 32, seed=seed), [1, 1, 1], 4) for seed in (1, 2))
    assert all((a - b).abs().max() > 1e-6 for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(("kind", "name"), EVERY_NETWORK)
def test_the_condition_changes_the_output(kind: str, name: str) -> None:
    network = nudged(_create(kind, name)).eval()
    if network.spec.condition is None:
        with pytest.raises(TypeError):
            network(_source(network, 1, 32), torch.zeros(COUNT, 4))
        return
    source = _source(network, 1, 32)
    answers = [_outputs(network, source, [target] * COUNT, 4)[0] for target in range(4)]
    for first in range(4):
        for second in range(first):
            assert (answers[first] - answers[second]).flatten(1).abs().amax(dim=1).min() > 1e-6


@pytest.mark.parametrize(("kind", "name"), EVERY_NETWORK)
def test_a_saved_network_comes_back(kind: str, name: str) -> None:
    before, after = _create(kind, name).eval(), _create(kind, name, seed=5).eval()
    source = _source(before, 1, 32)
    assert any(not torch.equal(a, b) for a, b in zip(*(_outputs(n, source, [0, 1, 2], 4) for n in (before, after)), strict=True))
    after.load_state_dict(before.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*(_outputs(n, source, [0, 1, 2], 4) for n in (before, after)), strict=True))


@pytest.mark.parametrize(("kind", "name"), EVERY_NETWORK)
def test_the_same_seed_gives_the_same_bits(kind: str, name: str) -> None:
    first, second = (_create(kind, name, seed=7).state_dict() for _ in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(("kind", "name"), EVERY_NETWORK)
def test_batch_coupling_is_as_declared(kind: str, name: str) -> None:
    network = _create(kind, name)
    sources = _source(network, 1, 32, count=4)
    others = torch.cat([sources[:1], _source(network, 1, 32, count=3, seed=9)])

    def first_of(batch: Tensor) -> Tensor:
        with torch.no_grad():
            return _outputs(deepcopy(network), batch, [0, 1, 2, 3], 4)[0][0]  # a pass in training moves statistics on

    network.eval()
    torch.testing.assert_close(first_of(sources), first_of(others), rtol=1e-4, atol=1e-6)
    network.train()
    differs = (first_of(sources) - first_of(others)).abs().max() > 1e-4
    assert bool(differs) == network.spec.couples_batch


@pytest.mark.parametrize(("kind", "name"), EVERY_NETWORK)
def test_a_size_or_argument_that_does_not_fit_is_refused(kind: str, name: str) -> None:
    create: Any = create_generator if kind == "generator" else create_discriminator
    with pytest.raises(GanzooError, match=f"{kind.capitalize()} '{name}' needs a size that is a multiple of"):
        create(name, image_channels=1, image_size_px=65, num_classes=4)
    with pytest.raises(GanzooError, match=rf"'{name}' has no argument 'widht'\. Did you mean 'width'\? It takes: .*width"):
        create(name, image_channels=1, image_size_px=32, num_classes=4, widht=3)


@pytest.mark.parametrize(
    ("kind", "name", "arguments", "parameters"),
    [
        ("generator", "stargan", {"width": 64}, 8_414_848),
        ("generator", "stargan", {"width": 32}, 2_110_272),
        ("discriminator", "patch_classifier", {"width": 64}, 2_777_536),
        ("discriminator", "patch_classifier", {"width": 32}, 700_640),
        ("discriminator", "patch_classifier", {"width": 64, "depth": 3}, 696_000),
        ("generator", "cdcgan", {}, 4_841_701),
        ("discriminator", "cdcgan", {}, 4_405_765),
    ],
)
def test_parameters_are_those_of_the_originals(kind: str, name: str, arguments: dict[str, int], parameters: int) -> None:
    assert traced_parameters(name, arguments, FER, kind) == parameters


@pytest.mark.parametrize(
    ("kind", "name", "macs"),
    [
        ("generator", "stargan", 1365e6),
        ("discriminator", "patch_classifier", 57.3e6),
        ("generator", "cdcgan", 91.5e6),
        ("discriminator", "cdcgan", 96.3e6),
    ],
)
def test_multiply_accumulates(kind: str, name: str, macs: float) -> None:
    assert macs_per_image(name, {}, FER, kind) == pytest.approx(macs, rel=0.01)


def test_a_traced_network_counts_what_a_built_one_has() -> None:
    for kind, name in EVERY_NETWORK:
        network = _create(kind, name)
        assert traced_parameters(name, network.spec.tiny, (1, 32, 4), kind) == count_parameters(network)


def test_stargan_has_the_parameter_order_of_the_original() -> None:
    generator = _create("generator", "stargan", 1, 48)
    shapes = [tuple(parameter.shape) for parameter in generator.parameters()]
    convolution, norm = (4, 5, 7, 7), (4,)
    assert shapes[:3] == [convolution, norm, norm]
    assert shapes[3:9] == [(8, 4, 4, 4), (8,), (8,), (16, 8, 4, 4), (16,), (16,)]
    assert shapes[9:15] == 2 * [(16, 16, 3, 3), (16,), (16,)]
    assert shapes[15:] == [(16, 8, 4, 4), (8,), (8,), (8, 4, 4, 4), (4,), (4,), (1, 4, 7, 7)]


def test_the_patch_classifier_has_trunk_score_head_class_head() -> None:
    network = _create("discriminator", "patch_classifier", 1, 48)
    shapes = [tuple(parameter.shape) for parameter in network.parameters()]
    trunk = [(4, 1, 4, 4), (4,), (8, 4, 4, 4), (8,), (16, 8, 4, 4), (16,), (32, 16, 4, 4), (32,)]
    assert shapes == [*trunk, (1, 32, 3, 3), (4, 32, 3, 3)]


@pytest.mark.parametrize(("size_px", "map_px"), [(32, 4), (48, 3), (64, 4), (128, 4), (6, 3)])
def test_the_depth_of_the_patch_classifier_follows_the_size(size_px: int, map_px: int) -> None:
    network = _create("discriminator", "patch_classifier", 1, size_px)
    assert network(torch.zeros(1, 1, size_px, size_px)).scores.shape == (1, 1, map_px, map_px)


def test_stargan_normalises_the_same_in_training_and_evaluation() -> None:
    network = _create("generator", "stargan")
    source, condition = _source(network, 1, 32), _condition(network, [0, 1, 2], 4)
    training = network.train()(source, *condition).image
    assert torch.equal(training, network.eval()(source, *condition).image)


def test_a_dcgan_bottleneck_squeezes_the_face_through_a_vector() -> None:
    network = create_generator("dcgan", image_channels=1, image_size_px=32, num_classes=4, width=4, bottleneck=6)
    assert sorted({module.out_features for module in network.modules() if isinstance(module, nn.Linear)}) == [6, 128]
    assert network(_source(network, 1, 32), *_condition(network, [0, 1, 2], 4)).image.shape == (COUNT, 1, 32, 32)


@pytest.mark.parametrize("name", ["dcgan", "cdcgan"])
def test_dcgan_starts_from_its_published_initialisation(name: str) -> None:
    torch.manual_seed(0)
    network = create_generator(name, image_channels=1, image_size_px=32, num_classes=4, width=16)
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d) and module.out_channels > 1:
            assert float(module.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
            assert module.bias is not None and not module.bias.any()
        if isinstance(module, nn.BatchNorm2d):
            assert float(module.weight.detach().mean()) == pytest.approx(1, abs=0.02)
