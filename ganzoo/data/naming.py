"""What folders and files of datasets are called: parts, expressions, what programs leave behind, and what lies in a place."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

PARTS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "dev": "val",
    "development": "val",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "publictest": "val",
    "eval": "test",
    "evaluation": "test",
    "test": "test",
    "testing": "test",
    "privatetest": "test",
}
"""Names of parts, as letters alone and in lower case, without a ``set`` at their end. Of FER2013's competition, PublicTest was
for the leaderboard while it ran and PrivateTest for the final ranking."""

EXPRESSION_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "angry": ("anger",),
    "contempt": ("contemptuous",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid", "scared"),
    "happy": ("happiness", "joy", "joyful"),
    "neutral": ("neutrality",),
    "sad": ("sadness",),
    "surprise": ("surprised", "suprise", "suprised"),
}
"""Each expression by the name that ganzoo has for it, and the other names that datasets give it."""

_EXPRESSIONS = {word: name for name, others in EXPRESSION_SYNONYMS.items() for word in (name, *others)}
_NUMBERED = re.compile(r"^\d+[\s._-]+")
_NUMBERED_REMAINS = re.compile(r"found\.\d{3}")
_MACHINE_MADE = {
    "#recycle",
    "#snapshot",
    "~snapshot",
    "recycled",
    "recycler",
    "cvs",
    "node_modules",
    "__macosx",
    "__pycache__",
    "system volume information",
    "lost+found",
    "network trash folder",
    "temporary items",
    "desktop.ini",
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "icon\r",
}
_NAMES_SHOWN = 6
_LONGEST_NAME = 40


def is_machine_made(name: str) -> bool:
    """Whether a file or folder is hidden, or is what a system or a program leaves behind: ``.DS_Store``, ``@eaDir``, ..."""
    # What begins with @ belongs to Synology and QNAP, with $ to Windows.
    lower = name.lower()
    return name.startswith((".", "~$", "@", "$")) or lower in _MACHINE_MADE or _NUMBERED_REMAINS.fullmatch(lower) is not None


def readable(name: str) -> str:
    r"""A file's name as text that every record takes: bytes that are no UTF-8 become ``\xe9``."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def path_parts(name: str) -> tuple[str, ...]:
    r"""The folders and the file that a name in an archive consists of; ``\`` separates them as ``/`` does."""
    return tuple(part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "."))


def part_of(folder: str) -> str | None:
    """``train``, ``val`` or ``test`` where a folder's (or a file's) name says so, in any case; else None."""
    return PARTS.get(re.sub(r"[\s_-]+", "", folder.casefold()).removesuffix("set"))


def expression_of(name: str) -> str | None:
    """The expression that a class name means, in any case and by any known synonym, perhaps numbered; else None."""
    return _EXPRESSIONS.get(_NUMBERED.sub("", name.strip().casefold()))


def same_class_key(name: str) -> str:
    """What spellings of one class have in common: the expression it means, else its letters without case."""
    return expression_of(name) or unicodedata.normalize("NFC", name.strip()).casefold()


def short_list(names: Sequence[str]) -> str:
    """Names in words, the first few of them and none too long: ``'a', 'b' and 12 more``."""
    shown = ", ".join(repr(_short(name)) for name in names[:_NAMES_SHOWN])
    return f"{shown} and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else shown


def contents_of(folder: Path) -> str:
    """What lies in a folder, in words: ``holds 'a/', 'b.txt' and 3 more``."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    names = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries if not is_machine_made(entry.name)]
    return f"holds {short_list(names)}" if names else "is empty" if not entries else "holds hidden files only"


def files_below(folder: Path) -> list[Path]:
    """Everything below a folder that is no folder; folders directly in it that are links are looked into."""
    linked = [link for link in folder.iterdir() if link.is_symlink() and link.is_dir()]
    paths = [*folder.rglob("*"), *(path for link in linked for path in link.iterdir())]
    return [path for path in paths if not path.is_dir()]


def missing_place(path: Path) -> str:
    """What is there instead of a path that does not exist, in words: its nearest folder that does, and what lies in it."""
    nearest = next(parent for parent in path.absolute().parents if parent.is_dir())
    return f"{nearest} {contents_of(nearest)}"


def suffix_counts(names: Iterable[str]) -> str:
    """Files by suffix, in words: ``30 .heic, 2 .txt``; those without one count as such."""
    counts = Counter(PurePosixPath(name).suffix.lower() or "without suffix" for name in names)
    shown = [f"{count:,} {_short(readable(suffix))}" for suffix, count in counts.most_common(_NAMES_SHOWN)]
    return ", ".join(shown) + (", ..." if len(counts) > _NAMES_SHOWN else "")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
