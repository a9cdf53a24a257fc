"""What a network costs: parameters and multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook, register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from ganzoo.errors import GanzooError
from ganzoo.models.base import condition_width, output_problems
from ganzoo.registry import DISCRIMINATORS, GENERATORS, Registry

MOST_PARAMETERS, MOST_LAYERS = 4 * 10**9, 1_000
"""Of a network that is built; in training a parameter takes 16 bytes."""
_TRIAL_IMAGES = 2  # so that a batch that is taken for one image is noticed


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
    network = _traced(name, arguments, images, kind).eval()
    with FlopCounterMode(display=False) as counter:
        _pass(network, images, count=1)
    return int(counter.get_total_flops()) // 2


def trial_problems(name: str, arguments: Mapping[str, Any], images: tuple[int, int, int], kind: str) -> list[str]:
    """Where what a network gives for a batch of ``_TRIAL_IMAGES`` departs from its contract; shapes alone are traced.

    Raises:
        Exception: Whatever the network raises.
    """
    network = _traced(name, arguments, images, kind)
    problems = output_problems(network, _pass(network, images, _TRIAL_IMAGES), _TRIAL_IMAGES, images)
    empty = [key for key, parameter in network.named_parameters() if not parameter.numel()]
    return problems or ([f"has weights without numbers: {', '.join(empty)}"] if empty else [])


def _pass(network: Any, images: tuple[int, int, int], count: int) -> Any:
    """What a traced network gives for a batch."""
    channels, size, classes = images
    spec = network.spec
    with torch.device("meta"), torch.no_grad():
        takes_image = getattr(spec, "takes_image", True)
        inputs = [torch.empty(count, channels, size, size) if takes_image else torch.empty(count, getattr(spec, "noise_size", 0))]
        if spec.condition is not None:
            width = condition_width(spec.condition, classes)
            inputs.append(torch.zeros(count, dtype=torch.int64) if spec.condition == "index" else torch.empty(count, width))
        return network(*inputs)


def _traced(name: str, arguments: Mapping[str, Any], images: tuple[int, int, int], kind: str) -> Any:
    channels, size, classes = images
    registry: Registry[Any] = GENERATORS if kind == "generator" else DISCRIMINATORS
    with torch.device("meta"), _NoValues(), _bounded():
        return registry.get(name)(image_channels=channels, image_size_px=size, num_classes=classes, **arguments)


class _NoValues(TorchFunctionMode):
    """Leaves out drawing and normalizing first weights, which shapes have none of and which takes most of the time."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in ("uniform_", "normal_", "trunc_normal_", "fill_", "zero_", "normalize") and args:
            return args[0]
        named = kwargs or {}
        is_start = getattr(func, "__module__", "") == "torch.nn.init" and isinstance(named.get("tensor"), torch.Tensor)
        return named["tensor"] if is_start else func(*args, **named)


@contextmanager
def _bounded() -> Iterator[None]:
    """Ends the construction of a network as soon as it is beyond all bounds, before the rest of it is built.

    Raises:
        GanzooError: It has more parameters or layers than any network of the field.
    """
    parameters = layers = 0

    def count_numbers(owner: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal parameters
        parameters += 0 if parameter is None else parameter.numel()
        if parameters > MOST_PARAMETERS:
            raise GanzooError(f"it has more than {MOST_PARAMETERS:,} parameters")

    def count_layers(owner: nn.Module, name: str, layer: nn.Module | None) -> None:
        nonlocal layers
        layers += 1
        if layers > MOST_LAYERS:
            raise GanzooError(f"it has more than {MOST_LAYERS:,} layers")

    hooks = (
        register_module_parameter_registration_hook(count_numbers),
        register_module_module_registration_hook(count_layers),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
