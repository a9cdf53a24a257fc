"""The faces that a run keeps: the same few sources, translated to every class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ganzoo.compare.attempt import attempt
from ganzoo.compare.groups import plain

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Gallery:
    """Faces of one run.

    Attributes:
        sources: uint8 (n, C, H, W).
        labels: int (n,), class of each source.
        translations: uint8 (n, K, C, H, W); the second index is the class asked for.
        class_names: K names.
        source_index: int (n,), place of each source in the split, as in ``per_image.parquet``; empty where it was not kept.
    """

    sources: Bytes
    labels: npt.NDArray[np.int64]
    translations: Bytes
    class_names: tuple[str, ...]
    source_index: npt.NDArray[np.int64]

    def shows_same_faces(self, other: Gallery) -> bool:
        """Whether sources, their labels and the classes agree."""
        same_names = self.class_names == other.class_names
        return same_names and np.array_equal(self.sources, other.sources) and np.array_equal(self.labels, other.labels)


def read_gallery(file: Path) -> Gallery | str:
    """The faces in a ``gallery.npz``, or why they cannot be shown."""
    gallery = attempt(file, _read)
    return f"{file.name} is missing" if gallery is None else gallery


def _read(file: BinaryIO) -> Gallery:
    with np.load(file, allow_pickle=False) as arrays:
        names = tuple(plain(name) for name in arrays["class_names"].tolist())
        index = arrays["source_index"] if "source_index" in arrays else np.empty(0)
        gallery = Gallery(
            arrays["sources"], arrays["labels"].astype(np.int64), arrays["translations"], names, index.astype(np.int64)
        )
    count, classes, shape = len(gallery.sources), len(names), gallery.sources.shape
    fits = len(shape) == 4 and min(shape) > 0 and gallery.translations.shape == (count, classes, *shape[1:])
    is_bytes = gallery.sources.dtype == np.uint8 == gallery.translations.dtype
    in_range = gallery.labels.shape == (count,) and 0 <= gallery.labels.min() <= gallery.labels.max() < classes
    if not (fits and is_bytes and in_range and classes > 1 and gallery.source_index.shape in ((0,), (count,))):
        raise ValueError("unexpected shapes or types")
    return gallery
