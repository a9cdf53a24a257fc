"""Turns the bytes of picture files into arrays, and collects what was changed on the way and what cannot be used."""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from ganzoo.data.naming import is_machine_made
from ganzoo.errors import GanzooError

PICTURE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif", ".pgm", ".ppm", ".pnm",
)  # fmt: skip
MID_GREY = 128
"""What stands behind transparent pixels, and beside pictures that are padded."""
COMPOSITED = "laid over mid grey where transparent"
FIRST_OF_SEVERAL = "the first of several pictures in one file (animated, or of many pages)"
REDUCED = "reduced from 16 bits to 8"
LARGEST_PICTURE_BYTES = 1 << 28
_DEEP_MODES = ("I", "F")
_SHORT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
_GREY_MODES = ("1", "L", "LA", "La")
_TRANSPARENT_MODES = ("LA", "La", "RGBA", "RGBa", "PA")
_BAD_ITEMS_SHOWN = 3


class BadItemError(ValueError):
    """One item of a dataset cannot be used; the message says why."""


class Decoded(NamedTuple):
    """A decoded picture.

    Attributes:
        pixels: uint8 ``(H, W)``, or ``(H, W, 3)``.
        changes: What was done to it beside decoding, in words; empty as a rule.
    """

    pixels: NDArray[np.uint8]
    changes: tuple[str, ...] = ()


def is_picture(name: str) -> bool:
    """Whether a file name is that of a picture; hidden files (``.DS_Store``, ``._x.jpg``) are none."""
    return name.lower().endswith(PICTURE_SUFFIXES) and not is_machine_made(name)


def decode_grey(data: bytes, size_px: int) -> Decoded:
    """Decodes a picture of exactly ``size_px`` x ``size_px`` to grey ``(H, W)``, transparency laid over mid grey.

    Raises:
        BadItemError: Not a picture, damaged, or of another size.
    """
    picture, found = _open(data)
    if picture.size != (size_px, size_px):
        raise BadItemError(f"is {picture.width}x{picture.height} pixels, not {size_px}x{size_px}")
    shallow, reduced = _in_8_bits(picture)
    opaque, changes = _opaque(shallow, (*found, *reduced))
    return Decoded(np.asarray(opaque.convert("L"), dtype=np.uint8), changes)


def decode_any(data: bytes) -> Decoded:
    """Decodes a picture to ``(H, W)`` if it has no colour in it, else ``(H, W, 3)``; transparency is laid over mid grey.

    Raises:
        BadItemError: Not a picture, damaged, or with more than 16 bits per channel.
    """
    return decode_picture(*_open(data))


def decode_picture(picture: Image.Image, found: tuple[str, ...] = ()) -> Decoded:
    """The same for a picture that Pillow has opened.

    Args:
        picture: Opened.
        found: What has been done to it so far, in words.

    Raises:
        BadItemError: It has more than 16 bits per channel, or is a file that turns out to be damaged.
    """
    try:
        picture.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise BadItemError("is not a readable picture") from error
    upright, turned = _upright(picture)
    shallow, reduced = _in_8_bits(upright)
    opaque, changes = _opaque(shallow, (*found, *turned, *reduced))
    if opaque.mode in _GREY_MODES:
        return Decoded(np.asarray(opaque.convert("L"), dtype=np.uint8), changes)
    if opaque.mode not in ("RGB", "P"):
        changes = (*changes, f"converted from {opaque.mode} to RGB")
    colours = np.asarray(_converted(opaque, "RGB"), dtype=np.uint8)
    has_colour = (colours != colours[..., :1]).any()
    return Decoded(colours if has_colour else np.ascontiguousarray(colours[..., 0]), changes)


