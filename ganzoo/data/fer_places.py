"""Where FER2013 is looked for, and what lies there where it is not found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from ganzoo.data.archives import ARCHIVE_ERRORS, archives_in, members
from ganzoo.data.csv_files import csv_files_in, quoted
from ganzoo.data.fer_pictures import unknown_classes
from ganzoo.data.naming import (
    EXPRESSION_SYNONYMS,
    contents_of,
    expression_of,
    is_machine_made,
    part_of,
    short_list,
    suffix_counts,
)

_LEVELS_BELOW = 3
_MOST_PLACES = 100
_THINGS_SHOWN = 3
_PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".rar", ".7z", ".zst")


def places_in(root: Path) -> list[Path]:
    """A folder and those below it in which data may lie, the nearest first; not those of parts and classes themselves."""
    places, level = [root], [root]
    for _ in range(_LEVELS_BELOW):
        level = [sub for folder in level for sub in _subfolders(folder)]
        places += level
    return places[:_MOST_PLACES]


def _subfolders(folder: Path) -> list[Path]:
    try:
        subs = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not is_machine_made(entry.name))
    except OSError:
        return []
    return [sub for sub in subs[:_MOST_PLACES] if not part_of(sub.name) and not expression_of(sub.name)]


def found_instead(root: Path, places: Sequence[Path]) -> str:
    """What lies in the places where FER2013 is not, in a sentence or a few."""
    things = list(islice(_strange_things(places), _THINGS_SHOWN))
    there = f"{root.absolute()} {contents_of(root)}." if root.is_dir() else f"{root.absolute()} does not exist."
    return " ".join([there, *things])


def _strange_things(places: Sequence[Path]) -> Iterator[str]:
    for place in places:
        if names := unknown_classes(place):
            known = ", ".join(name for name in EXPRESSION_SYNONYMS if name != "contempt")
            yield f"The class folders {short_list(names)} have names that are no expression's: FER2013 has {known}."
        for table in csv_files_in(place):
            if table.titles:
                yield f"{table.name} begins with the columns {quoted(', '.join(table.titles))}."
        for archive in archives_in(place):
            try:
                inside = members(archive)
            except ARCHIVE_ERRORS:
                continue
            names = list(dict.fromkeys(member.parts[0] for member in inside if member.parts))
            unpack = "; unpack that" if any(member.name.lower().endswith(_PACKED) for member in inside) else ""
            yield f"{archive.name} holds {short_list(names)} ({suffix_counts([member.name for member in inside])}){unpack}."
        looked_into = {*archives_in(place), *(table.file for table in csv_files_in(place))}
        others = [entry for entry in sorted(place.iterdir()) if entry not in looked_into and not entry.is_dir()]
        if packed := [entry.name for entry in others if entry.name.lower().endswith(_PACKED)]:
            yield f"{short_list(packed)} must be unpacked first."
