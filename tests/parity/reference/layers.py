"""Layers in double precision, written from their definitions; weights are drawn when a layer first asks for them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from parity import drawing


class Weights:
    """Parameters and buffers of a network by name.

    Attributes:
        parameters: Name -> leaf tensor with a gradient.
        buffers: Name -> tensor.
        training: Whether batch norm takes the statistics of the batch and moves its own.
        drop: What stands for dropout of whole channels while training.
    """

    def __init__(self) -> None:
        self.parameters: dict[str, Tensor] = {}
        self.buffers: dict[str, Tensor] = {}
        self.training = True
        self.drop: Callable[[Tensor, float], Tensor] = lambda features, share: features

    def parameter(self, name: str, *shape: int) -> Tensor:
        if name not in self.parameters:
            self.parameters[name] = drawing.weights(name, *shape).requires_grad_(True)
        assert self.parameters[name].shape == shape, name
        return self.parameters[name]

    def buffer(self, name: str, *shape: int) -> Tensor:
        if name not in self.buffers:
            self.buffers[name] = drawing.weights(name, *shape)
        return self.buffers[name]

    def spectral(self, name: str, *shape: int) -> Tensor:
        """A weight divided by its largest singular value; the iteration that estimates it starts where it ends."""
        own = f"{name.rpartition('.')[0]}.parametrizations.weight"
        weight = self.parameter(f"{own}.original", *shape)
        left, right = drawing.singular_vectors(weight.detach())
        self.buffers[f"{own}.0._u"], self.buffers[f"{own}.0._v"] = left, right
        return weight / torch.linalg.svdvals(weight.flatten(1))[0]


def conv(
    w: Weights,
    name: str,
    x: Tensor,
    outputs: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    *,
    bias: bool = True,
    spectral: bool = False,
) -> Tensor:
    shape = (outputs, x.shape[1], kernel, kernel)
    weight = w.spectral(f"{name}.weight", *shape) if spectral else w.parameter(f"{name}.weight", *shape)
    shift = w.parameter(f"{name}.bias", outputs) if bias else None
    return functional.conv2d(x, weight, shift, stride, padding)


def conv_up(
    w: Weights,
    name: str,
    x: Tensor,
    outputs: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    *,
    bias: bool = True,
    output_padding: int = 0,
) -> Tensor:
    """Transposed convolution."""
    weight = w.parameter(f"{name}.weight", x.shape[1], outputs, kernel, kernel)
    shift = w.parameter(f"{name}.bias", outputs) if bias else None
    return functional.conv_transpose2d(x, weight, shift, stride, padding, output_padding)


def linear(w: Weights, name: str, x: Tensor, outputs: int, *, spectral: bool = False) -> Tensor:
    shape = (outputs, x.shape[1])
    weight = w.spectral(f"{name}.weight", *shape) if spectral else w.parameter(f"{name}.weight", *shape)
    return x @ weight.T + w.parameter(f"{name}.bias", outputs)


def embedding(w: Weights, name: str, index: Tensor, classes: int, size: int, *, spectral: bool = False) -> Tensor:
    table = w.spectral(f"{name}.weight", classes, size) if spectral else w.parameter(f"{name}.weight", classes, size)
    return table[index]


def instance_norm(w: Weights, name: str | None, x: Tensor, eps: float = 1e-5) -> Tensor:
    """Each channel of each image to mean 0 and variance 1; a gain and a shift of each channel where there is a name."""
    centered = x - x.mean((2, 3), keepdim=True)
    normed = centered / (centered.square().mean((2, 3), keepdim=True) + eps).sqrt()
    return normed if name is None else scaled(w, name, normed)


def batch_norm(
    w: Weights, name: str, x: Tensor, *, eps: float = 1e-5, momentum: float = 0.1, gain: bool = True, shift: bool = True
) -> Tensor:
    """Each channel to mean 0 and variance 1 over the batch, or by the running statistics, which move by ``momentum``."""
    dims, count = [0, *range(2, x.ndim)], x.numel() // x.shape[1]
    places = {key: f"{name}.{key}" for key in ("running_mean", "running_var")}
    running = {key: w.buffer(place, x.shape[1]) for key, place in places.items()}
    batches = w.buffer(f"{name}.num_batches_tracked")
    mean, variance = running["running_mean"], running["running_var"]
    if w.training:
        mean = x.mean(dims)
        variance = (x - _channelwise(mean, x)).square().mean(dims)
        now = {"running_mean": mean.detach(), "running_var": variance.detach() * count / (count - 1)}
        for key, place in places.items():
            w.buffers[place] = (1 - momentum) * running[key] + momentum * now[key]
        w.buffers[f"{name}.num_batches_tracked"] = batches + 1
    normed = (x - _channelwise(mean, x)) / (_channelwise(variance, x) + eps).sqrt()
    return scaled(w, name, normed, gain=gain, shift=shift)


def scaled(w: Weights, name: str, x: Tensor, *, gain: bool = True, shift: bool = True) -> Tensor:
    """Times a gain of each channel, plus a shift of each."""
    x = x * _channelwise(w.parameter(f"{name}.weight", x.shape[1]), x) if gain else x
    return x + _channelwise(w.parameter(f"{name}.bias", x.shape[1]), x) if shift else x


def _channelwise(values: Tensor, x: Tensor) -> Tensor:
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


def relu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.zeros_like(x))


def leaky(x: Tensor, slope: float) -> Tensor:
    return torch.where(x > 0, x, slope * x)


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + (-x).exp())


def with_planes(x: Tensor, vector: Tensor) -> Tensor:
    """A vector for each image, as constant planes after its channels."""
    return torch.cat([x, vector[:, :, None, None] * x.new_ones(1, 1, *x.shape[2:])], 1)


def doubled(x: Tensor) -> Tensor:
    """Each pixel four times."""
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def pooled(x: Tensor) -> Tensor:
    """Means of 2 x 2 pixels."""
    return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4
