"""Any tree of pictures: ``folder:PATH`` reads ``PATH/split/class/*.png|jpg|jpeg``.

Splits are ``train``, ``val`` (or ``valid``, ``validation``) and ``test``; a single held-out one is divided into val and test
by pixel hash. Classes are the folders' names, sorted. Any size and any channels: see `load_folder`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo.data.base import SPLIT_NAMES, DataOptions, Dataset, Split
from ganzoo.data.cache import CacheEntry, cache_key, cached, content_hash, files_digest
from ganzoo.data.decoding import BadItemError, decode_all, decode_any, is_picture, read_file, refuse_bad_items
from ganzoo.data.pixels import resize_uint8
from ganzoo.data.splitting import complete_parts, pixel_digest, require_every_class
from ganzoo.errors import GanzooError
from ganzoo.registry import DATASETS

_PART_OF_FOLDER = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
# Part of the cache key: raise it when the same files decode to something else.
_DECODER_VERSION = "1"


@dataclass(frozen=True)
class _Picture:
    part: str
    class_name: str
    name: str
    file: Path


@DATASETS.register("folder")
def load_folder(name: str, options: DataOptions) -> Dataset:
    """Loads a tree of pictures.

    Images come out grey if not one of them has colour, else in RGB; transparency is ignored. They must share one square
    size, or `DataOptions.image_size_px` resizes them all (bilinear, anti-aliased); otherwise those that differ from the
    commonest size are bad items.

    Args:
        name: The name it was asked for by, ``folder:PATH``.
        options: ``path`` is the folder; relative to ``root`` if that is given.

    Raises:
        GanzooError: No such tree, classes that differ between splits, bad items without ``skip_bad``.
    """
    root = _root(options)
    pictures, num_other_files = _find(root)
    class_names = _classes(name, pictures, _empty_classes(root, pictures))
    entry = _read(pictures, options)
    refuse_bad_items(entry.facts["bad"], skip_bad=options.skip_bad, dataset=name)
    kept = [pictures[index] for index in entry.tensors["kept"].tolist()]
    digests = [bytes(row) for row in entry.tensors["digests"].numpy()]
    parts, split_rule = complete_parts([picture.part for picture in kept], digests)
    splits = _splits(entry.tensors["images"], kept, parts, class_names)
    require_every_class(name, class_names, splits)
    facts = {
        "form": "folders",
        "num_files": len(pictures),
        "num_other_files_ignored": num_other_files,
        "split_rule": split_rule or "the source's own parts",
        "counts": {part: split.class_counts(len(class_names)) for part, split in splits.items()},
    }
    return Dataset(name, class_names, splits, content_hash(splits, class_names), skipped=tuple(entry.facts["bad"]), facts=facts)


def _root(options: DataOptions) -> Path:
    if not options.path:
        raise GanzooError("folder: needs a path: --data folder:PATH; PATH holds train/<class>/*.png and test/<class>/*.png.")
    path = Path(options.path).expanduser()
    root = path if options.root is None else options.root / path
    if not root.is_dir():
        what = "is a file, not a folder" if root.is_file() else "does not exist"
        raise GanzooError(f"folder:{options.path}: {root.absolute()} {what}.")
    return root


def _find(root: Path) -> tuple[list[_Picture], int]:
    """Pictures in the order of their names, and how many other files lie among them."""
    folders = _part_folders(root)
    linked = [link for folder in folders for link in folder.iterdir() if link.is_symlink() and link.is_dir()]
    paths = [path for folder in folders for path in folder.rglob("*")] + [path for link in linked for path in link.iterdir()]
    # A link to nothing is a picture that cannot be read.
    files = [path for path in paths if path.is_file() or (path.is_symlink() and not path.exists())]
    pictures = [
        _Picture(_PART_OF_FOLDER[path.parents[1].name.lower()], path.parent.name, path.relative_to(root).as_posix(), path)
        for path in files
        if is_picture(path.name) and path.parents[1] in folders
    ]
    if not pictures:
        raise GanzooError(
            f"folder:{root}: no pictures. They must lie as train/<class>/*.png, val/<class>/*.png and test/<class>/*.png "
            "(.jpg and .jpeg as well; one of val and test suffices)."
        )
    return sorted(pictures, key=lambda picture: picture.name), len(files) - len(pictures)


def _part_folders(root: Path) -> list[Path]:
    return [folder for folder in root.iterdir() if folder.name.lower() in _PART_OF_FOLDER and folder.is_dir()]


def _empty_classes(root: Path, pictures: Sequence[_Picture]) -> set[str]:
    """Names of folders that stand where classes stand and hold no pictures in any part."""
    folders = [folder for part in _part_folders(root) for folder in part.iterdir() if folder.is_dir()]
    return {folder.name for folder in folders if not folder.name.startswith(".")} - {picture.class_name for picture in pictures}


def _classes(name: str, pictures: Sequence[_Picture], empty: set[str]) -> tuple[str, ...]:
    if empty:
        raise GanzooError(f"{name}: no pictures in {', '.join(map(repr, sorted(empty)))}. Add them or remove the class.")
    by_part: dict[str, set[str]] = {}
    for picture in pictures:
        by_part.setdefault(picture.part, set()).add(picture.class_name)
    if "train" not in by_part or len(by_part) == 1:
        raise GanzooError(f"{name}: only '{next(iter(by_part))}' has pictures; train and val or test are needed.")
    everywhere = set.union(*by_part.values())
    lacking = [
        f"{part} lacks {', '.join(repr(missing) for missing in sorted(everywhere - by_part[part]))}"
        for part in SPLIT_NAMES
        if part in by_part and by_part[part] != everywhere
    ]
    if lacking:
        raise GanzooError(f"{name}: the splits have different classes: {'; '.join(lacking)}. Add them or remove the class.")
    return tuple(sorted(everywhere))


def _read(pictures: Sequence[_Picture], options: DataOptions) -> CacheEntry:
    size_px = options.image_size_px

    def build() -> CacheEntry:
        arrays, bad = decode_all(((picture.name, _content(picture)) for picture in pictures), decode_any)
        bad += _drop_other_sizes(arrays, pictures, size_px)
        kept = [index for index, array in enumerate(arrays) if array is not None]
        decoded = [array for array in arrays if array is not None]
        digests = [list(pixel_digest(array.tobytes())) for array in decoded]
        tensors = {
            "images": _stack(decoded, size_px),
            "kept": torch.tensor(kept, dtype=torch.int64),
            "digests": torch.tensor(digests, dtype=torch.uint8).reshape(-1, 32),
        }
        return CacheEntry(tensors, {"bad": bad})

    if not options.cache:
        return build()
    content = files_digest((picture.name, picture.file) for picture in pictures)
    return cached(cache_key("folder", _DECODER_VERSION, str(size_px), content), build)


def _content(picture: _Picture) -> bytes | BadItemError:
    try:
        return read_file(picture.file)
    except BadItemError as error:
        return error


def _drop_other_sizes(arrays: list[NDArray[np.uint8] | None], pictures: Sequence[_Picture], size_px: int | None) -> list[str]:
    """Sets arrays to None that do not have the commonest size (any size will do where all are resized); one line for each."""
    sizes = Counter(array.shape[:2] for array in arrays if array is not None)
    if size_px is not None or not sizes:
        return []
    (height, width), _ = sizes.most_common(1)[0]
    if height != width:
        raise GanzooError(f"Most images are {width}x{height} pixels; they must be square, or be made so with image_size_px.")
    bad = []
    for index, array in enumerate(arrays):
        if array is not None and array.shape[:2] != (height, width):
            bad.append(f"{pictures[index].name} is {array.shape[1]}x{array.shape[0]} pixels, not {width}x{height}")
            arrays[index] = None
    return bad


def _stack(arrays: Sequence[NDArray[np.uint8]], size_px: int | None) -> Tensor:
    """uint8 ``(N, C, H, W)``: one channel if every array has only height and width, else three."""
    in_colour = any(array.ndim == 3 for array in arrays)
    images = []
    for array in arrays:
        channels = array if array.ndim == 3 else array[..., None]
        channels = np.repeat(channels, 3, axis=2) if in_colour and array.ndim == 2 else channels
        image = torch.from_numpy(channels.transpose(2, 0, 1).copy())  # copied: decoded pixels are read-only
        images.append(image if size_px is None else resize_uint8(image[None], size_px)[0])
    return torch.stack(images) if images else torch.zeros(0, 1, 1, 1, dtype=torch.uint8)


def _splits(images: Tensor, pictures: Sequence[_Picture], parts: Sequence[str], class_names: Sequence[str]) -> dict[str, Split]:
    labels = torch.tensor([class_names.index(picture.class_name) for picture in pictures], dtype=torch.int64)
    splits = {}
    for part in SPLIT_NAMES:
        members = torch.tensor([index for index, own in enumerate(parts) if own == part], dtype=torch.int64)
        members = members[torch.argsort(labels[members], stable=True)]
        names = tuple(pictures[index].name for index in members.tolist())
        splits[part] = Split(images[members], labels[members], names)
    return splits
