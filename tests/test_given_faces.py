"""Faces may be given as tensors, arrays, pictures or files; what does not fit is told with what would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.errors import GanzooError
from ganzoo.given_faces import given_faces

SHAPE = (1, 16, 16)


def _picture(mode: str = "L", size: tuple[int, int] = (16, 16)) -> Image.Image:
    values = np.arange(size[0] * size[1], dtype=np.uint8).reshape(size[1], size[0])
    return Image.fromarray(values).convert(mode)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_pictures_and_files_become_what_the_run_knows(mode: str, tmp_path: Path) -> None:
    picture = _picture(mode)
    picture.save(tmp_path / "face.png")
    for given in (picture, tmp_path / "face.png", str(tmp_path / "face.png")):
        batch, is_one = given_faces(given, SHAPE)
        assert batch.dtype == torch.uint8 and tuple(batch.shape) == (1, *SHAPE) and is_one
    batch, is_one = given_faces([picture, tmp_path / "face.png"], (3, 32, 32))
    assert tuple(batch.shape) == (2, 3, 32, 32) and not is_one


def test_numbers_are_taken_as_they_are() -> None:
    grey = np.zeros(SHAPE, np.float32)
    assert given_faces(grey, SHAPE).is_one and given_faces(grey[None], SHAPE).batch.dtype == torch.float32
    assert given_faces(torch.zeros(2, *SHAPE, dtype=torch.uint8), SHAPE).batch.shape[0] == 2
    assert not given_faces(torch.zeros(SHAPE, requires_grad=True), SHAPE).batch.requires_grad


def test_an_array_that_must_not_be_written_to_causes_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    grey = np.zeros(SHAPE, np.uint8)
    grey.setflags(write=False)
    assert given_faces(grey, SHAPE).batch.shape == (1, *SHAPE) and not recwarn.list


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((16, 16, 1), np.uint8), r"channels come last: np.transpose\(images, \(2, 0, 1\)\)"),
        (np.zeros((2, 16, 16, 1), np.float32), r"channels come last: np.transpose\(images, \(0, 3, 1, 2\)\)"),
        (np.zeros((16, 16), np.uint8), r"must be \(N, C, H, W\) or \(C, H, W\), not \(16, 16\)"),
        (np.zeros((1, 8, 8), np.uint8), "Resize them before"),
        (np.full(SHAPE, 255.0), "must lie in"),
        (np.full(SHAPE, np.nan), "must lie in"),
        (np.zeros(SHAPE, np.int64), "uint8"),
        (np.array(["a", "b"]), "pictures of Pillow, or files; not a ndarray"),
        (None, "not a NoneType"),
        ("no/such/face.png", "no/such/face.png is missing"),
        (Path(__file__), "is not a readable picture"),
        (_picture(size=(20, 16)), "crop it to the face, a square"),
        (np.zeros((0, *SHAPE), np.uint8), "no images"),
        (Image.new("L", (0, 0)), "The picture has no pixels"),
        (torch.zeros(SHAPE).to_sparse(), "sparse"),
        (torch.zeros(SHAPE, device="meta"), "without values"),
    ],
)
def test_what_does_not_fit_is_told_with_what_would(images: Any, words: str) -> None:
    with pytest.raises(GanzooError, match=words):
        given_faces(images, SHAPE)
