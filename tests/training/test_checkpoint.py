"""Checkpoints hold plain values and tensors, and a broken one is refused in words."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from ganzoo.errors import GanzooError
from ganzoo.training.checkpoint import load_checkpoint, save_checkpoint
from ganzoo.training.seeding import random_state, restore_random_state, seed_everything


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.pt"
    save_checkpoint(path, {"weights": torch.arange(3.0), "step": 5})
    state = load_checkpoint(path)
    assert state["step"] == 5
    assert torch.equal(state["weights"], torch.arange(3.0))
    assert [file.name for file in path.parent.iterdir()] == ["last.pt"]


def test_a_failed_write_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"step": 1})
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        save_checkpoint(path, {"step": lambda: None})
    assert load_checkpoint(path)["step"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps({"format": "ganzoo-checkpoint/1"})])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(GanzooError, match=r"last\.pt is not a .*checkpoint.*--if-exists overwrite"):
        load_checkpoint(path)


def test_random_generators_return_to_their_state(tmp_path: Path) -> None:
    import random

    import numpy as np

    seed_everything(3)
    random.random(), np.random.rand(), torch.rand(2)
    save_checkpoint(tmp_path / "a.pt", {"random": random_state()})
    expected = (random.random(), np.random.rand(), torch.rand(2), random.gauss(0, 1))
    seed_everything(4)
    restore_random_state(load_checkpoint(tmp_path / "a.pt")["random"])
    again = (random.random(), np.random.rand(), torch.rand(2), random.gauss(0, 1))
    assert expected[0] == again[0] and expected[1] == again[1] and expected[3] == again[3]
    assert torch.equal(expected[2], again[2])
