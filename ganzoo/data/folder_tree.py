"""Finds the pictures of ``folder:PATH``: ``train/<class>/*.png`` and so on, or class folders alone, perhaps levels deeper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from ganzoo.data.base import SPLIT_NAMES, DataNotFoundError
from ganzoo.data.decoding import is_picture
from ganzoo.data.naming import (
    contents_of,
    files_below,
    is_machine_made,
    part_of,
    readable,
    same_class_key,
    short_list,
    suffix_counts,
)
from ganzoo.data.splitting import UNKNOWN_PART
from ganzoo.errors import GanzooError

_LEVELS_BELOW = 3
_FOLDERS_PER_LEVEL = 200
_FILES_LOOKED_AT = 10_000


@dataclass(frozen=True)
class Picture:
    """One picture file; ``part`` is ``unknown`` where class folders stand alone."""

    part: str
    class_name: str
    name: str
    file: Path


@dataclass(frozen=True)
class Tree:
    """The pictures of a folder.

    Attributes:
        pictures: In the order of their names, which are paths below the folder that was asked for.
        left_out: What else lies there, in words -> number of files.
        remarks: What a user should know, one line each.
    """

    pictures: list[Picture]
    left_out: dict[str, int]
    remarks: tuple[str, ...]

    @property
    def num_other_files(self) -> int:
        return sum(self.left_out.values())


def find_tree(root: Path, asked: str) -> Tree:
    """Finds the pictures below a folder, with one name for each class.

    Args:
        root: An existing folder.
        asked: What the user asked for, for messages.

    Raises:
        DataNotFoundError: There is no such tree, or more than one.
        GanzooError: Classes without pictures, or that differ between parts.
    """
    place = _place(root, asked)
    folders = _part_folders(place)
    has_parts = any(map(_has_classes, folders))
    tops = folders if has_parts else [place]
    files = sorted(file for top in tops for file in files_below(top))
    pictures = [
        Picture(
            part_of(top.name) or "" if has_parts else UNKNOWN_PART,
            readable(file.parent.name),
            readable(file.relative_to(root).as_posix()),
            file,
        )
        for file in files
        if is_picture(file.name) and (top := file.parents[1]) in tops and not _is_left_behind(file, top)
    ]
    left_out = _left_out(files, {picture.file for picture in pictures}, tops)
    _refuse_empty_classes(asked, tops, {picture.class_name for picture in pictures})
    pictures, remarks = _one_name_for_each_class(sorted(pictures, key=lambda picture: picture.name))
    if has_parts:
        _refuse_different_parts(asked, pictures, place)
        left_out |= _beside_parts(place, tops)
        remarks = (*_folders_of_one_part(tops), *remarks)
    if place != root:
        remarks = (f"Read from its subfolder {place.relative_to(root).as_posix()}.", *remarks)
    return Tree(pictures, left_out, remarks)


def _place(root: Path, asked: str) -> Path:
    """The folder that holds parts or classes: the root itself or, where it holds neither, the only one below that does."""
    level = [root]
    for _ in range(_LEVELS_BELOW + 1):
        if trees := [folder for folder in level if _is_tree(folder)]:
            if len(trees) == 1:
                return trees[0]
            below = [tree.relative_to(root).as_posix() for tree in trees]
            raise DataNotFoundError(f"{asked}: several folders of pictures lie there: {short_list(below)}. Name one of them.")
        level = [sub for folder in level for sub in _subfolders(folder)][:_FOLDERS_PER_LEVEL]
    names = [file.name for file in islice((path for path in root.rglob("*") if path.is_file()), _FILES_LOOKED_AT)]
    files = f"; its files: {suffix_counts(names)}" if names else ""
    raise DataNotFoundError(
        f"{asked}: no pictures that lie as train/<class>/*.png, val/<class>/*.png and test/<class>/*.png (.jpg, .bmp, .tif, "
        "and .webp as well; one of val and test suffices), or as <class>/*.png alone. "
        f"{root.absolute()} {contents_of(root)}{files}."
    )


def _is_tree(folder: Path) -> bool:
    return any(map(_has_classes, _part_folders(folder))) or _has_classes(folder)


def _has_classes(folder: Path) -> bool:
    return any(part_of(sub.name) is None and _holds_pictures(sub) for sub in _subfolders(folder))


def _holds_pictures(folder: Path) -> bool:
    try:
        return any(is_picture(entry.name) for entry in folder.iterdir())
    except OSError:
        return False


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not is_machine_made(entry.name))
    except OSError:
        return []


def _part_folders(folder: Path) -> list[Path]:
    return [sub for sub in _subfolders(folder) if part_of(sub.name) is not None]


def _is_left_behind(file: Path, top: Path) -> bool:
    return any(is_machine_made(part) for part in file.relative_to(top).parts)


def _left_out(files: Sequence[Path], read: set[Path], tops: Sequence[Path]) -> dict[str, int]:
    """Why files below the parts are not read, in words, and how many they are."""
    reasons: Counter[str] = Counter()
    others: list[str] = []
    for file in files:
        top = next(parent for parent in file.parents if parent in tops)
        if file in read:
            continue
        if _is_left_behind(file, top):
            reasons["hidden or machine-made files"] += 1
        elif is_picture(file.name):
            reasons["pictures in no class folder" if file.parent == top else "pictures below class folders"] += 1
        else:
            others.append(file.name)
    if others:
        reasons[f"files that are no pictures ganzoo reads ({suffix_counts(others)})"] = len(others)
    return dict(reasons)


def _beside_parts(place: Path, tops: Sequence[Path]) -> dict[str, int]:
    """Folders beside the parts that hold pictures, in words, and how many."""
    counts = {sub.name: sum(is_picture(file.name) for file in files_below(sub)) for sub in _subfolders(place) if sub not in tops}
    names = [name for name, count in counts.items() if count]
    return {f"pictures in folders that are no parts ({short_list(names)})": sum(counts.values())} if names else {}


def _folders_of_one_part(tops: Sequence[Path]) -> list[str]:
    by_part: dict[str, list[str]] = {}
    for top in tops:
        by_part.setdefault(part_of(top.name) or "", []).append(top.name)
    return [f"Read as one part, {part}: {short_list(names)}." for part, names in by_part.items() if len(names) > 1]


def _refuse_empty_classes(asked: str, tops: Sequence[Path], filled: set[str]) -> None:
    empty = {folder.name: folder for top in tops for folder in _subfolders(top) if readable(folder.name) not in filled}
    if not empty:
        return
    first = next(iter(sorted(empty)))
    raise GanzooError(
        f"{asked}: no pictures in {short_list(sorted(empty))}. Add them or remove the class. "
        f"({first} {contents_of(empty[first])}.)"
    )


def _one_name_for_each_class(pictures: list[Picture]) -> tuple[list[Picture], tuple[str, ...]]:
    """Where parts spell a class differently (``Happy``, ``happiness``), it bears the name that the first of them gives it."""
    spellings: dict[str, dict[str, set[str]]] = {}
    for picture in pictures:
        spellings.setdefault(same_class_key(picture.class_name), {}).setdefault(picture.part, set()).add(picture.class_name)
    names: dict[str, str] = {}
    several: list[str] = []
    for by_part in spellings.values():
        if any(len(inside) > 1 for inside in by_part.values()):  # In one part, two spellings are two classes.
            several.append(short_list(sorted(set.union(*by_part.values()))))
            continue
        (first,) = next(by_part[part] for part in (*SPLIT_NAMES, UNKNOWN_PART) if part in by_part)
        names |= {other: first for inside in by_part.values() for other in inside if other != first}
    renamed = [replace(picture, class_name=names.get(picture.class_name, picture.class_name)) for picture in pictures]
    read = ", ".join(f"{other!r} as {first!r}" for other, first in sorted(names.items()))
    remarks = [f"Class names that differ between parts are read as one: {read}."] if names else []
    remarks += (
        [f"Names that may mean one class stand side by side, and are read as several: {'; '.join(several)}."] if several else []
    )
    return renamed, tuple(remarks)


def _refuse_different_parts(asked: str, pictures: Sequence[Picture], place: Path) -> None:
    by_part: dict[str, set[str]] = {}
    for picture in pictures:
        by_part.setdefault(picture.part, set()).add(picture.class_name)
    if "train" not in by_part or len(by_part) == 1:
        raise GanzooError(
            f"{asked}: only {' and '.join(map(repr, by_part))} {'has' if len(by_part) == 1 else 'have'} pictures; train and val "
            "or test are needed (a folder of class folders alone is split by pixel hash: name that folder). "
            f"{place.absolute()} {contents_of(place)}."
        )
    everywhere = set.union(*by_part.values())
    lacking = [
        f"{part} lacks {short_list(sorted(everywhere - by_part[part]))}"
        for part in SPLIT_NAMES
        if part in by_part and by_part[part] != everywhere
    ]
    if lacking:
        raise GanzooError(f"{asked}: the splits have different classes: {'; '.join(lacking)}. Add them or remove the class.")
