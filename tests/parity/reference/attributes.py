"""AttGAN, STGAN and CCycleGAN, from their layer tables."""

from __future__ import annotations

import torch
from torch import Tensor

from parity.reference.layers import (
    Weights,
    batch_norm,
    conv,
    conv_up,
    instance_norm,
    leaky,
    linear,
    relu,
    sigmoid,
    with_planes,
)
from parity.reference.patches import Facts, Methods, halvings

BATCH_NORM = {"eps": 1e-3, "momentum": 0.001}
INSTANCE_EPS = 1e-6
WHOLE_EPS = 1e-3


def _channels(facts: Facts, width: int) -> list[int]:
    return [width * min(2**level, 16) for level in range(halvings(facts[1], most=5))]


def _encoded(w: Weights, image: Tensor, channels: list[int]) -> list[Tensor]:
    maps = [image]
    for level, outputs in enumerate(channels):
        x = conv(w, f"encoder.levels.{level}.0", maps[-1], outputs, 4, 2, 1, bias=False)
        maps.append(leaky(batch_norm(w, f"encoder.levels.{level}.1", x, **BATCH_NORM), 0.2))
    return maps[1:]


def _decoded(
    w: Weights, deepest: Tensor, skips: list[Tensor], condition: Tensor, channels: list[int], injections: int, colors: int
) -> Tensor:
    """``skips`` join the first layers' outputs, the smallest first; then the condition joins the first ``injections``."""
    x = with_planes(deepest, condition)
    for place, outputs in enumerate(channels[:0:-1]):
        x = conv_up(w, f"decoder.layers.{place}.0", x, outputs, 4, 2, 1, bias=False)
        x = relu(batch_norm(w, f"decoder.layers.{place}.1", x, **BATCH_NORM))
        x = torch.cat([x, skips[place]], 1) if place < len(skips) else x
        x = with_planes(x, condition) if place < injections else x
    return conv_up(w, "decoder.draw.0", x, colors, 4, 2, 1).tanh()


def attgan_generator(w: Weights, facts: Facts, *, width: int) -> Methods:
    channels = _channels(facts, width)

    def forward(image: Tensor, condition: Tensor) -> dict[str, Tensor]:
        maps = _encoded(w, image, channels)
        return {"image": _decoded(w, maps[-1], [maps[-2]], condition, channels, 1, facts[0])}

    return {"forward": forward}


def stgan_generator(w: Weights, facts: Facts, *, width: int) -> Methods:
    channels = _channels(facts, width)

    def gate(name: str, x: Tensor, outputs: int) -> Tensor:
        return conv(w, f"{name}.0", x, outputs, 3, 1, 1)

    def forward(image: Tensor, difference: Tensor) -> dict[str, Tensor]:
        maps = _encoded(w, image, channels)
        state, skips = maps[-1], []
        for place, own in enumerate(maps[-2::-1]):
            name, outputs = f"transfer.{place}", own.shape[1]
            larger = conv_up(w, f"{name}.enlarge", with_planes(state, difference), outputs, 4, 2, 1)
            reset = sigmoid(gate(f"{name}.reset", torch.cat([own, larger], 1), outputs))
            update = sigmoid(gate(f"{name}.update", torch.cat([own, larger], 1), outputs))
            state = reset * larger
            candidate = gate(f"{name}.candidate", torch.cat([own, state], 1), outputs).tanh()
            skips.append((1 - update) * larger + update * candidate)
        return {"image": _decoded(w, maps[-1], skips, difference, channels, len(skips), facts[0])}

    return {"forward": forward}


def attgan_discriminator(w: Weights, facts: Facts, *, width: int) -> Methods:
    def forward(image: Tensor) -> dict[str, Tensor]:
        x = image
        for level, outputs in enumerate(_channels(facts, width)):
            x = conv(w, f"main.{level}.0", x, outputs, 4, 2, 1, bias=False)
            x = leaky(instance_norm(w, f"main.{level}.1", x, INSTANCE_EPS), 0.2)
        return _two_heads(w, x.flatten(1), 16 * width, facts[2])

    return {"forward": forward}


def _two_heads(w: Weights, features: Tensor, hidden: int, classes: int) -> dict[str, Tensor]:
    answers = {}
    for name, head, outputs in (("scores", "score_head", 1), ("class_logits", "class_head", classes)):
        inner = leaky(linear(w, f"{head}.0", features, hidden), 0.2)
        answers[name] = linear(w, f"{head}.2", inner, outputs)
    return answers


def _sides(size_px: int) -> list[int]:
    """Side of the image and of each map, after unpadded 4 x 4 convolutions of stride 2; four at most."""
    sides = [size_px]
    while sides[-1] >= 4 and len(sides) < 5:
        sides.append((sides[-1] - 2) // 2)
    return sides


def _whole_norm(w: Weights, name: str, x: Tensor) -> Tensor:
    """Over all channels and positions of an image, with one gain and one shift; what keeps from 0 is added to the deviation."""
    centered = x - x.mean((1, 2, 3), keepdim=True)
    deviation = centered.square().mean((1, 2, 3), keepdim=True).sqrt()
    return centered / (deviation + WHOLE_EPS) * w.parameter(f"{name}.gain") + w.parameter(f"{name}.shift")


def ccyclegan_generator(w: Weights, facts: Facts, *, width: int) -> Methods:
    sides = _sides(facts[1])

    def forward(image: Tensor, condition: Tensor) -> dict[str, Tensor]:
        maps = [image]
        for level in range(len(sides) - 1):
            x = leaky(conv(w, f"down.{level}.0", maps[-1], width * 2**level, 4, 2), 0.2)
            maps.append(_whole_norm(w, f"down.{level}.2", x))
        x = with_planes(maps[-1], condition)
        x = leaky(conv(w, "bottleneck.0", x, x.shape[1], 1), 0.2)
        x = conv(w, "bottleneck.2", x, maps[-1].shape[1], 1)
        for place, level in enumerate(range(len(sides) - 1, 1, -1)):
            padding = sides[level - 1] - 2 * (sides[level] + 1)
            x = relu(conv_up(w, f"up.{place}.0", x, maps[level - 1].shape[1], 4, 2, output_padding=padding))
            x = torch.cat([_whole_norm(w, f"up.{place}.2", x), maps[level - 1]], 1)
        padding = sides[0] - 2 * (sides[1] + 1)
        return {"image": conv_up(w, "draw", x, facts[0], 4, 2, output_padding=padding).tanh()}

    return {"forward": forward}


def ccyclegan_discriminator(w: Weights, facts: Facts, *, width: int) -> Methods:
    def forward(image: Tensor) -> dict[str, Tensor]:
        x = image
        for level in range(len(_sides(facts[1])) - 1):
            x = leaky(conv(w, f"down.{level}.0", x, width * 2**level, 4, 2), 0.2)
            x = _whole_norm(w, f"down.{level}.2", x) if level else x
        return _two_heads(w, x.flatten(1), x.shape[1], facts[2])

    return {"forward": forward}
