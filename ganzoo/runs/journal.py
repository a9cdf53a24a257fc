"""``run.json`` while a run goes on, and the hashes of its weights in it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError
from ganzoo.runs.folder import RunFolder, as_json, write_json
from ganzoo.runs.schema import RunInfo
from ganzoo.runs.writing import DISK_FULL, Write, overwrite, write_atomically


class RunJournal:
    """The record of a run under way: whoever changes ``run.json`` or a file of weights does it here.

    A file of weights and its hash lie in two files, and no kill may leave them at odds. So the hash goes first: the new file
    is complete under a temporary name, ``run.json`` then allows both its hash and that of the file that lies there, and only
    then is the new file renamed. Killed before ``run.json`` is replaced, or after it and before the renaming, the file that
    lies there is allowed; killed afterwards, the new one is. The next record of any kind allows the new one alone.

    Args:
        folder: The run's folder.
        info: What the record says; nothing is written yet.
    """

    def __init__(self, folder: RunFolder, info: RunInfo) -> None:
        self.folder, self.info = folder, info

    def note(self, **changes: Any) -> RunInfo:
        """Changes fields of the record, and writes it."""
        self.info = self.info.model_copy(update=changes)
        write_json(self.folder.info, self.info)
        return self.info

    def note_end(self, **changes: Any) -> RunInfo:
        """The same for why a run ended, which finds room on a full disk too: over the record that lies there."""
        try:
            return self.note(**changes)
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            overwrite(self.folder.info, as_json(self.info))
            return self.info

    def write_weights(self, path: Path, write: Write) -> None:
        """Replaces a file of weights, atomically and with its hash.

        Args:
            path: Under the run's folder.
            write: Fills a file.

        Raises:
            OSError: It cannot be written; what was there before is whole, and allowed.
        """
        name = path.relative_to(self.folder.path).as_posix()
        before = self.info.weights

        def allow(complete: Path) -> None:
            self.note(weights=before | {name: [_sha256(complete), *before.get(name, [])]})

        write_atomically(path, write, allow)
        self.info = self.info.model_copy(update={"weights": before | {name: self.info.weights[name][:1]}})


def check_weights(folder: RunFolder, info: RunInfo, path: Path, way_out: str) -> None:
    """Makes sure that a file of weights is the one that the run wrote; nothing is known of files of older runs.

    Args:
        folder: The run's folder.
        info: Its record.
        path: Under the run's folder.
        way_out: What to do where it is not.

    Raises:
        GanzooError: It is another, by one changed bit or wholly, or cannot be read.
    """
    allowed = info.weights.get(path.relative_to(folder.path).as_posix())
    if not allowed:
        return
    try:
        found = _sha256(path)
    except OSError as error:
        raise GanzooError(f"Cannot read {path}: {error.strerror}. {way_out}") from error
    if found not in allowed:
        raise GanzooError(f"{path} is damaged: its SHA-256 is {found[:12]}..., run.json says {allowed[0][:12]}.... {way_out}")


def _sha256(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
