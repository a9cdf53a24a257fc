"""Gives every image of a dataset its part (train, val or test) where the source does not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from torch import Tensor

from ganzoo.data.base import SPLIT_NAMES, Split
from ganzoo.errors import GanzooError

UNKNOWN_PART = "unknown"
HELD_OUT_RULE = "the one held-out part split into val and test by pixel hash"
UNKNOWN_RULE = "parts unknown: split 8 : 1 : 1 by pixel hash"


def pixel_digest(pixels: bytes) -> bytes:
    """Identifies an image by its pixels; equal images have equal digests."""
    return hashlib.sha256(pixels).digest()


def pixel_digests(images: Tensor) -> list[bytes]:
    """Digests of uint8 images ``(N, ...)``, one for each."""
    return [pixel_digest(image.tobytes()) for image in images.contiguous().numpy()]


def complete_parts(parts: Sequence[str], digests: Sequence[bytes]) -> tuple[list[str], str | None]:
    """Fills in what a source leaves open, as a fixed function of the pixels.

    Images of unknown part are split 8 : 1 : 1. If after that only one of val and test has images, it is divided into
    both, half and half. Identical images always land together, and an image's part does not depend on the others.

    Args:
        parts: ``train``, ``val``, ``test`` or ``unknown``, for each image.
        digests: Pixel digest of each image.

    Returns:
        The parts, none of them ``unknown``, and the rule that was applied (None: the source's own parts stand).
    """
    completed = [_tenth(digest) if part == UNKNOWN_PART else part for part, digest in zip(parts, digests, strict=True)]
    present = set(completed)
    if len(present & {"val", "test"}) == 1:
        completed = [part if part == "train" else _half(digest) for part, digest in zip(completed, digests, strict=True)]
        return completed, HELD_OUT_RULE
    return completed, UNKNOWN_RULE if UNKNOWN_PART in parts else None


def _half(digest: bytes) -> str:
    return "val" if digest[0] % 2 == 0 else "test"


def _tenth(digest: bytes) -> str:
    # Not the byte that `_half` reads: the two decisions must be independent.
    return {0: "val", 1: "test"}.get(int.from_bytes(digest[1:9], "big") % 10, "train")


def require_every_class(dataset: str, class_names: Sequence[str], splits: Mapping[str, Split]) -> None:
    """Raises a GanzooError if a class has no images in one of the three parts, naming each."""
    missing = [
        f"'{class_name}' in {part}"
        for part in SPLIT_NAMES
        for class_name, count in zip(class_names, splits[part].class_counts(len(class_names)), strict=True)
        if count == 0
    ]
    if missing:
        raise GanzooError(
            f"{dataset}: no images of {', '.join(missing)}. Every class needs images in train and held out "
            "(a single held-out part is divided into val and test by pixel hash, which takes several images per class)."
        )
