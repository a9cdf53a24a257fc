"""What a dataset is, and how one is asked for by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, get_args

import torch
from torch import Tensor

from ganzoo.config import LARGEST_IMAGE_PX
from ganzoo.data.naming import readable
from ganzoo.data.pixels import Fit
from ganzoo.errors import GanzooError
from ganzoo.registry import DATASETS
from ganzoo.surroundings import expanded

SPLIT_NAMES = ("train", "val", "test")
SMALLEST_SIZE_PX = 8


@dataclass(frozen=True)
class Split:
    """One part of a dataset.

    Attributes:
        images: uint8 ``(N, C, H, W)``, values 0..255.
        labels: int64 ``(N,)``, indices into the dataset's class names.
        names: Where each image came from (a file or row), for messages; may be empty.
        action_units: float32 ``(N, A)`` in [0, 1] where known.
        identities: int64 ``(N,)``, equal for images of one person, where known.
        face_boxes: float32 ``(N, 4)``, where the aligned face lies in each image: left, top, right and bottom in shares of its
            side, which may reach beyond it. None: every image is an aligned face.
    """

    images: Tensor
    labels: Tensor
    names: Sequence[str] = ()
    action_units: Tensor | None = None
    identities: Tensor | None = None
    face_boxes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def class_counts(self, num_classes: int) -> list[int]:
        """Number of images per class, in class order."""
        return [int(count) for count in torch.bincount(self.labels, minlength=num_classes)]


class Counterfactual(Protocol):
    """Gives the true answers of a dataset that knows them."""

    def __call__(self, split: str, indices: Tensor, targets: Tensor) -> Tensor:
        """Images ``indices`` of ``split`` with expressions ``targets`` (both int64 ``(M,)``): uint8 ``(M, C, H, W)``."""
        ...


@dataclass(frozen=True)
class Dataset:
    """Labelled images of one size in three parts.

    Attributes:
        name: The name it was asked for by, such as ``fer4``.
        class_names: Expression of each label.
        splits: ``train``, ``val`` and ``test``.
        content_hash: SHA-256 over pixels, labels and class names of all parts.
        judge_family: Which shipped judges may score it (``"fer"``, ``"synth"``), or None.
        counterfactual: Gives true answers, where they are known (rendered faces).
        skipped: What was left out with ``skip_bad``, one line each.
        facts: Further facts for the provenance of runs; values are plain JSON.
        action_unit_names: Meaning of the columns of ``Split.action_units``.
        fit: How pictures that are not square were made so; None where all are square.
        changed: What was done to pictures beside decoding and resizing, in words -> number of pictures.
        left_out: What lies among the pictures and is not read, in words -> number of files.
        remarks: What a user should know of how the data were read, one line each.
    """

    name: str
    class_names: tuple[str, ...]
    splits: Mapping[str, Split]
    content_hash: str
    judge_family: str | None = None
    counterfactual: Counterfactual | None = None
    skipped: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    action_unit_names: tuple[str, ...] = ()
    fit: Fit | None = None
    changed: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def in_words(self) -> dict[str, str]:
        """What was changed, left out and is to be remarked, as lines by their titles; empty where there is nothing to say."""
        counts = {"changed": self.changed, "left out": self.left_out}
        lines = {title: "; ".join(f"{what}: {count:,}" for what, count in found.items()) for title, found in counts.items()}
        return {title: text for title, text in {**lines, "note": " ".join(self.remarks)}.items() if text}

    @property
    def train(self) -> Split:
        return self.splits["train"]

    @property
    def val(self) -> Split:
        return self.splits["val"]

    @property
    def test(self) -> Split:
        return self.splits["test"]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_channels(self) -> int:
        return int(self.train.images.shape[1])

    @property
    def image_size_px(self) -> int:
        return int(self.train.images.shape[-1])


@dataclass(frozen=True)
class DataOptions:
    """How a dataset is to be found and read.

    Attributes:
        path: What stands after the colon in ``folder:PATH``; empty otherwise.
        root: ``--data-root``; None means ``$GANZOO_DATA``, then ``./data``.
        skip_bad: Leave out unreadable items (named and counted) instead of raising.
        download: Fetch the data where the loader knows how.
        image_size_px: Size to resize (or render) to; None keeps the dataset's own.
        cache: Whether decoded data may be kept on disk.
        fit: How pictures that are not square are made so.
    """

    path: str = ""
    root: Path | None = None
    skip_bad: bool = False
    download: bool = False
    image_size_px: int | None = None
    cache: bool = True
    fit: Fit = "crop"


class DataNotFoundError(GanzooError):
    """A dataset is not where it was looked for."""


DatasetLoader = Callable[[str, DataOptions], Dataset]
"""Registered as a dataset: takes the name it was asked for by and the options."""


def load_dataset(
    spec: str,
    *,
    root: str | Path | None = None,
    skip_bad: bool = False,
    download: bool = False,
    image_size_px: int | None = None,
    cache: bool = True,
    fit: Fit = "crop",
) -> Dataset:
    """Loads the dataset called ``spec``: ``fer4``, ``synth4``, ``folder:PATH``, ...

    Raises:
        DataNotFoundError: Nothing of the kind lies where it was looked for.
        GanzooError: Unknown name, or unreadable items without ``skip_bad``.
    """
    if fit not in get_args(Fit):
        raise GanzooError(f"--fit is {', '.join(get_args(Fit)[:-1])} or {get_args(Fit)[-1]}, not '{fit}'.")
    if image_size_px is not None and not SMALLEST_SIZE_PX <= image_size_px <= LARGEST_IMAGE_PX:
        raise GanzooError(f"Images can be {SMALLEST_SIZE_PX} to {LARGEST_IMAGE_PX} pixels a side, not {image_size_px}.")
    if readable(spec) != spec:
        raise GanzooError(f"The path {readable(spec)} is not UTF-8, which records of runs need. Rename it.")
    name, _, path = spec.partition(":") if spec.startswith("folder:") else (spec, "", "")
    options = DataOptions(path, expanded(root) if root else None, skip_bad, download, image_size_px, cache, fit)
    dataset = DATASETS.get(name)(spec, options)
    if not isinstance(dataset, Dataset):
        raise GanzooError(f"The loader of '{spec}' gives a {type(dataset).__name__}, not a Dataset.")
    for split in SPLIT_NAMES:
        if split not in dataset.splits or len(dataset.splits[split]) == 0:
            raise GanzooError(f"Dataset '{spec}' has no images in its '{split}' part.")
        if problem := _split_problem(dataset, dataset.splits[split]):
            raise GanzooError(f"Dataset '{spec}', part '{split}': {problem}.")
    if dataset.num_classes < 2:
        raise GanzooError(f"Dataset '{spec}' has one class, '{dataset.class_names[0]}'; translation needs at least 2.")
    return dataset


def _split_problem(dataset: Dataset, split: Split) -> str | None:
    """Where a part departs from what is said of it above; loaders may be somebody else's."""
    images, labels = split.images, split.labels
    shape = (dataset.image_channels, dataset.image_size_px, dataset.image_size_px)
    if images.dtype != torch.uint8 or tuple(images.shape[1:]) != shape:
        return f"images must be uint8 (N, {', '.join(map(str, shape))}), not {images.dtype} {tuple(images.shape)}"
    if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
        return f"labels must be int64 ({len(images)},), not {labels.dtype} {tuple(labels.shape)}"
    if not 0 <= int(labels.min()) <= int(labels.max()) < dataset.num_classes:
        return f"labels lie between {int(labels.min())} and {int(labels.max())}, with {dataset.num_classes} classes"
    return None
