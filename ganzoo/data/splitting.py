"""Gives every image of a dataset its part (train, val or test) where the source does not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from torch import Tensor

from ganzoo.data.base import SPLIT_NAMES, Split
from ganzoo.data.naming import short_list
from ganzoo.errors import GanzooError, listed

UNKNOWN_PART = "unknown"
HELD_OUT_RULE = "the one held-out part split into val and test by pixel hash"
UNKNOWN_RULE = "parts unknown: split 8 : 1 : 1 by pixel hash"


def pixel_digest(pixels: bytes) -> bytes:
    """Identifies an image by its pixels; equal images have equal digests."""
    return hashlib.sha256(pixels).digest()


def pixel_digests(images: Tensor) -> list[bytes]:
    """Digests of uint8 images ``(N, ...)``, one for each."""
    return [pixel_digest(image.tobytes()) for image in images.contiguous().numpy()]


def complete_parts(
    parts: Sequence[str], digests: Sequence[bytes], labels: Sequence[str] | None = None
) -> tuple[list[str], str | None]:
    """Fills in what a source leaves open, as a fixed function of the pixels.

    Images of unknown part are split 8 : 1 : 1. If after that only one of val and test has images, it is divided into
    both, half and half. Identical images always land together, and an image's part does not depend on the others; except in
    classes so small that one of the parts would get none of them: these are divided by the rank of their images' digests.

    Args:
        parts: ``train``, ``val``, ``test`` or ``unknown``, for each image.
        digests: Pixel digest of each image.
        labels: Class of each image; None leaves small classes as they fall.

    Returns:
        The parts, none of them ``unknown``, and the rule that was applied (None: the source's own parts stand).
    """
    completed = [_tenth(digest) if part == UNKNOWN_PART else part for part, digest in zip(parts, digests, strict=True)]
    rule = UNKNOWN_RULE if UNKNOWN_PART in parts else None
    movable = [part == UNKNOWN_PART for part in parts]
    if len(set(completed) & {"val", "test"}) == 1:
        movable = [free or part != "train" for free, part in zip(movable, completed, strict=True)]
        completed = [part if part == "train" else _half(digest) for part, digest in zip(completed, digests, strict=True)]
        rule = HELD_OUT_RULE
    small = _divide_small_classes(completed, digests, movable, labels or ())
    return completed, f"{rule}, and by its rank in classes too small for that ({short_list(small)})" if small else rule


def _divide_small_classes(
    completed: list[str], digests: Sequence[bytes], movable: Sequence[bool], labels: Sequence[str]
) -> list[str]:
    """Divides anew the classes that are missing in a part and can be in all; returns their names."""
    members: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        members.setdefault(label, []).append(index)
    divided = []
    for label, indices in sorted(members.items()):
        fixed = {completed[index] for index in indices if not movable[index]}
        wanted = [part for part in ("val", "test", "train") if part not in fixed]
        ranked = sorted({digests[index] for index in indices if movable[index]})
        if {completed[index] for index in indices} >= set(SPLIT_NAMES) or len(ranked) < len(wanted):
            continue
        share = max(1, len(ranked) // 10) if "train" in wanted else -(-len(ranked) // len(wanted))
        place = {digest: wanted[min(rank // share, len(wanted) - 1)] for rank, digest in enumerate(ranked)}
        for index in indices:
            if movable[index]:
                completed[index] = place[digests[index]]
        divided.append(label)
    return divided


def _half(digest: bytes) -> str:
    return "val" if digest[0] % 2 == 0 else "test"


def _tenth(digest: bytes) -> str:
    # Not the byte that `_half` reads: the two decisions must be independent.
    return {0: "val", 1: "test"}.get(int.from_bytes(digest[1:9], "big") % 10, "train")


def require_every_class(
    dataset: str, class_names: Sequence[str], splits: Mapping[str, Split], skipped: Sequence[str] = ()
) -> None:
    """Raises a GanzooError if a class has no images in one of the three parts, naming each, and what was left out as bad."""
    missing = [
        f"'{class_name}' in {part}"
        for part in SPLIT_NAMES
        for class_name, count in zip(class_names, splits[part].class_counts(len(class_names)), strict=True)
        if count == 0
    ]
    if missing:
        bad = f" {len(skipped):,} items that cannot be used are left out: {listed(skipped, '; ', most=2)}." if skipped else ""
        raise GanzooError(
            f"{dataset}: no images of {listed(missing)}. Every class needs images in train and held out "
            f"(a single held-out part is divided into val and test by pixel hash, which takes several images per class).{bad}"
        )
