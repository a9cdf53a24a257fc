"""The judges' networks: small expression classifiers of four unlike designs, so that their mistakes differ.

Every network takes float images ``(N, C, H, W)`` normalised by :func:`normalise`, H = W >= 32, and offers
``features`` (N, feature_size) and ``forward`` (N, classes). All of them end in global average pooling, so that any
image size is served. None is a copy of a published network; each docstring names the idea it borrows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganzoo.errors import GanzooError, did_you_mean

Precision = Literal["32", "bf16"]


def normalise(images: Tensor) -> Tensor:
    """Maps uint8 ``(N, C, H, W)`` in 0..255 to float32 by fixed numbers (mean 0.5, deviation 0.25, in [-2, 2])."""
    return images.float().div(255.0).sub(0.5).div(0.25)


class JudgeNetwork(nn.Module):
    """Stem, body and a linear head over average-pooled features.

    Args:
        body: Maps images to feature maps ``(N, feature_size, h, w)``.
        feature_size: Channels of the feature maps, at most 256.
        num_classes: Number of outputs.
    """

    def __init__(self, body: nn.Module, feature_size: int, num_classes: int) -> None:
        super().__init__()
        self.body = body
        self.feature_size = feature_size
        self.head = nn.Linear(feature_size, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Penultimate features, float ``(N, feature_size)``."""
        pooled: Tensor = self.body(images).mean(dim=(2, 3))
        return pooled

    def forward(self, images: Tensor) -> Tensor:
        """Logits, float ``(N, num_classes)``."""
        logits: Tensor = self.head(self.features(images))
        return logits


def _convolution(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def _convolution_norm(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, outputs, kernel, stride), nn.BatchNorm2d(outputs))


def _stem(channels: int, outputs: int) -> nn.Sequential:
    """Halves the image: a strided 5x5 convolution, because full-resolution maps cost most and tell least."""
    return nn.Sequential(_convolution_norm(channels, outputs, 5, 2), nn.ReLU(inplace=True))


class PreactivationBlock(nn.Module):
    """Residual block with norm and activation before each convolution (He et al., arXiv:1603.05027, fig. 4e)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), _convolution(inputs, outputs, 3, stride)
        self.norm2, self.conv2 = nn.BatchNorm2d(outputs), _convolution(outputs, outputs)
        changes_shape = stride != 1 or inputs != outputs
        self.shortcut = _convolution(inputs, outputs, 1, stride) if changes_shape else None

    def forward(self, maps: Tensor) -> Tensor:
        activated = functional.relu(self.norm1(maps))
        kept = maps if self.shortcut is None else self.shortcut(activated)
        changed = self.conv2(functional.relu(self.norm2(self.conv1(activated))))
        return torch.add(kept, changed)


class ParallelBlock(nn.Module):
    """A plain 3x3 layer with a parallel 1x1 path and, where the shape allows, the identity (RepVGG, arXiv:2101.03697)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.wide = _convolution_norm(inputs, outputs, 3, stride)
        self.point = _convolution_norm(inputs, outputs, 1, stride)
        self.identity = nn.BatchNorm2d(inputs) if stride == 1 and inputs == outputs else None

    def forward(self, maps: Tensor) -> Tensor:
        total = self.wide(maps) + self.point(maps)
        return functional.relu(total if self.identity is None else total + self.identity(maps))


