"""The real face most like another: what a benchmark without identity would reward."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo.data.pixels import resize_uint8

LARGEST_SIZE_PX = 64
_AT_ONCE = 256


def nearest_of_class(queries: Tensor, wanted: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """The image of the wanted class with the smallest Euclidean distance in pixels; larger ones are compared at 64 x 64.

    Args:
        queries: uint8 ``(N, C, H, W)``.
        wanted: Class of each answer, int64 ``(N,)``; each has at least one image.
        images: uint8 ``(M, C, H, W)`` to choose from.
        labels: Their classes, int64 ``(M,)``.

    Returns:
        Indices into ``images``, int64 ``(N,)``.
    """
    size = min(int(images.shape[-1]), LARGEST_SIZE_PX)
    asked, offered = (resize_uint8(faces, size).flatten(1) for faces in (queries, images))
    nearest = torch.empty(len(wanted), dtype=torch.int64)
    for label in wanted.unique():
        members = (labels == label).nonzero().squeeze(1)
        candidates = offered[members].double()  # in float32 the sums of squares would not be exact
        for part in (wanted == label).nonzero().squeeze(1).split(_AT_ONCE):
            nearest[part] = members[torch.cdist(asked[part].double(), candidates).argmin(dim=1)]
    return nearest
