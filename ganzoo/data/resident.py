"""Training batches: from one tensor on the device where the data fits there, otherwise through a prefetching loader.

The order of an epoch, its mirrored images and the references beside them are a pure function of (seed, epoch), drawn on the
CPU. Both kinds of batches are therefore bitwise identical on every device, and a run resumed in mid-epoch needs no state but
the step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ganzoo.data.base import Split
from ganzoo.data.pixels import to_minus1_1
from ganzoo.errors import GanzooError

_CPU_BUDGET_BYTES = 4 << 30
_PREFETCH_BATCHES = 4
_REFERENCES = 2
"""Pictures of a target that come with an image: the two styles of StarGAN v2's reference pass (arXiv 1912.01865)."""


class Batch(NamedTuple):
    """One training batch, on the device.

    Attributes:
        images: float32 ``(N, C, H, W)`` in [-1, 1].
        labels: int64 ``(N,)``.
        indices: int64 ``(N,)``, positions in the split.
        references: Two different pictures (of a class of one picture, twice that one) of one class for each image, float32
            ``(N, 2, C, H, W)`` in [-1, 1], where they were asked for.
        reference_labels: Their classes, int64 ``(N,)``, any as often as another.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor
    references: Tensor | None = None
    reference_labels: Tensor | None = None


class Batches(Protocol):
    """A split cut into shuffled batches of one size."""

    @property
    def batch_size(self) -> int:
        """Images in every batch."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one epoch; what is left over waits for the next draw."""
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
    sampling: Literal["shuffled", "balanced"] = "shuffled",
    references: bool = False,
    memory_budget_bytes: int | None = None,
) -> Batches:
    """Makes the training batches of a split.

    Args:
        split: Images and labels, on the CPU.
        device: Where the batches are wanted.
        batch_size: Images per batch; a split smaller than that is one batch.
        seed: Seed of order and flips.
        flip: Whether each image, and each reference, is mirrored with probability one half.
        sampling: ``shuffled``: every image once an epoch; ``balanced``: drawn anew for each place, with every class as often.
        references: Whether two pictures of a class, drawn evenly among all classes, come with every image.
        memory_budget_bytes: How much the images may take on the device; None: a quarter of the free memory on CUDA,
            4 GiB elsewhere.

    Raises:
        GanzooError: An empty split or a batch size below 1.
    """
    if len(split) == 0:
        raise GanzooError("There are no training images.")
    if batch_size < 1:
        raise GanzooError(f"The batch size is {batch_size}; it must be at least 1.")
    schedule = _Schedule(split.labels, batch_size, seed, flip, sampling == "balanced", references)
    budget = _default_budget_bytes(device) if memory_budget_bytes is None else memory_budget_bytes
    fits = split.images.numel() * split.images.element_size() <= budget
    return ResidentBatches(split, schedule, device) if fits else LoaderBatches(split, schedule, device)


def _default_budget_bytes(device: torch.device) -> int:
    if device.type != "cuda":
        return _CPU_BUDGET_BYTES
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return free_bytes // 4


class _Drawn(NamedTuple):
    """What N places of an epoch show: P pictures each, one, or three where references stand beside it.

    Attributes:
        pictures: Positions in the split, int64 ``(N, P)``, the image itself first.
        mirrored: bool, of the same shape.
    """

    pictures: Tensor
    mirrored: Tensor


class _Schedule:
    """Which images stand in which batch, what stands beside them, and which are mirrored."""

    def __init__(self, labels: Tensor, batch_size: int, seed: int, flip: bool, balanced: bool, references: bool) -> None:
        self.num_images = len(labels)
        self.batch_size = min(batch_size, self.num_images)
        self.steps_per_epoch = self.num_images // self.batch_size
        self._seed, self._flip, self._balanced, self._references = seed, flip, balanced, references
        self._by_class = [members for k in range(int(labels.max()) + 1) if len(members := (labels == k).nonzero()[:, 0])]

    def draw(self, epoch: int) -> _Drawn:
        """The epoch's pictures, on the CPU."""
        generator = torch.Generator().manual_seed(_mixed(self._seed, epoch))
        if self._balanced:
            pictures = self._of_classes(1, generator)
        else:
            pictures = torch.randperm(self.num_images, generator=generator)[:, None]
        mirrored = self._mirrored(pictures, generator)
        if self._references:
            beside = self._of_classes(_REFERENCES, generator)
            mirrored = torch.cat([mirrored, self._mirrored(beside, generator)], dim=1)
            pictures = torch.cat([pictures, beside], dim=1)
        return _Drawn(pictures, mirrored)

    def _of_classes(self, count: int, generator: torch.Generator) -> Tensor:
        """For each place pictures of one class, each other than the last, all classes alike; int64 ``(num_images, count)``."""
        classes = torch.randint(len(self._by_class), (self.num_images,), generator=generator)
        pictures = torch.empty(self.num_images, count, dtype=torch.int64)
        for index, members in enumerate(self._by_class):
            places = (classes == index).nonzero()[:, 0]
            first = torch.randint(len(members), (len(places),), generator=generator)
            for column in range(count):
                pictures[places, column] = members[first]
                others = max(1, len(members) - 1)
                first = (first + 1 + torch.randint(others, (len(places),), generator=generator)) % len(members)
        return pictures

    def _mirrored(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        if not self._flip:
            return torch.zeros(pictures.shape, dtype=torch.bool)
        return torch.rand(pictures.shape, generator=generator) < 0.5

    def batch_slices(self, start: int) -> Iterator[slice]:
        for step in range(start, self.steps_per_epoch):
            yield slice(step * self.batch_size, (step + 1) * self.batch_size)


def _mixed(seed: int, epoch: int) -> int:
    # A mere sum would make epoch 1 of seed 0 equal to epoch 0 of seed 1.
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0])


def _batch(images: Tensor, labels: Tensor, drawn: _Drawn) -> Batch:
    """Mirrors and scales what an epoch shows at some places, on whatever device it is; the same bits on all of them.

    Args:
        images: uint8 ``(N * P, C, H, W)``, the pictures of the places in a row.
        labels: int64 ``(N * P,)``.
        drawn: Of these places.
    """
    prepared = to_minus1_1(torch.where(drawn.mirrored.flatten()[:, None, None, None], images.flip(-1), images))
    if drawn.pictures.shape[1] == 1:
        return Batch(prepared, labels, drawn.pictures[:, 0])
    placed, classes = prepared.unflatten(0, drawn.pictures.shape), labels.view(drawn.pictures.shape)
    return Batch(placed[:, 0], classes[:, 0], drawn.pictures[:, 0], placed[:, 1:], classes[:, 1])


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
        pictures, mirrored = (drawn.to(self._device) for drawn in self._schedule.draw(epoch))
        for place in self._schedule.batch_slices(start):
            drawn = _Drawn(pictures[place], mirrored[place])
            indices = drawn.pictures.flatten()
            yield _batch(self._images[indices], self._labels[indices], drawn)


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
        pictures, mirrored = self._schedule.draw(epoch)
        places = list(self._schedule.batch_slices(start))
        for place, (images, labels) in zip(places, self._loader([pictures[place].flatten() for place in places]), strict=True):
            drawn = _Drawn(self._move(pictures[place]), self._move(mirrored[place]))
            yield _batch(self._move(images), self._move(labels), drawn)

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
