"""Any tree of pictures: ``folder:PATH`` reads ``PATH/split/class/*.png``, or ``PATH/class/*.png``.

Splits are ``train`` (or ``training``), ``val`` (``valid``, ``validation``, ``dev``) and ``test`` (``testing``, ``eval``) in any
case, and what else `ganzoo.data.naming` knows; a single held-out one is divided into val and test by pixel hash, and class
folders alone into all three. Classes are the folders' names, sorted. Any size and any channels: see `load_folder`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo.data.base import SPLIT_NAMES, DataNotFoundError, DataOptions, Dataset, Split
from ganzoo.data.cache import CacheEntry, cache_key, cached, content_hash, files_digest
from ganzoo.data.decoding import BadItemError, decode_all, decode_any, read_file, refuse_bad_items
from ganzoo.data.folder_tree import Picture, find_tree
from ganzoo.data.naming import missing_place
from ganzoo.data.pixels import Fit, fit_square, resize_uint8
from ganzoo.data.splitting import complete_parts, pixel_digest, require_every_class
from ganzoo.errors import GanzooError
from ganzoo.registry import DATASETS
from ganzoo.surroundings import expanded

# Part of the cache key: raise it when the same files decode to something else.
_DECODER_VERSION = "3"
_FITTED: dict[Fit, str] = {
    "crop": "cut to the square in their middle",
    "pad": "set into a grey square",
    "stretch": "squeezed to a square",
}


@DATASETS.register("folder")
def load_folder(name: str, options: DataOptions) -> Dataset:
    """Loads a tree of pictures.

    Images come out grey if not one of them has colour, else in RGB; what is transparent lies over mid grey. Those that are not
    square are made so as `DataOptions.fit` says. They must share one size, or `DataOptions.image_size_px` resizes them all
    (bilinear, anti-aliased); otherwise those that differ from the commonest size are bad items.

    Args:
        name: The name it was asked for by, ``folder:PATH``.
        options: ``path`` is the folder; relative to ``root`` if that is given.

    Raises:
        DataNotFoundError: No such folder, or no tree in it.
        GanzooError: Classes that differ between splits, bad items without ``skip_bad``.
    """
    tree = find_tree(_root(options), name)
    class_names = tuple(sorted({picture.class_name for picture in tree.pictures}))
    entry = _read(tree.pictures, options)
    refuse_bad_items(entry.facts["bad"], skip_bad=options.skip_bad, dataset=name)
    kept = [tree.pictures[index] for index in entry.tensors["kept"].tolist()]
    digests = [bytes(row) for row in entry.tensors["digests"].numpy()]
    labels = [picture.class_name for picture in kept]
    parts, split_rule = complete_parts([picture.part for picture in kept], digests, labels)
    splits = _splits(entry.tensors["images"], kept, parts, class_names)
    require_every_class(name, class_names, splits, entry.facts["bad"])
    facts = {
        "form": "folders",
        "num_files": len(tree.pictures),
        "num_other_files_ignored": tree.num_other_files,
        "split_rule": split_rule or "the source's own parts",
        "counts": {part: split.class_counts(len(class_names)) for part, split in splits.items()},
    }
    return Dataset(
        name,
        class_names,
        splits,
        content_hash(splits, class_names),
        skipped=tuple(entry.facts["bad"]),
        facts=facts,
        fit=options.fit if entry.facts["fitted"] else None,
        changed=entry.facts["changed"],
        left_out=tree.left_out,
        remarks=(*tree.remarks, *([f"Split: {split_rule}."] if split_rule else [])),
    )


def _root(options: DataOptions) -> Path:
    if not options.path:
        raise GanzooError("folder: needs a path: --data folder:PATH; PATH holds train/<class>/*.png and test/<class>/*.png.")
    path = expanded(options.path)
    root = path if options.root is None else options.root / path
    if not root.exists() and path.is_absolute() and options.root is not None:
        # It has moved, and this is where it lies now, or where its folder does.
        root = options.root / path.name if (options.root / path.name).is_dir() else options.root
    if root.is_file():
        raise DataNotFoundError(f"folder:{options.path}: {root.absolute()} is a file, not a folder. An archive must be unpacked.")
    if not root.is_dir():
        raise DataNotFoundError(
            f"folder:{options.path}: {root.absolute()} does not exist. {missing_place(root)}. "
            "If the data have moved, name the folder in which they lie now with --data-root."
        )
    return root


def _read(pictures: Sequence[Picture], options: DataOptions) -> CacheEntry:
    size_px, fit = options.image_size_px, options.fit

    def build() -> CacheEntry:
        arrays, bad, changes = decode_all(((picture.name, _content(picture)) for picture in pictures), decode_any)
        bad += _drop_other_sizes(arrays, pictures, options)
        kept = [index for index, array in enumerate(arrays) if array is not None]
        decoded = [array for array in arrays if array is not None]
        digests = [list(pixel_digest(array.tobytes())) for array in decoded]
        tensors = {
            "images": _stack(decoded, size_px, fit),
            "kept": torch.tensor(kept, dtype=torch.int64),
            "digests": torch.tensor(digests, dtype=torch.uint8).reshape(-1, 32),
        }
        oblong = Counter(array.shape[:2] for array in decoded if array.shape[0] != array.shape[1])
        if oblong:
            (height, width), _ = oblong.most_common(1)[0]
            changes[f"{_FITTED[fit]} (--fit {fit}; most were {width}x{height})"] = oblong.total()
        return CacheEntry(tensors, {"bad": bad, "changed": dict(changes), "fitted": bool(oblong)})

    if not options.cache:
        return build()
    content = files_digest((picture.name, picture.file) for picture in pictures)
    return cached(cache_key("folder", _DECODER_VERSION, str(size_px), fit, content), build)


def _content(picture: Picture) -> bytes | BadItemError:
    try:
        return read_file(picture.file)
    except BadItemError as error:
        return error


def _drop_other_sizes(arrays: list[NDArray[np.uint8] | None], pictures: Sequence[Picture], options: DataOptions) -> list[str]:
    """Sets arrays to None that do not have the commonest size (any size will do where all are resized); one line for each."""
    sizes = Counter(array.shape[:2] for array in arrays if array is not None)
    if options.image_size_px is not None or not sizes:
        return []
    (height, width), _ = sizes.most_common(1)[0]
    if height != width and options.fit == "stretch":
        raise GanzooError(f"Most images are {width}x{height} pixels; --fit stretch needs a side to resize them to: --image-size.")
    bad = []
    for index, array in enumerate(arrays):
        if array is not None and array.shape[:2] != (height, width):
            found = f"{array.shape[1]}x{array.shape[0]}"
            bad.append(f"{pictures[index].name} is {found} pixels, not {width}x{height} (--image-size resizes all)")
            arrays[index] = None
    return bad


def _stack(arrays: Sequence[NDArray[np.uint8]], size_px: int | None, fit: Fit) -> Tensor:
    """uint8 ``(N, C, H, W)``: one channel if every array has only height and width, else three."""
    in_colour = any(array.ndim == 3 for array in arrays)
    images = []
    for array in arrays:
        channels = array if array.ndim == 3 else array[..., None]
        channels = np.repeat(channels, 3, axis=2) if in_colour and array.ndim == 2 else channels
        image = torch.from_numpy(channels.transpose(2, 0, 1).copy())  # copied: decoded pixels are read-only
        image = fit_square(image, fit)
        images.append(image if size_px is None else resize_uint8(image[None], size_px)[0])
    return torch.stack(images) if images else torch.zeros(0, 1, 1, 1, dtype=torch.uint8)


def _splits(images: Tensor, pictures: Sequence[Picture], parts: Sequence[str], class_names: Sequence[str]) -> dict[str, Split]:
    labels = torch.tensor([class_names.index(picture.class_name) for picture in pictures], dtype=torch.int64)
    splits = {}
    for part in SPLIT_NAMES:
        members = torch.tensor([index for index, own in enumerate(parts) if own == part], dtype=torch.int64)
        members = members[torch.argsort(labels[members], stable=True)]
        names = tuple(pictures[index].name for index in members.tolist())
        splits[part] = Split(images[members], labels[members], names)
    return splits
