"""Training batches: from one tensor on the device where the data fits there, otherwise through a prefetching loader.

The order of an epoch and its mirrored images are a pure function of (seed, epoch), drawn on the CPU. Both kinds of batches
are therefore equal bit for bit, on every device, and a run resumed in mid-epoch needs no state but the step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ganzoo.data.base import Split
from ganzoo.data.pixels import to_minus1_1
from ganzoo.errors import GanzooError

_CPU_BUDGET_BYTES = 4 << 30
_PREFETCH_BATCHES = 4


class Batch(NamedTuple):
    """One training batch, on the device.

    Attributes:
        images: float32 ``(N, C, H, W)`` in [-1, 1].
        labels: int64 ``(N,)``.
        indices: int64 ``(N,)``, positions in the split.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor


class Batches(Protocol):
    """A split cut into shuffled batches of one size."""

    @property
    def batch_size(self) -> int:
        """Images in every batch."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one epoch; what is left over waits for the next shuffle."""
        ...

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number ``start`` on."""
        ...


def make_batches(
    split: Split,
    *,
    device: torch.device,
    batch_size: int,
    seed: int,
    flip: bool = True,
    memory_budget_bytes: int | None = None,
) -> Batches:
    """Makes the training batches of a split.

    Args:
        split: Images and labels, on the CPU.
        device: Where the batches are wanted.
        batch_size: Images per batch; a split smaller than that is one batch.
        seed: Seed of order and flips.
        flip: Whether each image is mirrored with probability one half.
        memory_budget_bytes: How much the images may take on the device; None: a quarter of the free memory on CUDA,
            4 GiB elsewhere.

    Raises:
        GanzooError: An empty split or a batch size below 1.
    """
    if len(split) == 0:
        raise GanzooError("There are no training images.")
    if batch_size < 1:
        raise GanzooError(f"The batch size is {batch_size}; it must be at least 1.")
    schedule = _Schedule(len(split), batch_size, seed, flip)
    budget = _default_budget_bytes(device) if memory_budget_bytes is None else memory_budget_bytes
    fits = split.images.numel() * split.images.element_size() <= budget
    return ResidentBatches(split, schedule, device) if fits else LoaderBatches(split, schedule, device)


def _default_budget_bytes(device: torch.device) -> int:
    if device.type != "cuda":
        return _CPU_BUDGET_BYTES
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return free_bytes // 4


class _Schedule:
    """Which images stand in which batch, and which of them are mirrored."""

    def __init__(self, num_images: int, batch_size: int, seed: int, flip: bool) -> None:
        self.num_images = num_images
        self.batch_size = min(batch_size, num_images)
        self.steps_per_epoch = num_images // self.batch_size
        self._seed = seed
        self._flip = flip

    def draw(self, epoch: int) -> tuple[Tensor, Tensor]:
        """Order (int64) and mirrored (bool, by place in that order), each ``(num_images,)``, on the CPU."""
        generator = torch.Generator().manual_seed(_mixed(self._seed, epoch))
        order = torch.randperm(self.num_images, generator=generator)
        if not self._flip:
            return order, torch.zeros(self.num_images, dtype=torch.bool)
        return order, torch.rand(self.num_images, generator=generator) < 0.5

    def batch_slices(self, start: int) -> Iterator[slice]:
        for step in range(start, self.steps_per_epoch):
            yield slice(step * self.batch_size, (step + 1) * self.batch_size)


def _mixed(seed: int, epoch: int) -> int:
    # A mere sum would make epoch 1 of seed 0 equal to epoch 0 of seed 1.
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0])


def _prepared(images: Tensor, mirrored: Tensor) -> Tensor:
    """Mirrors and scales a uint8 batch, on whatever device it is; the same bits on all of them."""
    flipped = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
    return to_minus1_1(flipped)


class ResidentBatches:
    """Batches gathered from one uint8 tensor that lies on the device."""

    def __init__(self, split: Split, schedule: _Schedule, device: torch.device) -> None:
        self._schedule = schedule
        self._device = device
        self._images = split.images.to(device)
        self._labels = split.labels.to(device)

    @property
    def batch_size(self) -> int:
        return self._schedule.batch_size

    @property
    def steps_per_epoch(self) -> int:
        return self._schedule.steps_per_epoch

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        # One transfer per epoch instead of one per step, so that the hot loop never waits for the host.
        order, mirrored = (drawn.to(self._device) for drawn in self._schedule.draw(epoch))
        for place in self._schedule.batch_slices(start):
            indices = order[place]
            yield Batch(_prepared(self._images[indices], mirrored[place]), self._labels[indices], indices)


class LoaderBatches:
    """Batches gathered on the host by a worker ahead of time, and scaled and mirrored on the device."""

    def __init__(self, split: Split, schedule: _Schedule, device: torch.device) -> None:
        self._schedule = schedule
        self._device = device
        self._data = _Gathering(split.images, split.labels)

    @property
    def batch_size(self) -> int:
        return self._schedule.batch_size

    @property
    def steps_per_epoch(self) -> int:
        return self._schedule.steps_per_epoch

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        order, mirrored = self._schedule.draw(epoch)
        places = list(self._schedule.batch_slices(start))
        for place, (images, labels) in zip(places, self._loader([order[place] for place in places]), strict=True):
            moved = [self._move(tensor) for tensor in (images, mirrored[place], labels, order[place])]
            yield Batch(_prepared(moved[0], moved[1]), moved[2], moved[3])

    def _move(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, non_blocking=self._device.type == "cuda")

    def _loader(self, batches: list[Tensor]) -> DataLoader[tuple[Tensor, Tensor]]:
        return DataLoader(
            self._data,
            # The sampler gives whole batches of indices: one gather each instead of a collation of single images.
            sampler=_InGivenOrder(batches),
            batch_size=None,
            num_workers=1,
            prefetch_factor=_PREFETCH_BATCHES,
            pin_memory=self._device.type == "cuda",
            # A loader draws a seed for its workers, by default from the global stream: that would change what a
            # resumed run draws after it.
            generator=torch.Generator(),
        )


class _Gathering(Dataset[tuple[Tensor, Tensor]]):
    """Gives the images and labels at a whole batch of indices."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self._images = images
        self._labels = labels

    def __getitem__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        return self._images[indices], self._labels[indices]


class _InGivenOrder(Sampler[Tensor]):
    """Gives the same batches of indices in the same order."""

    def __init__(self, batches: list[Tensor]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)
