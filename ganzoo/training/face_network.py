"""A network that describes faces for loss terms, made from the training faces alone; it scores nothing.

It learns without labels to tell images apart: two differently shifted, scaled, mirrored and lit views of one image should be
described alike, and unlike those of all others in the batch (instance discrimination by the contrastive loss of SimCLR,
arXiv 2002.05709). So it never sees what the judges are trained on beside the pixels, and shares neither weights, design nor
task with them.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, avg_pool2d, cross_entropy, grid_sample, normalize

from ganzoo.data.cache import CacheEntry, cache_key, cached
from ganzoo.data.pixels import to_minus1_1

VERSION = 1
WIDTH, MOST_LEVELS, EMBEDDING_SIZE = 16, 5, 64
EPOCHS, MOST_IMAGES, BATCH_SIZE, LEARNING_RATE, TEMPERATURE = 3.0, 16_000, 64, 1e-3, 0.2
SHIFT, SCALE, LIGHT = 0.12, 0.15, 0.3
"""Largest shift (share of the side), change of scale, and change of brightness and contrast between two views."""


class InstanceNetwork(nn.Module):
    """Convolution, group norm and ReLU at each of up to five scales, halved by pooling; frozen but while it is made.

    Args:
        image_channels: Channels of the images.
        image_size_px: Side of the square images.
        width: Channels of the first map; doubles with every scale.
    """

    def __init__(self, image_channels: int, image_size_px: int, width: int = WIDTH) -> None:
        super().__init__()
        scales = 1 + min(MOST_LEVELS - 1, max(0, int(math.log2(image_size_px / 3))))
        channels = [image_channels, *(width * 2**scale for scale in range(scales))]
        self.feature_size = channels[-1]
        self.scales = nn.ModuleList(
            nn.Sequential(nn.Conv2d(low, high, 3, 1, 1), nn.GroupNorm(8, high), nn.ReLU())
            for low, high in zip(channels, channels[1:], strict=False)
        )
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of images float ``(N, C, H, W)`` in [-1, 1], from fine to coarse: float ``(N, c, h, w)`` each."""
        found: list[Tensor] = []
        for scale in self.scales:
            found.append(scale(avg_pool2d(found[-1], 2) if found else images))
        return tuple(found)


def face_network(faces: Tensor, device: torch.device) -> InstanceNetwork:
    """The network of these faces, uint8 ``(N, C, H, W)``: made once and then read from the cache; the same for every seed."""
    pixels = hashlib.sha256(faces.contiguous().cpu().numpy().data).hexdigest()
    settings = (VERSION, *faces.shape, WIDTH, MOST_LEVELS, EMBEDDING_SIZE, EPOCHS, MOST_IMAGES, BATCH_SIZE, LEARNING_RATE)
    key = cache_key("face-network", pixels, str((*settings, TEMPERATURE, SHIFT, SCALE, LIGHT)), device.type)
    entry = cached(key, lambda: CacheEntry({name: value.cpu() for name, value in _made(faces, device).state_dict().items()}))
    network = InstanceNetwork(faces.shape[1], faces.shape[-1])
    network.load_state_dict(dict(entry.tensors))
    return network.to(device).eval()


def _made(faces: Tensor, device: torch.device) -> InstanceNetwork:
    """Trains a network; its random numbers are its own."""
    random = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = InstanceNetwork(faces.shape[1], faces.shape[-1]).requires_grad_(True)
        features = network.feature_size
        head = nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, EMBEDDING_SIZE))
    network, head = network.to(device), head.to(device)
    batch_size = min(BATCH_SIZE, len(faces))
    steps = max(1, round(min(EPOCHS * len(faces), MOST_IMAGES) / batch_size))
    optimizer = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=LEARNING_RATE)
    for _ in range(steps):
        images = to_minus1_1(faces[torch.randperm(len(faces), generator=random)[:batch_size]])
        views = torch.cat([_view(images, random), _view(images, random)]).to(device)
        loss = contrastive_loss(head(network(views)[-1].mean(dim=(2, 3))))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return network.requires_grad_(False)


def contrastive_loss(embeddings: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Cross-entropy of finding each view's partner among all other views by cosine.

    Args:
        embeddings: float ``(2N, D)``; ``i`` and ``i + N`` are views of one image.
        temperature: Divides the cosines.
    """
    unit = normalize(embeddings.float())
    alike = unit @ unit.T / temperature
    alike = alike.masked_fill(torch.eye(len(unit), dtype=torch.bool, device=unit.device), -math.inf)
    return cross_entropy(alike, torch.arange(len(unit), device=unit.device).roll(len(unit) // 2))


def _view(images: Tensor, random: torch.Generator) -> Tensor:
    """Images ``(N, C, H, W)`` in [-1, 1], each shifted, scaled, mirrored and lit at random."""

    def drawn(largest: float) -> Tensor:
        return largest * (2 * torch.rand(len(images), generator=random) - 1)

    scale, mirror = 1 + drawn(SCALE), torch.where(drawn(1.0) < 0, -1.0, 1.0)
    zero = torch.zeros(len(images))
    across = torch.stack([scale * mirror, zero, drawn(2 * SHIFT)], dim=1)
    down = torch.stack([zero, scale, drawn(2 * SHIFT)], dim=1)
    grid = affine_grid(torch.stack([across, down], dim=1), list(images.shape), align_corners=False)
    moved = grid_sample(images, grid, padding_mode="border", align_corners=False)
    contrast, brightness = (drawn(LIGHT)[:, None, None, None] for _ in range(2))
    return (moved * (1 + contrast) + brightness).clamp(-1, 1)
