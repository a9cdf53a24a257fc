"""What the forms of FER2013 have in common: the faces they hold, and the contract of a source of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganzoo.data.naming import PARTS, readable

# The order of the numbers in the column "emotion".
CSV_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FACE_SIZE_PX = 48
# What the competition's files say of a face, in a column or at the beginning of a file name.
PART_OF_USAGE = {usage: PARTS[usage] for usage in ("training", "publictest", "privatetest")}


@dataclass(frozen=True)
class Faces:
    """Decoded faces, as the source gives them.

    Attributes:
        images: uint8 ``(N, 1, 48, 48)``.
        labels: Class name of each.
        parts: ``train``, ``val``, ``test`` or ``unknown``, of each.
        names: File or row of each.
        bad: One line for each item that cannot be used.
        changed: What was done to pictures beside decoding, in words -> number of pictures.
    """

    images: Tensor
    labels: Sequence[str]
    parts: Sequence[str]
    names: Sequence[str]
    bad: Sequence[str]
    changed: Mapping[str, int] = field(default_factory=dict)


class FerSource(Protocol):
    """FER2013 in one of its forms."""

    @property
    def form(self) -> str:
        """How the data is stored, in words."""
        ...

    @property
    def left_out(self) -> Mapping[str, int]:
        """What lies among the data and is not read, in words -> number of files."""
        ...

    @property
    def remarks(self) -> Sequence[str]:
        """What a user should know of how it is read, one line each."""
        ...

    def has_all(self, class_names: Sequence[str]) -> bool:
        """Whether every class may be expected in the training part and in a held-out one."""
        ...

    def fingerprint(self, class_names: Sequence[str]) -> str:
        """Identifies the content that `read` depends on."""
        ...

    def read(self, class_names: Sequence[str]) -> Faces:
        """Decodes the faces of these classes."""
        ...

    def facts(self) -> dict[str, Any]:
        """Form, files and their sizes, and how parts are told; plain JSON."""
        ...


def stack_faces(arrays: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Stacks grey uint8 ``(48, 48)`` arrays to ``(N, 1, 48, 48)``; N may be 0."""
    if not arrays:
        return torch.zeros(0, 1, FACE_SIZE_PX, FACE_SIZE_PX, dtype=torch.uint8)
    return torch.from_numpy(np.stack(arrays)).unsqueeze(1)


def sizes_of(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Names and sizes of files, for the facts of a source; no folders, which are nobody's business."""
    return [{"name": readable(file.name), "bytes": file.stat().st_size} for file in files]
