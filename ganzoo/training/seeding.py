"""Random numbers: one seed makes a run, and their states make it resumable to the bit."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

_LARGEST = 2**63 - 1


def derived_seed(seed: int, purpose: str) -> int:
    """A seed for one purpose of a run, so that purposes do not share a stream."""
    mixed = int.from_bytes(purpose.encode(), "big") * 1_000_003 + seed * 7_919 + 1
    return mixed % _LARGEST


def seed_everything(seed: int) -> None:
    """Seeds the global generators of Python, NumPy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """The states of the global generators, as tensors and plain values."""
    version, python, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "python": [version, list(python), gauss],
        "numpy": [np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)],
        "torch": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Puts the global generators back to a state of :func:`random_state`."""
    version, python, gauss = state["python"]
    random.setstate((version, tuple(python), gauss))
    keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state(("MT19937", np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():  # or the run goes on where there is none
        torch.cuda.set_rng_state(state["cuda"][0])
