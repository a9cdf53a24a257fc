"""Layers computed in another way than the library's give what the library's give."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganzoo.models.blocks import HeadConv2d, InstanceNorm2d, halved


def _value_and_gradients(layer: nn.Module, features: Tensor) -> list[Tensor]:
    """What a layer gives, and the gradients of a weighted sum of it, by its input and by its parameters."""
    features = features.clone().requires_grad_(True)
    value = layer(features)
    weighted = (value * torch.linspace(-1, 1, value.numel()).view_as(value)).sum()
    return [value, *torch.autograd.grad(weighted, [features, *layer.parameters()])]


@pytest.mark.parametrize("affine", [True, False])
def test_instance_norm_is_torchs(affine: bool) -> None:
    torch.manual_seed(0)
    own, library = InstanceNorm2d(5, affine=affine), nn.InstanceNorm2d(5, affine=affine)
    for parameter in own.parameters():
        nn.init.normal_(parameter)
    library.load_state_dict(own.state_dict())
    features = 3 + 2 * torch.randn(2, 5, 7, 6)
    for found, expected in zip(_value_and_gradients(own, features), _value_and_gradients(library, features), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_an_activation_in_place_need_not_copy_what_instance_norm_gives() -> None:
    assert not InstanceNorm2d(2)(torch.randn(1, 2, 4, 4, requires_grad=True))._is_view()


def test_halving_is_torchs_average_pooling() -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 3, 6, 8, dtype=torch.float64, requires_grad=True)
    pooled = nn.functional.avg_pool2d(features, 2)
    torch.testing.assert_close(halved(features), pooled)
    (slope,) = torch.autograd.grad(halved(features).square().sum(), features, create_graph=True)
    (expected,) = torch.autograd.grad(pooled.square().sum(), features, create_graph=True)
    torch.testing.assert_close(slope, expected)
    torch.testing.assert_close(
        torch.autograd.grad(slope.square().sum(), features), torch.autograd.grad(expected.square().sum(), features)
    )


@pytest.mark.parametrize(("outputs", "kernel", "size"), [(1, 7, (8, 6)), (1, 3, (5, 5)), (3, 7, (8, 8))])
def test_a_head_is_torchs_convolution(outputs: int, kernel: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    own, library = HeadConv2d(4, outputs, kernel), nn.Conv2d(4, outputs, kernel, 1, kernel // 2, bias=False)
    library.load_state_dict(own.state_dict())
    features = torch.randn(2, 4, *size)
    for found, expected in zip(_value_and_gradients(own, features), _value_and_gradients(library, features), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_head_in_bfloat16_rounds_as_torchs_convolution_does() -> None:
    torch.manual_seed(0)
    own, library = HeadConv2d(4, 1, 7), nn.Conv2d(4, 1, 7, 1, 3, bias=False)
    library.load_state_dict(own.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        features = torch.randn(2, 4, 8, 8)
        assert torch.equal(own(features), library(features))


def test_a_head_starts_as_torchs_convolution_does() -> None:
    torch.manual_seed(3)
    own = HeadConv2d(4, 1, 7)
    torch.manual_seed(3)
    assert torch.equal(own.weight, nn.Conv2d(4, 1, 7, 1, 3, bias=False).weight)
