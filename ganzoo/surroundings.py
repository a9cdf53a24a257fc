"""What the program finds around it: character sets, a home, the user's name, a way to draw; amended where it is of no use."""

from __future__ import annotations

import codecs
import importlib.util
import io
import os
import sys
import tempfile
import unicodedata
from contextlib import suppress
from pathlib import Path

from ganzoo.errors import GanzooError, shortened

_PLAIN = {
    "–": "-", "—": "-", "−": "-", "×": "x", "·": ".", "…": "...", "✓": "ok", "✗": "x", "◆": "*", "†": "+", "±": "+-", "→": "->",
    "≤": "<=", "≥": ">=", "≈": "~", "µ": "u", "‘": "'", "’": "'", "“": '"', "”": '"', "█": "#", "▁": "_", "•": "*", "½": "1/2",
}  # fmt: skip
"""What stands for a character on a terminal or in a file that has not got it."""
_BACKEND = "MPLBACKEND"


def amend_environment() -> None:
    """Gives libraries what they look up in the environment where there is nothing, or what is there can only fail.

    Without a home folder (a container's user who stands in no list, a service) torch, matplotlib and others would stop, or make
    a folder called ``~``; without a name for the user, torch's compiler would. A notebook's ``MPLBACKEND`` reaches programs that
    are started from it, where its module may be missing.
    """
    if not _has_home():
        os.environ["HOME"] = str(_temporary_home())
    if not _has_name():
        os.environ["USER"] = f"user{os.getuid()}" if hasattr(os, "getuid") else "user"
    backend = os.environ.get(_BACKEND, "")
    if backend.startswith("module://") and not _is_there(backend.removeprefix("module://")):
        os.environ[_BACKEND] = "agg"


def check_current_folder() -> None:
    """Says in words where the current folder was deleted; torch's libraries would end the process without any.

    Raises:
        GanzooError: It was.
    """
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise GanzooError("The current folder is no longer there; change into one that is.") from error


def expanded(path: str | Path) -> Path:
    """A path with the home folders that ``~`` and ``~user`` stand for.

    Raises:
        GanzooError: There is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        user = shortened(Path(path).parts[0])
        raise GanzooError(f"{shortened(path, 200)}: there is no home folder {user}; a file called so is ./{user}.") from error


def draw_without_display() -> None:
    """Lets matplotlib draw into files alone, whatever the environment asks for; it must not have been imported yet."""
    os.environ[_BACKEND] = "agg"


def write_all_characters() -> None:
    """Lets standard output and error write every character: by a likeness, or ``?``, where their character set lacks it."""
    codecs.register_error("ganzoo.plain", _in_plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with suppress(ValueError, OSError):  # closed
                stream.reconfigure(errors="ganzoo.plain")


def _in_plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_likeness, error.object[error.start : error.end])), error.end


def _likeness(character: str) -> str:
    known = _PLAIN.get(character)
    if known is not None:
        return known
    if unicodedata.category(character) == "So" or "BOX DRAWINGS" in unicodedata.name(character, ""):
        return "|" if "VERTICAL" in unicodedata.name(character, "") else "-"
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return letters or "?"


def _has_home() -> bool:
    with suppress(RuntimeError, KeyError, OSError):
        return bool(os.environ.get("HOME", "x")) and Path.home().is_absolute()
    return False


def _has_name() -> bool:
    import getpass

    with suppress(Exception):  # KeyError, ImportError or OSError, by version and system
        return bool(getpass.getuser())
    return False


def _temporary_home() -> Path:
    """A folder of the user's own among the temporary ones; the same each time, if nobody else has taken its name."""
    folder = Path(tempfile.gettempdir()) / f"ganzoo-home-{os.getuid()}" if hasattr(os, "getuid") else None
    if folder is not None:
        with suppress(OSError):
            folder.mkdir(mode=0o700, exist_ok=True)
            state = folder.lstat()
            if folder.is_dir() and not folder.is_symlink() and state.st_uid == os.getuid() and not state.st_mode & 0o077:
                return folder
    return Path(tempfile.mkdtemp(prefix="ganzoo-home-"))


def _is_there(module: str) -> bool:
    with suppress(Exception):  # a package on the way that cannot be imported
        return importlib.util.find_spec(module) is not None
    return False
