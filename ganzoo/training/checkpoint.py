"""Checkpoints: everything that has a state, written atomically, read without pickle."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from ganzoo.errors import GanzooError
from ganzoo.runs.folder import RunFolder, write_atomically

FORMAT = "ganzoo-checkpoint/1"


def checkpoint_path(folder: RunFolder) -> Path:
    """Where a run keeps its latest checkpoint."""
    return folder.checkpoints / "last.pt"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes a state of tensors and plain values; the file before it stays whole until the new one is complete."""
    write_atomically(path, lambda file: torch.save({"format": FORMAT, **state}, file))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint to the CPU.

    Raises:
        GanzooError: Not a checkpoint of this format.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise GanzooError(f"{path} is not a readable checkpoint; '--if-exists overwrite' starts the run anew.") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise GanzooError(f"{path} is not a checkpoint of format {FORMAT}; '--if-exists overwrite' starts the run anew.")
    return state
