"""Faces as users hand them over: tensors, arrays, pictures of Pillow, files; made one kind, or refused in one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ganzoo.data.decoding import LARGEST_PICTURE_BYTES, BadItemError, decode_any, decode_picture
from ganzoo.data.pixels import resize_uint8
from ganzoo.errors import GanzooError, in_short, one_line, shortened
from ganzoo.reading import read_bytes
from ganzoo.surroundings import expanded

Picture = str | Path | Image.Image
Faces = Tensor | NDArray[np.uint8] | NDArray[np.float32] | Picture | Sequence[Picture]
_WANTED = (
    "Images are uint8 (0 to 255) or float (-1 to 1) tensors or arrays (N, C, H, W) or (C, H, W), pictures of Pillow, or files"
)


class GivenFaces(NamedTuple):
    """Faces to translate.

    Attributes:
        batch: uint8 in 0..255 or float in [-1, 1], ``(N, C, H, W)``.
        is_one: Whether one face was given, not a batch of it.
    """

    batch: Tensor
    is_one: bool


def given_faces(images: Faces, shape: tuple[int, int, int] | None) -> GivenFaces:
    """Brings faces to one form.

    Pictures and files are turned upright, made grey or coloured and resized as a dataset's are; what is a number already is
    taken as it is.

    Args:
        images: Tensor or array ``(N, C, H, W)`` or ``(C, H, W)``; a picture of Pillow, the path of a file, or several of them.
        shape: ``(C, H, W)`` that is wanted; None if unknown.

    Raises:
        GanzooError: Another shape, type or range; what is no picture.
    """
    if isinstance(images, str | Path | Image.Image):
        return GivenFaces(_read(images, shape).unsqueeze(0), is_one=True)
    if isinstance(images, list | tuple) and images and all(isinstance(one, str | Path | Image.Image) for one in images):
        pictures = [_read(one, shape) for one in images]
        if len({picture.shape for picture in pictures}) > 1:
            raise GanzooError("The pictures differ in size or in colour; translate them one by one.")
        return GivenFaces(torch.stack(pictures), is_one=False)
    faces = _as_tensor(images)
    is_one = faces.ndim == 3
    batch = faces.unsqueeze(0) if is_one else faces
    _check(batch, faces, shape)
    return GivenFaces(batch, is_one)


def _read(picture: Picture, shape: tuple[int, int, int] | None) -> Tensor:
    """One picture as uint8 ``(C, H, W)``."""
    name = "The picture" if isinstance(picture, Image.Image) else shortened(picture, 200)
    try:
        if isinstance(picture, Image.Image):
            pixels = decode_picture(picture).pixels
        else:
            pixels = decode_any(read_bytes(expanded(picture), LARGEST_PICTURE_BYTES)).pixels
    except (BadItemError, ValueError) as error:
        raise GanzooError(f"{name} {one_line(str(error))}.") from error
    found = torch.from_numpy(np.array(pixels))
    if not found.numel():
        raise GanzooError(f"{name} has no pixels.")
    face = found.unsqueeze(0) if found.ndim == 2 else found.permute(2, 0, 1).contiguous()
    if shape is None:
        return face
    if shape[0] == 1 and face.shape[0] == 3:
        grey = Image.fromarray(face.permute(1, 2, 0).numpy()).convert("L")
        face = torch.from_numpy(np.array(grey)).unsqueeze(0)
    if shape[0] == 3:
        face = face.expand(3, -1, -1)
    if face.shape[1] != face.shape[2]:
        raise GanzooError(f"The picture has {face.shape[2]} x {face.shape[1]} pixels; crop it to the face, a square, before.")
    return resize_uint8(face.unsqueeze(0), shape[1])[0]


def _as_tensor(images: object) -> Tensor:
    if isinstance(images, Tensor):
        if images.layout != torch.strided or images.is_meta or images.is_nested or images.is_quantized:
            raise GanzooError(f"{_WANTED}; not a tensor that is sparse, nested, quantized or without values.")
        return images.detach()
    try:
        return torch.tensor(np.ascontiguousarray(images))  # a copy: torch warns of arrays that must not be written to
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise GanzooError(f"{_WANTED}; not a {type(images).__name__} such as {in_short(images)}.") from error


def _check(batch: Tensor, given: Tensor, shape: tuple[int, int, int] | None) -> None:
    if batch.ndim != 4:
        raise GanzooError(f"Images must be (N, C, H, W) or (C, H, W), not {tuple(given.shape)}.")
    if batch.dtype != torch.uint8 and not batch.is_floating_point():
        raise GanzooError(f"Images must be uint8 (0..255) or float (-1..1), not {batch.dtype}.")
    found = tuple(batch.shape[1:])
    if shape and found != shape:
        last = found[1:] + found[:1]
        way_out = ""
        if (found[2], *found[:2]) == shape:
            order = "(0, 3, 1, 2)" if given.ndim == 4 else "(2, 0, 1)"
            way_out = f" Their channels come last: np.transpose(images, {order}) puts them first."
        elif last and found[1:] != shape[1:] and len(set(found[1:])) == 1 and found[0] == shape[0]:
            way_out = " Resize them before, or give files, which are resized."
        raise GanzooError(f"This run knows images of shape {shape}, not {found}.{way_out}")
    if not len(batch):
        raise GanzooError("There are no images to translate.")
    low, high = float(batch.min()), float(batch.max())
    if batch.is_floating_point() and not -1 <= low <= high <= 1:
        raise GanzooError(f"Float images must lie in [-1, 1], these reach from {low:g} to {high:g}.")
