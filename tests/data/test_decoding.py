from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ganzoo.data.decoding import COMPOSITED, FIRST_OF_SEVERAL, MID_GREY, BadItemError, decode_all, decode_any, decode_grey

GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)
ALPHA = np.where(np.arange(256).reshape(16, 16) % 2 == 0, 255, 0).astype(np.uint8)
BENEATH = np.where(ALPHA == 255, GREY, MID_GREY)


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def with_hidden_colour() -> Image.Image:
    """Grey where it is seen, red where it is not."""
    red, other = np.where(ALPHA == 255, GREY, 255), np.where(ALPHA == 255, GREY, 0)
    return Image.fromarray(np.stack([red, other, other, ALPHA], axis=2).astype(np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM"])
def test_pictures_of_these_kinds_are_read_as_they_are(kind: str) -> None:
    lossless = {"lossless": True} if kind == "WEBP" else {}
    decoded = decode_any(saved(Image.fromarray(GREY), kind, **lossless))
    assert np.array_equal(decoded.pixels, GREY) and decoded.changes == ()


def test_what_is_transparent_lies_over_mid_grey_and_a_grey_picture_stays_grey() -> None:
    decoded = decode_any(saved(with_hidden_colour()))
    assert np.array_equal(decoded.pixels, BENEATH) and decoded.changes == (COMPOSITED,)


def test_grey_with_alpha_is_laid_over_grey_too() -> None:
    decoded = decode_any(saved(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)])))
    assert np.array_equal(decoded.pixels, BENEATH) and decoded.changes == (COMPOSITED,)
    assert np.array_equal(decode_grey(saved(with_hidden_colour()), 16).pixels, BENEATH)


def test_a_palette_with_a_transparent_entry_is_laid_over_grey() -> None:
    palette = Image.fromarray(GREY).convert("P")
    decoded = decode_any(saved(palette, transparency=7))
    expected = GREY.copy()
    expected[GREY == 7] = MID_GREY
    assert np.array_equal(decoded.pixels, expected) and decoded.changes == (COMPOSITED,)


def test_an_opaque_alpha_channel_changes_nothing() -> None:
    picture = Image.merge("RGBA", [*[Image.fromarray(GREY)] * 3, Image.fromarray(np.full_like(GREY, 255))])
    decoded = decode_any(saved(picture))
    assert np.array_equal(decoded.pixels, GREY) and decoded.changes == ()


def test_sixteen_bits_become_eight() -> None:
    decoded = decode_any(saved(Image.fromarray(GREY.astype(np.uint16) * 257)))
    assert np.array_equal(decoded.pixels, GREY) and decoded.changes == ("reduced from 16 bits to 8",)


def test_deeper_pictures_and_black_ones_of_sixteen_bits_are_refused() -> None:
    with pytest.raises(BadItemError, match="more than 8 bits per channel and no value above 255"):
        decode_any(saved(Image.fromarray(GREY.astype(np.uint16))))
    with pytest.raises(BadItemError, match="more than 8 bits per channel .mode F"):
        decode_any(saved(Image.fromarray(GREY.astype(np.float32)), "TIFF"))


def test_cmyk_is_converted_and_says_so() -> None:
    colours = Image.fromarray(np.stack([GREY, GREY.T, GREY[::-1]], axis=2))
    decoded = decode_any(saved(colours.convert("CMYK"), "TIFF"))
    assert decoded.pixels.shape == (16, 16, 3) and decoded.changes == ("converted from CMYK to RGB",)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG"])
def test_of_several_pictures_in_one_file_the_first_is_read_and_it_is_said(kind: str) -> None:
    others = [Image.fromarray(255 - GREY), Image.fromarray(GREY.T.copy())]
    decoded = decode_any(saved(Image.fromarray(GREY), kind, save_all=True, append_images=others))
    assert np.array_equal(decoded.pixels, GREY) and decoded.changes == (FIRST_OF_SEVERAL,)


def test_colours_of_sixteen_bits_are_said_to_be_reduced() -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + np.repeat(row[:, None].astype(">u2") * 257, 3, axis=1).tobytes() for row in GREY)
    header = struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    decoded = decode_any(data)
    assert np.array_equal(decoded.pixels, GREY) and decoded.changes == ("reduced from 16 bits to 8",)


def test_a_picture_of_too_many_pixels_is_a_bad_item_and_nothing_warns(recwarn: pytest.WarningsRecorder) -> None:
    damaged_exif = saved(Image.fromarray(GREY), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    huge = saved(Image.new("1", (12_000, 9_000)))
    _, bad, changes = decode_all([("a", huge), ("b", damaged_exif)], decode_any)
    assert bad == ["a has more pixels than any picture of a face"] and not changes and not recwarn.list
