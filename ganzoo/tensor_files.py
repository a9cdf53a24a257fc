"""Files of named tensors from elsewhere: read without running anything in them, or refused in one line, whatever they are."""

from __future__ import annotations

import stat
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ganzoo.errors import GanzooError, in_one_line, one_line

_HEADER_BYTES = 8
_REASON_CHARACTERS = 160


def read_tensors(path: Path, what: str, way_out: str = "") -> dict[str, Tensor]:
    """The tensors of a ``.safetensors`` file or one of ``torch.save``, told apart by their content, on the CPU.

    Args:
        path: The file.
        what: What it is meant to hold, for messages: ``"DINOv2 weights"``.
        way_out: A sentence that says what to do.

    Raises:
        GanzooError: It does not exist, is no plain file (a pipe would never end), or holds anything but named tensors.
    """
    hint = f" {way_out}" if way_out else ""
    check_file(path, what, way_out)
    try:
        if _is_safetensors(path):
            found: Any = load_file(path)
        else:
            with warnings.catch_warnings(), path.open("rb") as file:  # opened, for by name torch goes by the suffix
                warnings.simplefilter("ignore")  # torch warns of pickles that it then refuses
                found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes its readers raise all kinds
        reason = one_line(in_one_line(error), _REASON_CHARACTERS)
        raise GanzooError(f"{path} is not a file of tensors ({reason}).{hint}") from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    items = found.items() if isinstance(found, dict) else ()
    tensors = {name: value for name, value in items if isinstance(value, Tensor)}
    if not tensors or not all(isinstance(name, str) for name, _ in items):
        raise GanzooError(f"{path} holds no named tensors.{hint}")
    return tensors


def check_file(path: Path, what: str, way_out: str = "") -> None:
    """Refuses what is no plain file with something in it.

    Raises:
        GanzooError: What it is instead.
    """
    hint = f" {way_out}" if way_out else ""
    try:
        state = path.stat()
    except FileNotFoundError:
        raise GanzooError(f"The {what} {path} do not exist.{hint}") from None
    except (OSError, ValueError) as error:
        raise GanzooError(f"The {what} {path} cannot be read ({one_line(str(error), _REASON_CHARACTERS)}).{hint}") from error
    if not stat.S_ISREG(state.st_mode):
        kind = "a folder" if stat.S_ISDIR(state.st_mode) else "no plain file"
        raise GanzooError(f"The {what} {path} are {kind}; name a file.{hint}")
    if not state.st_size:
        raise GanzooError(f"The {what} {path} are an empty file.{hint}")


def _is_safetensors(path: Path) -> bool:
    """Such a file begins with the length of its header and the header, a mapping in JSON."""
    with path.open("rb") as file:
        return file.read(_HEADER_BYTES + 1)[_HEADER_BYTES:] == b"{"
