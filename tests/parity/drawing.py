"""What both sides of a comparison share: numbers drawn from a name, and the short form in which tensors are compared.

A number follows from the name and shape of its tensor and from nothing else (the legacy generator of NumPy, whose stream is
frozen), so that neither side need know in which order the other builds its layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

_PLACES = 2
_FREQUENCIES = (1.0, 2.3)


def _stream(name: str) -> np.random.RandomState:
    return np.random.RandomState(crc32(name.encode()))


def normal(name: str, *shape: int) -> Tensor:
    """Standard-normal numbers, float64."""
    return torch.from_numpy(np.asarray(_stream(name).standard_normal(shape)))


def uniform(name: str, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Numbers uniform in [low, high), float64."""
    return torch.from_numpy(np.asarray(_stream(name).uniform(low, high, shape)))


def integers(name: str, count: int, below: int) -> Tensor:
    """Whole numbers from 0 on, int64 ``(count,)``."""
    return torch.from_numpy(_stream(name).randint(0, below, count).astype(np.int64))


def other_integers(name: str, than: Tensor, below: int) -> Tensor:
    """Whole numbers from 0 on that differ from those given."""
    return (than + 1 + integers(name, len(than), below - 1)) % below


def weights(name: str, *shape: int) -> Tensor:
    """What stands in a network under a name: gains about 1, biases about 0, weights of about unit gain, variances above 0."""
    last = name.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    drawn = normal(name, *shape)
    if last == "running_var":
        return 1 + 0.2 * drawn.abs()
    if len(shape) < 2:
        return 1 + 0.2 * drawn if last in ("weight", "gain") else 0.1 * drawn
    return drawn * sqrt(1.5 / prod(shape[1:]))


def singular_vectors(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Left and right singular vector of the largest singular value of a weight, its first dimension against all others."""
    left, _, right = torch.linalg.svd(weight.flatten(1), full_matrices=False)
    return left[:, 0], right[0]


def probe(value: Tensor) -> Tensor:
    """A weighted sum, in which every entry has its own weight; what the gradients are taken of."""
    return (value.flatten() * torch.cos(0.7 * torch.arange(1, value.numel() + 1, dtype=torch.float64))).sum()


def digest(value: Tensor) -> list[float]:
    """The norm of a tensor, two weighted sums of all entries, an entry in its middle and the last one."""
    flat = value.detach().double().flatten()
    count = torch.arange(1, flat.numel() + 1, dtype=torch.float64)
    sums = [float((flat * torch.cos(frequency * count)).sum()) for frequency in _FREQUENCIES]
    places = [flat.numel() * (place + 1) // _PLACES - 1 for place in range(_PLACES)]
    return [float(flat.norm()), *sums, *(float(flat[max(place, 0)]) for place in places)]


def digests(values: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """The digest of each tensor."""
    return {name: digest(value) for name, value in values.items()}


def differing(
    found: Mapping[str, Tensor],
    expected: Mapping[str, list[float]],
    tolerance: float = 1e-7,
    smallest: float = 1e-6,
) -> list[str]:
    """Names under which a tensor is not what it should be, or which one side lacks.

    Args:
        found: Tensors by name.
        expected: Digests by name.
        tolerance: How far numbers may differ, relative to the norm of their tensor.
        smallest: Share of the largest norm that counts as the least one. What should be 0, such as the gradient of a bias before
            a norm, is the rounding of what cancels.
    """
    least = smallest * max((numbers[0] for numbers in expected.values()), default=0.0)
    wrong = sorted(found.keys() ^ expected.keys())
    for name in found.keys() & expected.keys():
        allowed = tolerance * max(expected[name][0], least)
        pairs = zip(digest(found[name]), expected[name], strict=True)
        if not all(abs(mine - theirs) <= allowed for mine, theirs in pairs):
            wrong.append(name)
    return sorted(wrong)
