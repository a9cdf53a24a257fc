"""What a judge sees while it is trained: faces warped, flipped, relit, out of focus, grainy and partly hidden.

Grain and blur are there because a judge scores generated faces: it should read the expression and not the
texture that a generator leaves.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2.functional import gaussian_blur

from ganzoo.evaluation.judge_networks import normalise


def augment(images: Tensor, side_px: int, generator: torch.Generator) -> Tensor:
    """Random flips, rotations, shifts, scales, contrast, blur, grain and hidden boxes.

    Args:
        images: uint8 ``(N, C, H, W)``.
        side_px: Side of the result.
        generator: CPU generator from which everything is drawn.

    Returns:
        Normalised float32 ``(N, C, side_px, side_px)``, channels last.
    """
    count = len(images)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand((count, *shape), generator=generator)

    angle, scale, shift = uniform(-0.22, 0.22), uniform(0.85, 1.12), uniform(-0.16, 0.16, 2)
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    matrices = torch.stack((flip * cosine, -sine, shift[:, 0], flip * sine, cosine, shift[:, 1]), dim=1).view(count, 2, 3)
    grid = functional.affine_grid(matrices, [count, images.shape[1], side_px, side_px], align_corners=False)
    warped = functional.grid_sample(normalise(images), grid, padding_mode="reflection", align_corners=False)
    warped = warped * uniform(0.8, 1.2, 1, 1, 1) + uniform(-0.3, 0.3, 1, 1, 1)
    warped = _add_grain(_blur(warped, generator), generator)
    return _hide_boxes(warped, generator).contiguous(memory_format=torch.channels_last)


def _blur(images: Tensor, generator: torch.Generator) -> Tensor:
    """Puts half of the images out of focus, by a Gaussian whose deviation, up to 1.8 pixels, is drawn for the batch."""
    sigma = 0.3 + 1.5 * torch.rand((), generator=generator).item()
    blurred = gaussian_blur(images, kernel_size=[9, 9], sigma=[sigma, sigma])
    chosen = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(chosen[:, None, None, None], blurred, images)


def _add_grain(images: Tensor, generator: torch.Generator) -> Tensor:
    """Adds normal noise, fine and coarse (two pixels), each of a deviation of up to 0.4 (a tenth of black to white)."""
    count, _, side, _ = images.shape
    fine, coarse = (torch.randn((count, 1, pixels, pixels), generator=generator) for pixels in (side, side // 2))
    for grain in (fine, functional.interpolate(coarse, size=side, mode="bilinear")):
        images = images + 0.4 * torch.rand((count, 1, 1, 1), generator=generator) * grain
    return images


def _hide_boxes(images: Tensor, generator: torch.Generator) -> Tensor:
    """Replaces a box of up to 40 % of the side by mid grey in half of the images (arXiv:1708.04896, without noise)."""
    count, _, side, _ = images.shape
    draw = torch.rand((count, 5), generator=generator)
    height, width = (side * (0.15 + 0.25 * draw[:, 0])), (side * (0.15 + 0.25 * draw[:, 1]))
    top, left = draw[:, 2] * (side - height), draw[:, 3] * (side - width)
    place = torch.arange(side)
    rows = (place >= top[:, None]) & (place < (top + height)[:, None])  # (N, H)
    columns = (place >= left[:, None]) & (place < (left + width)[:, None])
    hidden = rows[:, None, :, None] & columns[:, None, None, :] & (draw[:, 4] < 0.5)[:, None, None, None]
    return images.masked_fill(hidden, 0.0)
