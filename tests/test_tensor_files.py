"""A file of weights is what it should be, or is refused in one line, whatever it is."""

from __future__ import annotations

import os
import pickle
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ganzoo.errors import GanzooError
from ganzoo.evaluation.dinov2 import DinoV2
from ganzoo.evaluation.inception import Inception, find_weights
from ganzoo.losses.frozen import Vgg16
from ganzoo.tensor_files import read_tensors

OTHER_FILES = ("text", "zip", "other", "half", "pickle", "list", "number", "random", "header", "empty", "folder", "fifo", "none")


def _made(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.pth"
    writes: dict[str, Callable[[], object]] = {
        "text": lambda: path.write_text("hello world\n" * 100),
        "zip": lambda: zipfile.ZipFile(path, "w").writestr("a", "b"),
        "other": lambda: save_file({"x": torch.ones(3)}, path),
        "half": lambda: (torch.save({"x": torch.ones(900)}, path), path.write_bytes(path.read_bytes()[:900])),
        "pickle": lambda: path.write_bytes(pickle.dumps(os.getcwd)),
        "list": lambda: torch.save([1, 2], path),
        "number": lambda: torch.save({"a": 1}, path),
        "random": lambda: path.write_bytes(bytes(range(256)) * 4),
        "header": lambda: path.write_bytes(b"\xff" * 8 + b"{" + b"x" * 50),
        "empty": lambda: path.touch(),
        "folder": lambda: path.mkdir(),
        "fifo": lambda: os.mkfifo(path),
        "none": lambda: None,
    }
    writes[kind]()
    return path


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_any_other_file_is_one_line_at_once(kind: str, tmp_path: Path) -> None:
    path = _made(kind, tmp_path)
    for read in (DinoV2, Vgg16, lambda file: Inception(find_weights(file))):
        began = time.perf_counter()
        with pytest.raises(GanzooError) as caught:
            read(path)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 700
        assert time.perf_counter() - began < 5  # torchvision's own import is in it


def test_both_kinds_are_told_by_their_content(tmp_path: Path) -> None:
    named = {"x": torch.arange(3.0)}
    save_file(named, tmp_path / "a.pth")
    torch.save({"state_dict": named}, tmp_path / "b.safetensors")
    for file in ("a.pth", "b.safetensors"):
        assert torch.equal(read_tensors(tmp_path / file, "weights")["x"], named["x"])


def test_a_file_without_any_tensor_is_refused_in_either_kind(tmp_path: Path) -> None:
    save_file({}, tmp_path / "a.pth")
    torch.save({}, tmp_path / "b.pth")
    for file in ("a.pth", "b.pth"):
        with pytest.raises(GanzooError, match="holds no named tensors"):
            read_tensors(tmp_path / file, "weights")
