"""Layers that several families share."""

from __future__ import annotations

import torch
from torch import Tensor, bmm, nn
from torch.nn.functional import fold, group_norm, interpolate
from torch.nn.utils.parametrizations import spectral_norm


def tile_condition(features: Tensor, condition: Tensor) -> Tensor:
    """Appends a condition vector to every position of a feature map.

    Args:
        features: float ``(N, C, H, W)``.
        condition: float ``(N, K)``.

    Returns:
        float ``(N, C + K, H, W)``.
    """
    planes = condition.to(features.dtype)[:, :, None, None].expand(-1, -1, *features.shape[2:])
    return torch.cat([features, planes], dim=1)


def halved(features: Tensor) -> Tensor:
    """Means of 2×2 pixels, ``(N, C, H, W)`` to ``(N, C, H/2, W/2)`` for even sides.

    A point halfway between four pixels has their mean. Average pooling says the same and takes three times as long on CPU.
    """
    return interpolate(features, scale_factor=0.5, mode="bilinear", align_corners=False)


def halvings(image_size_px: int, smallest_px: int = 3, most: int | None = None) -> int:
    """How often a size can be halved exactly without falling below ``smallest_px``."""
    count = 0
    while image_size_px % 2 == 0 and image_size_px // 2 >= smallest_px and count != most:
        image_size_px //= 2
        count += 1
    return count


class InstanceNorm2d(nn.InstanceNorm2d):
    """torch's instance norm without running statistics; on a processor the same sums are taken as a group norm's.

    Three times as fast there, and what comes out is no view, which an activation in place would have to copy.
    """

    def forward(self, features: Tensor) -> Tensor:
        """float ``(N, C, H, W)`` to the same shape."""
        if not features.is_cpu:
            return super().forward(features)
        return group_norm(features, self.num_features, self.weight, self.bias, self.eps)


class HeadConv2d(nn.Conv2d):
    """torch's convolution for a last layer at full size; to one channel, in float32 on a processor, as a matrix product.

    The library's convolution is made for many channels; for one (of 64, at 48 px) it is three times slower than the product
    of all taps with every pixel, moved to their places and added. In bfloat16 that addition would round once a tap. Padding only,
    neither stride nor dilation nor bias.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, 1, kernel // 2, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """float ``(N, inputs, H, W)`` to ``(N, outputs, H, W)``."""
        by_product = self.out_channels == 1 and features.is_cpu and not torch.is_autocast_enabled("cpu")
        if not by_product:
            return super().forward(features)
        taps = self.weight.flip(2, 3).flatten(2)[0].T.expand(len(features), -1, -1)  # (N, kernel * kernel, inputs)
        products = bmm(taps, features.flatten(2))
        moved: Tensor = fold(products, features.shape[2:], self.kernel_size, padding=self.kernel_size[0] // 2)
        return moved


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with instance norm, added to the input; no activation after the sum (StarGAN, arXiv 1711.09020)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            InstanceNorm2d(channels, affine=True),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            InstanceNorm2d(channels, affine=True),
        )

    def forward(self, features: Tensor) -> Tensor:
        """float ``(N, C, H, W)`` to the same shape."""
        changed: Tensor = features + self.main(features)
        return changed


def initialise_dcgan(network: nn.Module) -> None:
    """Initialises as DCGAN (arXiv 1511.06434): weights N(0, 0.02), batch-norm gains N(1, 0.02), biases 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def spectrally_normalised(network: nn.Module) -> None:
    """Divides every weight of convolutions, linear layers and embeddings by its spectral norm (arXiv 1802.05957).

    One power iteration per forward pass in training; its vectors are buffers.
    """
    for module in [*network.modules()]:
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding):
            spectral_norm(module)
