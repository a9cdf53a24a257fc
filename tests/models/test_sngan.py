"""SNGAN with projection: published sizes, how the class enters, spectral norm, and a short run of its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganzoo
from ganzoo.config import load_recipe
from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.models.cost import macs_per_image, traced_parameters
from ganzoo.models.sngan import ConditionalBatchNorm

FER = (1, 48, 4)
SHAPE = {"image_channels": 1, "image_size_px": 48, "num_classes": 4}


def projection(**arguments: Any) -> Any:
    torch.manual_seed(0)
    return create_discriminator("projection", **SHAPE, **{"width": 4, **arguments})


@pytest.mark.parametrize(
    ("kind", "name", "width", "parameters", "macs"),
    [
        ("generator", "sngan", 64, 4_884_993, 825e6),
        ("generator", "sngan", 32, 1_818_881, 207e6),
        ("discriminator", "projection", 64, 10_144_257, 360e6),
        ("discriminator", "projection", 32, 2_538_753, 90e6),
    ],
)
def test_size_of_the_sheet(kind: str, name: str, width: int, parameters: int, macs: float) -> None:
    assert traced_parameters(name, {"width": width}, FER, kind) == parameters
    assert macs_per_image(name, {"width": width}, FER, kind) == pytest.approx(macs, rel=0.01)


def test_the_recipe_has_the_full_width_and_dequantizes() -> None:
    recipe = load_recipe("sngan-pd")
    assert recipe.dequantize
    assert (recipe.generator.arguments, recipe.discriminator.arguments) == ({"width": 64}, {"width": 64})


def test_each_sample_is_normalised_for_its_own_class() -> None:
    norm = ConditionalBatchNorm(2, num_classes=3)
    with torch.no_grad():
        norm.gain.weight.copy_(torch.tensor([[1.0, 1.0], [2.0, 3.0], [0.0, 0.0]]))
        norm.bias.weight.copy_(torch.tensor([[0.0, 0.0], [10.0, 20.0], [5.0, 5.0]]))
    features = torch.randn(6, 2, 4, 4)
    plain = (features - features.mean((0, 2, 3), keepdim=True)) / features.std((0, 2, 3), correction=0, keepdim=True)
    changed = norm(features, torch.tensor([0, 1, 2, 0, 1, 2]))
    torch.testing.assert_close(changed[[0, 3]], plain[[0, 3]], rtol=1e-3, atol=1e-4)
    scaled = plain[[1, 4]] * torch.tensor([2.0, 3.0])[:, None, None] + torch.tensor([10.0, 20.0])[:, None, None]
    torch.testing.assert_close(changed[[1, 4]], scaled, rtol=1e-3, atol=1e-4)
    assert (changed[[2, 5]] == 5).all()


def test_the_score_is_that_of_the_features_plus_their_fit_with_the_class() -> None:
    network = projection().eval()
    image, classes = torch.rand(3, 1, 48, 48), torch.tensor([0, 2, 3])
    features = network.blocks(image)
    assert features.shape == (3, 64, 3, 3) and features.min() >= 0
    pooled = features.flatten(2).sum(2)
    expected = pooled @ network.score.weight.T + network.score.bias + (pooled * network.embedding.weight[classes]).sum(1)[:, None]
    torch.testing.assert_close(network(image, classes).scores, expected)


def _largest_singular_values(network: nn.Module) -> Tensor:
    weights = [m.weight.detach() for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding)]
    return torch.stack([torch.linalg.matrix_norm(weight.flatten(1), 2) for weight in weights])


def test_every_weight_of_the_discriminator_has_spectral_norm_1() -> None:
    network = projection()
    for _ in range(30):  # each pass in training is a power iteration
        network(torch.rand(2, 1, 48, 48), torch.tensor([0, 1]))
    values = _largest_singular_values(network.eval())
    assert len(values) == 17  # five blocks of three convolutions, the score, the embedding
    torch.testing.assert_close(values, torch.ones(17), rtol=0.02, atol=0)


@pytest.mark.parametrize("name", ["patch_classifier", "patch_regressor", "class_branches"])
def test_spectral_norm_is_an_option_of_discriminators_without_norm(name: str) -> None:
    def network(**arguments: Any) -> nn.Module:
        torch.manual_seed(0)
        return create_discriminator(name, **SHAPE, width=4, **arguments)

    plain, normalised = network(), network(spectral_norm=True)
    assert [*network(spectral_norm=False).state_dict()] == [*plain.state_dict()]
    assert not any("parametrizations" in key for key in plain.state_dict())
    for _ in range(30):
        normalised(torch.rand(2, 1, 48, 48), *([torch.tensor([0, 1])] if name == "class_branches" else []))
    values = _largest_singular_values(normalised.eval())
    torch.testing.assert_close(values, torch.ones_like(values), rtol=0.02, atol=0)
    assert (_largest_singular_values(plain) - 1).abs().min() > 0.05
    weights = {key: value for key, value in plain.named_parameters() if key.endswith("weight")}
    originals = {key.replace("parametrizations.", "").removesuffix(".original"): p for key, p in normalised.named_parameters()}
    assert all(torch.equal(weight, originals[key]) for key, weight in weights.items()), "the initialisation is the same"


def test_a_tiny_generator_draws_other_faces_for_other_noise() -> None:
    torch.manual_seed(0)
    network = create_generator("sngan", **SHAPE, width=4)
    images = network(torch.randn(4, 128), torch.tensor([0, 1, 2, 3])).image
    assert images.shape == (4, 1, 48, 48)
    assert torch.pdist(images.flatten(1)).min() > 1


@pytest.mark.usefixtures("few_sources")
def test_a_short_run_of_the_recipe(tmp_path: Path) -> None:
    changes = ("generator.width=4", "discriminator.width=4", "batch_size=8", "images=80")
    result = ganzoo.run("sngan-pd", "synth4", preset="quick", changes=changes, results=tmp_path, device="cpu", precision="32")
    assert result.info.status == "finished" and result.metrics is not None
    updates = result.info.progress.updates
    assert updates["discriminator"] == 10 > updates["generator"] > 0
    assert result.metrics.metrics["acc"] is not None and result.metrics.metrics["l1_self"] is None
