"""What a network costs: parameters and multiply-accumulates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ganzoo.models.base import condition_width
from ganzoo.registry import DISCRIMINATORS, GENERATORS, Registry


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def traced_parameters(name: str, arguments: Mapping[str, Any], images: tuple[int, int, int], kind: str) -> int:
    """Number of trainable parameters of a network that is not built: shapes alone are traced."""
    return count_parameters(_traced(name, arguments, images, kind))


def macs_per_image(name: str, arguments: Mapping[str, Any], images: tuple[int, int, int], kind: str = "generator") -> int:
    """Multiply-accumulates of convolutions and matrix products in one forward pass of one image.

    Norms and activations are not counted. Nothing is computed: shapes alone are traced.

    Args:
        name: Registered network.
        arguments: Its own keyword arguments.
        images: Channels, side in pixels, number of classes.
        kind: ``generator`` or ``discriminator``.
    """
    channels, size, classes = images
    network = _traced(name, arguments, images, kind).eval()
    spec = network.spec
    with torch.device("meta"):
        takes_image = getattr(spec, "takes_image", True)
        inputs = [torch.empty(1, channels, size, size) if takes_image else torch.empty(1, getattr(spec, "noise_size", 0))]
        if spec.condition is not None:
            width = condition_width(spec.condition, classes)
            inputs.append(torch.zeros(1, dtype=torch.int64) if spec.condition == "index" else torch.empty(1, width))
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(*inputs)
    return int(counter.get_total_flops()) // 2


def _traced(name: str, arguments: Mapping[str, Any], images: tuple[int, int, int], kind: str) -> Any:
    channels, size, classes = images
    registry: Registry[Any] = GENERATORS if kind == "generator" else DISCRIMINATORS
    with torch.device("meta"):
        return registry.get(name)(image_channels=channels, image_size_px=size, num_classes=classes, **arguments)
