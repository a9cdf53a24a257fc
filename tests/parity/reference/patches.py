"""StarGAN, US-GAN, GANimation and the patch discriminators, from their layer tables."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from parity.reference.layers import (
    Weights,
    conv,
    conv_up,
    instance_norm,
    leaky,
    relu,
    sigmoid,
    with_planes,
)

Methods = dict[str, Callable[..., dict[str, Tensor]]]
Facts = tuple[int, int, int]
"""Channels, side in pixels, classes."""

UNITS = 17


def _trunk(w: Weights, x: Tensor, width: int, blocks: int) -> tuple[Tensor, int]:
    """From image and condition to the features before the last convolution, and the number of modules so far."""
    for index, (outputs, kernel, stride, padding) in enumerate(
        [(width, 7, 1, 3), (2 * width, 4, 2, 1), (4 * width, 4, 2, 1)],
    ):
        x = conv(w, f"main.{3 * index}", x, outputs, kernel, stride, padding, bias=False)
        x = relu(instance_norm(w, f"main.{3 * index + 1}", x))
    place = 9
    for _ in range(blocks):
        inner = conv(w, f"main.{place}.main.0", x, 4 * width, 3, 1, 1, bias=False)
        inner = relu(instance_norm(w, f"main.{place}.main.1", inner))
        inner = conv(w, f"main.{place}.main.3", inner, 4 * width, 3, 1, 1, bias=False)
        x = x + instance_norm(w, f"main.{place}.main.4", inner)
        place += 1
    for outputs in (2 * width, width):
        x = conv_up(w, f"main.{place}", x, outputs, 4, 2, 1, bias=False)
        x = relu(instance_norm(w, f"main.{place + 1}", x))
        place += 3
    return x, place


def stargan_generator(w: Weights, facts: Facts, *, width: int, residual_blocks: int = 6) -> Methods:
    def forward(image: Tensor, condition: Tensor) -> dict[str, Tensor]:
        features, place = _trunk(w, with_planes(image, condition), width, residual_blocks)
        return {"image": conv(w, f"main.{place}", features, facts[0], 7, 1, 3, bias=False).tanh()}

    return {"forward": forward}


def usgan_generator(w: Weights, facts: Facts, *, width: int, residual_blocks: int = 1) -> Methods:
    change = stargan_generator(w, facts, width=width, residual_blocks=residual_blocks)["forward"]
    return {"forward": lambda image, condition: {"image": image + change(image, condition)["image"]}}


def ganimation_generator(w: Weights, facts: Facts, *, width: int, residual_blocks: int = 6) -> Methods:
    def forward(image: Tensor, condition: Tensor) -> dict[str, Tensor]:
        features, _ = _trunk(w, with_planes(image, condition), width, residual_blocks)
        color = conv(w, "color_head", features, facts[0], 7, 1, 3, bias=False).tanh()
        mask = sigmoid(conv(w, "attention_head", features, 1, 7, 1, 3, bias=False))
        return {"image": mask * image + (1 - mask) * color, "attention": mask}

    return {"forward": forward}


def halvings(size_px: int, most: int = 99) -> int:
    """Halvings of an even side that leave a map of at least 3 x 3."""
    count = 0
    while size_px % 2 == 0 and size_px >= 6 and count < most:
        size_px, count = size_px // 2, count + 1
    return count


def _patch_discriminator(
    w: Weights, facts: Facts, width: int, depth: int | None, answers: int, name: str, spectral: bool
) -> Methods:
    depth = halvings(facts[1]) if depth is None else depth

    def forward(image: Tensor) -> dict[str, Tensor]:
        x = image
        for level in range(depth):
            x = leaky(conv(w, f"main.{2 * level}", x, width * 2**level, 4, 2, 1, spectral=spectral), 0.01)
        side = facts[1] // 2**depth
        scores = conv(w, "score_head", x, 1, 3, 1, 1, bias=False, spectral=spectral)
        answer = conv(w, "class_head", x, answers, side, bias=False, spectral=spectral)
        return {"scores": scores, name: answer.flatten(1)}

    return {"forward": forward}


def patch_classifier(w: Weights, facts: Facts, *, width: int, depth: int | None = None, spectral_norm: bool = False) -> Methods:
    return _patch_discriminator(w, facts, width, depth, facts[2], "class_logits", spectral_norm)


def patch_regressor(w: Weights, facts: Facts, *, width: int, depth: int | None = None) -> Methods:
    return _patch_discriminator(w, facts, width, depth, UNITS, "action_units", spectral=False)


def cyclegan_discriminator(w: Weights, facts: Facts, *, width: int, levels: int = 2) -> Methods:
    """Patch maps of 4 x 4 convolutions, one for each class; instance norm without gain, no bias before it."""

    def forward(image: Tensor, condition: Tensor) -> dict[str, Tensor]:
        x = leaky(conv(w, "main.0", image, width, 4, 2, 1), 0.2)
        place = 2
        for level in range(1, levels + 1):
            stride = 1 if level == levels else 2
            x = conv(w, f"main.{place}", x, width * min(2**level, 8), 4, stride, 1, bias=False)
            x, place = leaky(instance_norm(w, None, x), 0.2), place + 3
        maps = conv(w, f"main.{place}", x, facts[2], 4, 1, 1)
        return {"scores": torch.stack([maps[i, k : k + 1] for i, k in enumerate(condition.tolist())])}

    return {"forward": forward}
