"""ACGAN: sizes counted by hand, how the class enters, and a short run of its recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import ganzoo
from ganzoo.config import load_recipe
from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.models.cost import macs_per_image, traced_parameters

FER = (1, 48, 4)
SHAPE = {"image_channels": 1, "image_size_px": 48, "num_classes": 4}


def test_size_of_the_generator() -> None:
    embedding, project = 4 * 100, 101 * 128 * 12 * 12
    convolutions = (128 * 9 + 1) * 128 + (128 * 9 + 1) * 64 + (64 * 9 + 1)
    norms = 2 * (128 + 128 + 64)
    assert traced_parameters("acgan", {}, FER, "generator") == embedding + project + convolutions + norms == 2_084_625
    macs = 100 * 128 * 12**2 + 24**2 * 128 * 128 * 9 + 48**2 * (128 * 64 + 64) * 9
    assert macs_per_image("acgan", {}, FER) == macs


def test_size_of_the_discriminator() -> None:
    convolutions = (9 + 1) * 16 + (16 * 9 + 1) * 32 + (32 * 9 + 1) * 64 + (64 * 9 + 1) * 128
    norms, heads = 2 * (32 + 64 + 128), (128 * 3 * 3 + 1) * (1 + 4)
    assert traced_parameters("acgan", {}, FER, "discriminator") == convolutions + norms + heads == 103_365
    macs = 24**2 * 16 * 9 + 12**2 * 16 * 32 * 9 + 6**2 * 32 * 64 * 9 + 3**2 * 64 * 128 * 9 + 128 * 9 * 5
    assert macs_per_image("acgan", {}, FER, "discriminator") == macs


def test_noise_is_multiplied_by_the_embedding_of_the_class() -> None:
    torch.manual_seed(0)
    network: Any = create_generator("acgan", **SHAPE, width=4).eval()
    noise, classes = torch.randn(2, 100), torch.tensor([3, 1])
    expected = network.main(noise * network.embedding.weight[classes])
    torch.testing.assert_close(network(noise, classes).image, expected)
    with torch.no_grad():
        network.embedding.weight[1] = 0
    silent = network(torch.randn(2, 100), torch.tensor([1, 1])).image
    torch.testing.assert_close(silent[0], silent[1])


def test_the_layers_of_the_discriminator() -> None:
    network = create_discriminator("acgan", **SHAPE, width=4, dropout=0.5)
    kinds = [type(layer).__name__ for layer in network.get_submodule("main").children()]
    level = ["Conv2d", "LeakyReLU", "Dropout2d", "BatchNorm2d"]
    assert kinds == [*level[:3], *level, *level, *level, "Flatten"]
    assert {layer.p for layer in network.modules() if isinstance(layer, nn.Dropout2d)} == {0.5}


@pytest.mark.usefixtures("few_sources")
def test_a_short_run_of_the_recipe(tmp_path: Path) -> None:
    changes = ("generator.width=4", "discriminator.width=4", "batch_size=8", "images=32")
    result = ganzoo.run("acgan", "synth4", preset="quick", changes=changes, results=tmp_path, device="cpu", precision="32")
    assert result.info.status == "finished" and result.metrics is not None
    assert result.info.progress.updates == {"discriminator": 4, "generator": 4}
    assert result.metrics.metrics["acc"] is not None and result.metrics.metrics["l1_self"] is None


def test_both_sides_weigh_realness_and_class_equally() -> None:
    discriminator, generator = load_recipe("acgan").stages[0].phases
    for phase in (discriminator, generator):
        assert phase.terms["adversarial"].weight == phase.terms["classification"].weight
    assert discriminator.terms["classification"].arguments == {"fakes": "target"}
