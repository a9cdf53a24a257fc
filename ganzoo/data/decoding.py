"""Turns the bytes of picture files into arrays, and collects what cannot be used."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ganzoo.errors import GanzooError

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")
_DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")
_GREY_MODES = ("1", "L", "LA", "La")
_BAD_ITEMS_SHOWN = 3


class BadItemError(ValueError):
    """One item of a dataset cannot be used; the message says why."""


def is_picture(name: str) -> bool:
    """Whether a file name is that of a picture; hidden files (``.DS_Store``, ``._x.jpg``) are none."""
    return name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith(".")


def decode_grey(data: bytes, size_px: int) -> NDArray[np.uint8]:
    """Decodes a picture of exactly ``size_px`` x ``size_px`` to grey uint8 ``(H, W)``.

    Raises:
        BadItemError: Not a picture, damaged, or of another size.
    """
    picture = _open(data)
    if picture.size != (size_px, size_px):
        raise BadItemError(f"is {picture.width}x{picture.height} pixels, not {size_px}x{size_px}")
    return np.asarray(picture.convert("L"), dtype=np.uint8)


def decode_any(data: bytes) -> NDArray[np.uint8]:
    """Decodes a picture to uint8 ``(H, W)`` if it has no colour in it, else ``(H, W, 3)``; transparency is ignored.

    Raises:
        BadItemError: Not a picture, damaged, or with more than 8 bits per channel.
    """
    upright = ImageOps.exif_transpose(_open(data))
    if upright.mode in _GREY_MODES:
        return np.asarray(upright.convert("L"), dtype=np.uint8)
    colours = np.asarray(upright.convert("RGB"), dtype=np.uint8)
    has_colour = (colours != colours[..., :1]).any()
    return colours if has_colour else np.ascontiguousarray(colours[..., 0])


def _open(data: bytes) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "is not a readable picture" if data else "is an empty file"
        raise BadItemError(reason) from error
    if picture.mode in _DEEP_MODES:
        raise BadItemError(f"has more than 8 bits per channel (mode {picture.mode})")
    return picture


def decode_all(
    items: Iterable[tuple[str, bytes | BadItemError]], decode: Callable[[bytes], NDArray[np.uint8]]
) -> tuple[list[NDArray[np.uint8] | None], list[str]]:
    """Decodes named pictures on several threads.

    Args:
        items: Names and file contents, or why a content could not be read.
        decode: Turns one content into an array, or raises a BadItemError.

    Returns:
        One array for each item (None where it is bad), in order, and one line for each bad item.
    """

    def attempt(item: tuple[str, bytes | BadItemError]) -> NDArray[np.uint8] | str:
        name, data = item
        try:
            if isinstance(data, BadItemError):
                raise data
            return decode(data)
        except BadItemError as error:
            return f"{name} {error}"

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        results = list(pool.map(attempt, items))
    arrays = [None if isinstance(result, str) else result for result in results]
    return arrays, [result for result in results if isinstance(result, str)]


def read_file(path: Path) -> bytes:
    """Reads a file.

    Raises:
        BadItemError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadItemError(f"cannot be read ({error.strerror or type(error).__name__})") from error


def refuse_bad_items(bad: Sequence[str], *, skip_bad: bool, dataset: str) -> None:
    """Raises a GanzooError that names the first bad items and counts all, unless they are to be skipped."""
    if not bad or skip_bad:
        return
    shown = "; ".join(bad[:_BAD_ITEMS_SHOWN])
    more = f"; and {len(bad) - _BAD_ITEMS_SHOWN} more" if len(bad) > _BAD_ITEMS_SHOWN else ""
    items = "1 item" if len(bad) == 1 else f"{len(bad)} items"
    raise GanzooError(f"{dataset}: {items} cannot be used: {shown}{more}. Repair the files, or leave them out with --skip-bad.")