class SqueezeBlock(nn.Module):
    """Residual bottleneck whose channels are reweighted by their global mean (squeeze-excitation, arXiv:1709.01507)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        inner = outputs // 2
        self.reduce, self.widen = _convolution_norm(inputs, inner, 1), _convolution_norm(inner, outputs, 1)
        self.spatial1, self.spatial2 = _convolution_norm(inner, inner, 3, stride), _convolution_norm(inner, inner, 3)
        self.gate = nn.Sequential(
            nn.Linear(outputs, outputs // 8), nn.ReLU(inplace=True), nn.Linear(outputs // 8, outputs), nn.Sigmoid()
        )
        changes_shape = stride != 1 or inputs != outputs
        self.shortcut = _convolution_norm(inputs, outputs, 1) if changes_shape else None
        self.stride = stride

    def forward(self, maps: Tensor) -> Tensor:
        changed = functional.relu(self.reduce(maps))
        changed = self.widen(functional.relu(self.spatial2(functional.relu(self.spatial1(changed)))))
        gate = self.gate(changed.mean(dim=(2, 3)))[:, :, None, None]
        # Pooling with ceil_mode halves odd sizes the way the strided convolution does.
        kept = maps if self.stride == 1 else functional.avg_pool2d(maps, 2, ceil_mode=True)
        kept = kept if self.shortcut is None else self.shortcut(kept)
        return functional.relu(torch.addcmul(kept, changed, gate))


class DenseStage(nn.Module):
    """Layers that each see all earlier ones (DenseNet, arXiv:1608.06993), then a 1x1 convolution that joins them.

    Differs from the paper: few wide layers without bottlenecks, which run faster than many narrow ones.
    """

    def __init__(self, inputs: int, growth: int, layers: int, outputs: int) -> None:
        super().__init__()
        widths = [inputs + growth * index for index in range(layers)]
        self.layers = nn.ModuleList(nn.Sequential(_convolution_norm(width, growth), nn.ReLU(inplace=True)) for width in widths)
        self.join = nn.Sequential(_convolution_norm(inputs + growth * layers, outputs, 1), nn.ReLU(inplace=True))

    def forward(self, maps: Tensor) -> Tensor:
        for layer in self.layers:
            maps = torch.cat((maps, layer(maps)), dim=1)
        joined: Tensor = self.join(maps)
        return joined


def _scaled(widths: tuple[int, ...], scale: float) -> list[int]:
    """Widths times ``scale``, rounded to multiples of eight, which matrix units like."""
    return [max(8, 8 * round(width * scale / 8)) for width in widths]


def _staged(block: Callable[[int, int, int], nn.Module], widths: list[int], depths: tuple[int, ...]) -> list[nn.Module]:
    """Stages of ``depths`` blocks; every stage after the first halves the maps."""
    blocks: list[nn.Module] = []
    inputs = widths[0]
    for stage, (outputs, depth) in enumerate(zip(widths, depths, strict=True)):
        for index in range(depth):
            blocks.append(block(inputs, outputs, 2 if stage > 0 and index == 0 else 1))
            inputs = outputs
    return blocks


def residual(channels: int, num_classes: int, scale: float) -> JudgeNetwork:
    """Pre-activation residual network, three stages."""
    widths = _scaled((32, 64, 176), scale)
    last = [nn.BatchNorm2d(widths[-1]), nn.ReLU(inplace=True)]
    body = nn.Sequential(_stem(channels, widths[0]), *_staged(PreactivationBlock, widths, (1, 2, 2)), *last)
    return JudgeNetwork(body, widths[-1], num_classes)


def parallel(channels: int, num_classes: int, scale: float) -> JudgeNetwork:
    """Plain network of parallel 3x3 and 1x1 paths, no long shortcuts."""
    widths = _scaled((32, 64, 160), scale)
    body = nn.Sequential(_stem(channels, widths[0]), *_staged(ParallelBlock, widths, (2, 3, 4)))
    return JudgeNetwork(body, widths[-1], num_classes)


def squeeze(channels: int, num_classes: int, scale: float) -> JudgeNetwork:
    """Wide bottlenecks whose channels are gated."""
    widths = _scaled((32, 96, 240), scale)
    body = nn.Sequential(_stem(channels, widths[0]), *_staged(SqueezeBlock, widths, (1, 2, 3)))
    return JudgeNetwork(body, widths[-1], num_classes)


def dense(channels: int, num_classes: int, scale: float) -> JudgeNetwork:
    """Densely connected network."""
    stem, middle, late, last = _scaled((32, 64, 128, 192), scale)
    narrow, medium, wide = _scaled((32, 48, 96), scale)
    body = nn.Sequential(
        _stem(channels, stem),
        DenseStage(stem, narrow, 1, middle), nn.MaxPool2d(2),
        DenseStage(middle, medium, 3, late), nn.MaxPool2d(2),
        DenseStage(late, wide, 3, last),
    )  # fmt: skip
    return JudgeNetwork(body, last, num_classes)


ARCHITECTURES: dict[str, Callable[[int, int, float], JudgeNetwork]] = {
    "residual": residual,
    "parallel": parallel,
    "squeeze": squeeze,
    "dense": dense,
}


def build_network(architecture: str, *, channels: int, num_classes: int, scale: float = 1.0) -> JudgeNetwork:
    """Makes an untrained judge network; ``scale`` multiplies its widths.

    Raises:
        GanzooError: Unknown architecture.
    """
    if architecture not in ARCHITECTURES:
        raise GanzooError(
            f"Unknown judge architecture '{architecture}'. Known: {', '.join(ARCHITECTURES)}."
            f"{did_you_mean(architecture, ARCHITECTURES)}"
        )
    return ARCHITECTURES[architecture](channels, num_classes, scale)
