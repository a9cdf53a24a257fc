"""Features of any network: what its layers are fed with, seen from outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def layer_inputs(network: nn.Module, *, watch: bool = True) -> Iterator[list[Tensor]]:
    """Lists what convolutions and linear layers are fed with, in order, while the network runs once inside the block.

    That is activated, normalised and complete, whatever functions the network calls in between. Layers that share an input
    count once; the first one's, the image, is left out when the block ends.

    Args:
        network: Run inside the ``with`` block.
        watch: False lists nothing.
    """
    fed: list[Tensor] = []

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not any(inputs[0] is earlier for earlier in fed):
            fed.append(inputs[0])

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)] if watch else []
    hooks = [layer.register_forward_pre_hook(keep) for layer in layers]
    try:
        yield fed
    finally:
        for hook in hooks:
            hook.remove()
        del fed[:1]
