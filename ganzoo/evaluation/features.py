"""Backbones (networks that describe images) and the stores that ask each of them about each image once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ganzoo.data.cache import CacheEntry, cache_key, cached, tensor_digest
from ganzoo.evaluation.translate import Progress


class NotAvailable(Exception):
    """Something a metric needs cannot be had; the message is the reason shown beside the empty column."""


class Backbone(Protocol):
    """A frozen network that describes images, each on its own.

    Attributes:
        name: Such as ``inception``.
        identity: Hashes of everything its answers depend on, weights first of all.
    """

    @property
    def name(self) -> str: ...

    @property
    def identity(self) -> str: ...

    def __call__(self, images: Tensor, /) -> Tensor:
        """Describes uint8 ``(N, C, H, W)`` by float ``(N, D)``; independent of the batch."""
        ...


@dataclass(frozen=True, eq=False)
class Pool:
    """Images that rows are made of; several rows may share one.

    Attributes:
        images: uint8 ``(U, C, H, W)``, on the CPU.
        fixed: Known before any training, so that its features are worth keeping on disk.
    """

    images: Tensor
    fixed: bool


@dataclass(frozen=True, eq=False)
class Faces:
    """Labelled images, picked from a pool.

    Attributes:
        pool: Where the images are.
        index: Which of them, int64 ``(M,)``; repetition costs nothing.
        targets: The class each is meant to show, int64 ``(M,)``.
    """

    pool: Pool
    index: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.index)

    @property
    def images(self) -> Tensor:
        """uint8 ``(M, C, H, W)``."""
        return self.pool.images[self.index]

    def take(self, positions: Tensor) -> Faces:
        """The faces at ``positions``, int64 ``(m,)``."""
        return Faces(self.pool, self.index[positions], self.targets[positions])


class FeatureStore:
    """What one backbone says of the images of one pool, asked when first needed and then remembered.

    Args:
        backbone: The network.
        pool: The images.
        batch_size: Images at once.
        device: Where the backbone works; part of the key on disk, since devices differ in the last bits.
        precision: In which it works; part of the key as well.
        cache: Whether features of a fixed pool may be kept on disk.
        progress: Told after every batch.
    """

    def __init__(
        self,
        backbone: Backbone,
        pool: Pool,
        *,
        batch_size: int = 128,
        device: torch.device | str = "cpu",
        precision: str = "32",
        cache: bool = True,
        progress: Progress | None = None,
    ) -> None:
        self.backbone, self.pool = backbone, pool
        self._batch_size, self._device, self._progress = batch_size, torch.device(device), progress
        self._precision, self._cache = precision, cache and pool.fixed
        self._known = torch.zeros(len(pool.images), dtype=torch.bool)
        self._values: Tensor | None = None

    def get(self, index: Tensor) -> Tensor:
        """Features float32 ``(M, D)`` of the images at ``index``, int64 ``(M,)``."""
        asked = torch.zeros_like(self._known)
        asked[index] = True
        missing = (asked & ~self._known).nonzero().squeeze(1)
        if len(missing):
            self._remember(missing, self._extract_or_read(self.pool.images[missing]))
        assert self._values is not None  # an empty selection is never asked for
        return self._values[index]

    def _remember(self, index: Tensor, values: Tensor) -> None:
        if self._values is None:
            self._values = values.new_zeros((len(self._known), values.shape[1]))
        self._values[index] = values
        self._known[index] = True

    def _extract_or_read(self, images: Tensor) -> Tensor:
        computed = self._device.type, self._precision, torch.__version__
        key = cache_key("features", self.backbone.identity, tensor_digest(images), *computed)
        return cached(key, lambda: CacheEntry({"features": self._extract(images)}), enabled=self._cache).tensors["features"]

    def _extract(self, images: Tensor) -> Tensor:
        answers = []
        for first in range(0, len(images), self._batch_size):
            answers.append(describe(self.backbone, images[first : first + self._batch_size], self._device))
            if self._progress:
                done = min(first + self._batch_size, len(images))
                self._progress(f"{self.backbone.name} features", done, len(images))
        return torch.cat(answers)


def describe(backbone: Backbone, images: Tensor, device: torch.device | str) -> Tensor:
    """One batch through a backbone in full float32: float32 ``(N, D)``, on the CPU."""
    with torch.inference_mode(), full_float32():
        features = backbone(images.to(device)).float().cpu()
    return features.clone()  # an ordinary tensor again, which may be written to


@contextmanager
def full_float32() -> Iterator[None]:
    """Forbids the shortened float32 products of newer GPUs, which move features by a part in a thousand."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
