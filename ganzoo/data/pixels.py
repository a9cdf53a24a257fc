"""Conversions between stored pixels (uint8, 0..255) and network pixels (float32, -1..1)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Fit = Literal["crop", "pad", "stretch"]
"""How a picture that is not square is made so: cut to its middle, set into a grey square, or squeezed."""
_RESIZE_AT_ONCE = 1024
_PAD_GREY = 128


def to_minus1_1(images: Tensor) -> Tensor:
    """Converts uint8 0..255 of any shape to float32 in [-1, 1]."""
    # Products only: a device may divide by multiplying with the rounded reciprocal, and give other bits than its neighbour.
    return images.to(torch.float32).mul_(2.0).sub_(255.0).mul_(1.0 / 255.0)


def dequantized(images_minus1_1: Tensor, noise: Tensor) -> Tensor:
    """Spreads grey levels evenly over the width of one: level v of 256 becomes (v + u) / 128 - 1 (as the published SNGAN code).

    Args:
        images_minus1_1: float, values of :func:`to_minus1_1`.
        noise: u, uniform in [0, 1), of the same shape.

    Returns:
        float in [-1, 1), of the same shape.
    """
    return ((images_minus1_1 + 1.0) * 127.5 + noise) / 128.0 - 1.0


def to_uint8(images_minus1_1: Tensor) -> Tensor:
    """Converts floats in [-1, 1] of any shape to uint8 0..255: clamped and rounded, never truncated.

    The arithmetic is float32 whatever the input's type, because bfloat16 cannot tell neighbouring grey levels apart.
    """
    return images_minus1_1.to(torch.float32).add(1.0).mul_(127.5).round_().clamp_(0.0, 255.0).to(torch.uint8)


def resize_uint8(images: Tensor, size_px: int) -> Tensor:
    """Resizes uint8 ``(N, C, H, W)`` to ``(N, C, size_px, size_px)``, bilinear with anti-aliasing, rounded."""
    if images.shape[-2:] == (size_px, size_px):
        return images
    resized = images.new_empty((*images.shape[:2], size_px, size_px))
    for first in range(0, len(images), _RESIZE_AT_ONCE):
        block = images[first : first + _RESIZE_AT_ONCE].to(torch.float32)
        smooth = functional.interpolate(block, (size_px, size_px), mode="bilinear", antialias=True, align_corners=False)
        resized[first : first + _RESIZE_AT_ONCE] = smooth.round_().clamp_(0.0, 255.0).to(torch.uint8)
    return resized


def fit_square(image: Tensor, fit: Fit) -> Tensor:
    """Makes one picture ``(C, H, W)`` square by ``crop`` or ``pad``; ``stretch`` leaves that to resizing. Square ones stay."""
    height, width = image.shape[-2:]
    if fit == "stretch" or height == width:
        return image
    side = min(height, width) if fit == "crop" else max(height, width)
    top, left = abs(height - side) // 2, abs(width - side) // 2
    if fit == "crop":
        return image[:, top : top + side, left : left + side]
    square = image.new_full((image.shape[0], side, side), _PAD_GREY)
    square[:, top : top + height, left : left + width] = image
    return square
