"""Checkpoints: everything that has a state, written atomically, read without pickle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch

from ganzoo.errors import GanzooError
from ganzoo.runs.folder import RunFolder
from ganzoo.runs.writing import Write, write_atomically

FORMAT = "ganzoo-checkpoint/1"


def checkpoint_path(folder: RunFolder) -> Path:
    """Where a run keeps its latest checkpoint."""
    return folder.checkpoints / "last.pt"


def save_checkpoint(path: Path, state: dict[str, Any], replace: Callable[[Path, Write], object] = write_atomically) -> None:
    """Writes a state of tensors and plain values; the file before it stays whole until the new one is complete.

    Args:
        path: Where to.
        state: Without the format, which is added.
        replace: Replaces a file atomically, and perhaps notes its hash.

    Raises:
        OSError: The disk refuses it.
    """
    replace(path, lambda file: _fill(file, state))


def _fill(file: Path, state: dict[str, Any]) -> None:
    with open(file, "wb") as opened:
        sink = _Sink(opened)
        try:
            torch.save({"format": FORMAT, **state}, sink)  # type: ignore[arg-type]  # it needs no more of a file
        except RuntimeError:
            if sink.refusal is not None:
                raise sink.refusal from None
            raise


class _Sink:
    """A file that remembers why it took no more, which torch replaces by a complaint about its own position."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.refusal: OSError | None = None

    def write(self, content: bytes) -> int:
        try:
            return self.file.write(content)
        except OSError as error:
            self.refusal = error
            raise

    def flush(self) -> None:
        self.file.flush()


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint to the CPU.

    Raises:
        GanzooError: Not a checkpoint of this format.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # Of a damaged file torch raises a dozen kinds.
        raise GanzooError(f"{path} is not a readable checkpoint; '--if-exists overwrite' starts the run anew.") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise GanzooError(f"{path} is not a checkpoint of format {FORMAT}; '--if-exists overwrite' starts the run anew.")
    return state
