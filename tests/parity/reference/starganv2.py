"""StarGAN v2 without the high-pass skip, from its layer table: generator, mapping network, style encoder, discriminator."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor

from parity.reference.layers import Weights, conv, doubled, instance_norm, leaky, linear, pooled, relu
from parity.reference.patches import Facts, Methods, halvings

NOISE, FIXED_DRAWS = 16, 64


def _block(w: Weights, name: str, x: Tensor, outputs: int, *, norm: bool = False, down: bool = False) -> Tensor:
    """Activated first; the shortcut has a 1 x 1 convolution where the channels change, and is pooled after it."""
    inputs = x.shape[1]
    inner = instance_norm(w, f"{name}.norms.0", x) if norm else x
    inner = conv(w, f"{name}.convolutions.0", leaky(inner, 0.2), inputs, 3, 1, 1)
    inner = pooled(inner) if down else inner
    inner = instance_norm(w, f"{name}.norms.1", inner) if norm else inner
    inner = conv(w, f"{name}.convolutions.1", leaky(inner, 0.2), outputs, 3, 1, 1)
    shortcut = x if inputs == outputs else conv(w, f"{name}.shortcut", x, outputs, 1, bias=False)
    return (inner + (pooled(shortcut) if down else shortcut)) / sqrt(2)


def _styled_norm(w: Weights, name: str, x: Tensor, style: Tensor) -> Tensor:
    numbers = linear(w, f"{name}.affine", style, 2 * x.shape[1])
    gain, shift = numbers[:, : x.shape[1], None, None], numbers[:, x.shape[1] :, None, None]
    return (1 + gain) * instance_norm(w, None, x) + shift


def _styled_block(w: Weights, name: str, x: Tensor, outputs: int, style: Tensor, *, up: bool = False) -> Tensor:
    inner = leaky(_styled_norm(w, f"{name}.norms.0", x, style), 0.2)
    inner = conv(w, f"{name}.convolutions.0", doubled(inner) if up else inner, outputs, 3, 1, 1)
    inner = leaky(_styled_norm(w, f"{name}.norms.1", inner, style), 0.2)
    inner = conv(w, f"{name}.convolutions.1", inner, outputs, 3, 1, 1)
    shortcut = doubled(x) if up else x
    if x.shape[1] != outputs:
        shortcut = conv(w, f"{name}.shortcut", shortcut, outputs, 1, bias=False)
    return (inner + shortcut) / sqrt(2)


def _synthesis(w: Weights, image: Tensor, style: Tensor, width: int, most: int) -> Tensor:
    channels = [min(width * 2**level, most) for level in range(3)]
    x = conv(w, "synthesis.first", image, width, 3, 1, 1)
    for place, (outputs, down) in enumerate(
        [(channels[1], True), (channels[2], True), (channels[2], False), (channels[2], False)]
    ):
        x = _block(w, f"synthesis.encoder.{place}", x, outputs, norm=True, down=down)
    for place, (outputs, up) in enumerate([(channels[2], False), (channels[2], False), (channels[1], True), (channels[0], True)]):
        x = _styled_block(w, f"synthesis.decoder.{place}", x, outputs, style, up=up)
    x = leaky(instance_norm(w, "synthesis.last.0", x), 0.2)
    return conv(w, "synthesis.last.2", x, image.shape[1], 1)


def _mapping(w: Weights, noise: Tensor, classes: int, width: int, style_size: int) -> Tensor:
    """Styles of every class, ``(N, K, style_size)``."""
    shared = noise
    for layer in range(4):
        shared = relu(linear(w, f"mapping.shared.{2 * layer}", shared, width))
    styles = []
    for k in range(classes):
        own = shared
        for layer in range(3):
            own = relu(linear(w, f"mapping.unshared.{k}.{2 * layer}", own, width))
        styles.append(linear(w, f"mapping.unshared.{k}.6", own, style_size))
    return torch.stack(styles, 1)


def _trunk(w: Weights, name: str, image: Tensor, width: int, most: int) -> Tensor:
    """One position of features: convolution, halving blocks down to at least 3 x 3, a convolution that covers what is left."""
    levels = halvings(image.shape[2])
    x = conv(w, f"{name}.0", image, width, 3, 1, 1)
    for level in range(levels):
        x = _block(w, f"{name}.{level + 1}", x, min(width * 2 ** (level + 1), most), down=True)
    return leaky(conv(w, f"{name}.{levels + 2}", leaky(x, 0.2), x.shape[1], x.shape[2]), 0.2)


def _of(values: Tensor, index: Tensor) -> Tensor:
    return torch.stack([values[row, k] for row, k in enumerate(index.tolist())])


def generator(w: Weights, facts: Facts, *, width: int, most_channels: int, style_size: int, mapping_width: int) -> Methods:
    classes = facts[2]

    def restyle(image: Tensor, style: Tensor) -> dict[str, Tensor]:
        return {"image": _synthesis(w, image, style, width, most_channels), "style": style}

    def style_from_noise(noise: Tensor, index: Tensor) -> dict[str, Tensor]:
        return {"": _of(_mapping(w, noise, classes, mapping_width, style_size), index)}

    def style_of(image: Tensor, index: Tensor) -> dict[str, Tensor]:
        features = _trunk(w, "style_encoder.trunk", image, width, most_channels).flatten(1)
        styles = [linear(w, f"style_encoder.unshared.{k}", features, style_size) for k in range(classes)]
        return {"": _of(torch.stack(styles, 1), index)}

    def forward(image: Tensor, index: Tensor) -> dict[str, Tensor]:
        noise = w.buffer("fixed_noise", FIXED_DRAWS, NOISE)
        means = _mapping(w, noise, classes, mapping_width, style_size).mean(0)
        return restyle(image, means[index])

    return {"forward": forward, "restyle": restyle, "style_from_noise": style_from_noise, "style_of": style_of}


def class_branches(w: Weights, facts: Facts, *, width: int, most_channels: int) -> Methods:
    def forward(image: Tensor, index: Tensor) -> dict[str, Tensor]:
        scores = conv(w, "branches", _trunk(w, "trunk", image, width, most_channels), facts[2], 1).flatten(1)
        return {"scores": _of(scores, index)[:, None]}

    return {"forward": forward}
