"""What layers are fed with, and the context's memory of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.registry import DISCRIMINATORS
from ganzoo.training.context import Asked, StepContext
from ganzoo.training.features import layer_inputs


class _TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 2, 3, 2, 1), nn.Conv2d(2, 3, 3, 2, 1)
        self.one, self.other = nn.Linear(12, 1), nn.Linear(12, 2)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.second(torch.relu(self.first(image))).relu().flatten(1)
        return self.one(hidden), self.other(hidden)


def test_inputs_of_all_layers_but_the_first_each_once() -> None:
    network, image = _TwoHeads(), torch.rand(2, 1, 8, 8)
    with layer_inputs(network) as features:
        network(image)
    assert [tuple(found.shape) for found in features] == [(2, 2, 4, 4), (2, 12)]
    torch.testing.assert_close(features[0], torch.relu(network.first(image)))


def test_nothing_is_watched_unasked_or_afterwards() -> None:
    network = _TwoHeads()
    with layer_inputs(network, watch=False) as features:
        network(torch.rand(2, 1, 8, 8))
    assert features == []
    with layer_inputs(network) as features:
        pass
    network(torch.rand(2, 1, 8, 8))
    assert features == []


def _context(name: str, keep_features: bool = True) -> StepContext:
    torch.manual_seed(0)
    facts = {"image_channels": 1, "image_size_px": 32, "num_classes": 3}
    discriminator = create_discriminator(name, **facts, **DISCRIMINATORS.get(name).spec.tiny)
    generator = create_generator("stargan", **facts, width=4, residual_blocks=1)
    labels = torch.tensor([0, 1, 2, 1])
    random = torch.Generator().manual_seed(0)
    asked = Asked(torch.rand(4, 1, 32, 32), labels, labels.roll(1))
    return StepContext(generator, discriminator, asked, 3, random, keep_features=keep_features)


@pytest.mark.parametrize("name", DISCRIMINATORS.names())
def test_every_discriminator_has_features_that_lead_back_to_the_generator(name: str) -> None:
    context = _context(name)
    context.begin("generator", {"fake"})
    context.scores("fake")
    real, fake = context.features("real"), context.features("fake")
    assert len(real) == len(fake) >= 3
    assert all(found.requires_grad for found in fake) and not any(found.requires_grad for found in real)
    sum(found.square().mean() for found in fake).backward()
    assert all(parameter.grad is not None for parameter in context.generator.parameters())


def test_features_and_scores_share_a_pass() -> None:
    context, calls = _context("patch_classifier"), 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    context.discriminator.register_forward_pre_hook(count)
    context.begin("generator", {"fake"})
    context.scores("fake")
    context.features("fake")
    assert calls == 1
    assert _context("patch_classifier", keep_features=False).features("real") == ()


@pytest.mark.parametrize("name", [name for name in DISCRIMINATORS.names() if not DISCRIMINATORS.get(name).spec.couples_batch])
def test_one_pass_over_real_and_generated_images_gives_every_output_and_feature_of_two(name: str) -> None:
    apart, together = _context(name), _context(name)
    for context in (apart, together):
        context.discriminator.eval()  # spectral normalisation moves on with every pass in training
        context.begin("discriminator", ())
    together.real_and_generated_scores("fake")
    for of in ("real", "fake"):
        ones, others = apart.scores(of), together.scores(of)  # type: ignore[arg-type]  # a tuple of literals is strings
        for one, other in zip((*ones, *apart.features(of)), (*others, *together.features(of)), strict=True):  # type: ignore[arg-type]
            torch.testing.assert_close(one, other)