def _open(data: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """A picture, and what opening it alone has done to it."""
    try:
        picture = Image.open(io.BytesIO(data))
        found = (FIRST_OF_SEVERAL,) if getattr(picture, "is_animated", False) else ()
        # Pillow itself takes the upper halves of colours of 16 bits.
        is_deep = picture.mode not in _SHORT_MODES and any(";16" in str(tile[3]) for tile in getattr(picture, "tile", ()))
        picture.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadItemError("has more pixels than any picture of a face") from error
    except (OSError, ValueError, SyntaxError) as error:
        reason = "is not a readable picture" if data else "is an empty file"
        raise BadItemError(reason) from error
    return picture, (*found, REDUCED) if is_deep else found


def _upright(picture: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    try:
        if picture.getexif().get(ExifTags.Base.Orientation) not in range(2, 9):
            return picture, ()
        return ImageOps.exif_transpose(picture), ("turned upright, as their EXIF data say",)
    except (OSError, ValueError, SyntaxError, struct.error):  # Damaged EXIF data do not make a picture unreadable.
        return picture, ()


def _in_8_bits(picture: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    if picture.mode in _DEEP_MODES:
        raise BadItemError(f"has more than 8 bits per channel (mode {picture.mode})")
    if picture.mode not in _SHORT_MODES:
        return picture, ()
    values = np.asarray(picture).astype(np.uint32)
    if values.max() < 256:
        raise BadItemError("has more than 8 bits per channel and no value above 255: it is black, or was meant to have 8")
    # 65,535 becomes 255: rounded, in whole numbers.
    return Image.fromarray(((values + 128) // 257).astype(np.uint8)), (REDUCED,)


def _opaque(picture: Image.Image, changes: tuple[str, ...]) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture over mid grey, where any of it is transparent: the colour of pixels that nobody sees must not be learnt."""
    if picture.mode not in _TRANSPARENT_MODES and "transparency" not in picture.info:
        return picture, changes
    layered = _converted(picture, "LA" if picture.mode in ("1", "L", "La", "LA") else "RGBA")
    alpha = layered.getchannel("A")
    if alpha.getextrema() == (255, 255):
        return layered.convert("L" if layered.mode == "LA" else "RGB"), changes
    ground = Image.new("RGBA", layered.size, (MID_GREY, MID_GREY, MID_GREY, 255))
    ground.alpha_composite(layered.convert("RGBA"))
    return ground.convert("L" if layered.mode == "LA" else "RGB"), (*changes, COMPOSITED)


def _converted(picture: Image.Image, mode: str) -> Image.Image:
    try:
        return picture.convert(mode)
    except ValueError as error:
        raise BadItemError(f"has colours that cannot be converted (mode {picture.mode})") from error


def decode_all(
    items: Iterable[tuple[str, bytes | BadItemError]], decode: Callable[[bytes], Decoded]
) -> tuple[list[NDArray[np.uint8] | None], list[str], Counter[str]]:
    """Decodes named pictures on several threads.

    Args:
        items: Names and file contents, or why a content could not be read.
        decode: Turns one content into an array, or raises a BadItemError.

    Returns:
        One array for each item (None where it is bad), in order; one line for each bad item; and how many pictures each change
        was made to.
    """

    def attempt(item: tuple[str, bytes | BadItemError]) -> Decoded | str:
        name, data = item
        try:
            if isinstance(data, BadItemError):
                raise data
            return decode(data)
        except BadItemError as error:
            return f"{name} {error}"

    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")  # of damaged EXIF data and the like
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        results = list(pool.map(attempt, items))
    arrays = [None if isinstance(result, str) else result.pixels for result in results]
    changes = Counter(change for result in results if isinstance(result, Decoded) for change in result.changes)
    return arrays, [result for result in results if isinstance(result, str)], changes


def read_file(path: Path) -> bytes:
    """Reads a file.

    Raises:
        BadItemError: It cannot be read.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):  # A pipe would be waited for without end.
            raise BadItemError("is no plain file")
        if state.st_size > LARGEST_PICTURE_BYTES:
            raise too_large()
        return path.read_bytes()
    except OSError as error:
        raise BadItemError(f"cannot be read ({error.strerror or type(error).__name__})") from error


def too_large() -> BadItemError:
    """Why a file of more bytes than `LARGEST_PICTURE_BYTES` is not read."""
    return BadItemError(f"has over {LARGEST_PICTURE_BYTES / 1e6:.0f} MB, which is no picture of a face")


def refuse_bad_items(bad: Sequence[str], *, skip_bad: bool, dataset: str) -> None:
    """Raises a GanzooError that names the first bad items and counts all, unless they are to be skipped."""
    if not bad or skip_bad:
        return
    shown = "; ".join(bad[:_BAD_ITEMS_SHOWN])
    more = f"; and {len(bad) - _BAD_ITEMS_SHOWN} more" if len(bad) > _BAD_ITEMS_SHOWN else ""
    items = "1 item" if len(bad) == 1 else f"{len(bad)} items"
    raise GanzooError(f"{dataset}: {items} cannot be used: {shown}{more}. Repair the files, or leave them out with --skip-bad.")
