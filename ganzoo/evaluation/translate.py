"""Faces from a generator to bytes: translated batch by batch, clamped, rounded, kept as uint8.

Every metric reads those bytes, so that none sees more than a picture file would hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ganzoo.data.pixels import to_minus1_1, to_uint8
from ganzoo.errors import DivergedError, GanzooError
from ganzoo.evaluation.passages import Passage

Progress = Callable[[str, int, int], None]
"""Told, as work goes on: what is being done, how much of it is done, and how much there is."""


class Translator(Protocol):
    """A trained generator as a function; evaluation mode and precision are its own business.

    Attributes:
        takes_image: Whether the source face matters; False for noise-to-image generators.
    """

    @property
    def takes_image(self) -> bool: ...

    def __call__(self, images: Tensor, source: Tensor, target: Tensor, /) -> Tensor:
        """Translates float32 ``(N, C, H, W)`` in [-1, 1] from classes ``source`` to ``target``, both int64 ``(N,)``.

        Returns:
            Float ``(N, C, H, W)``, nominally in [-1, 1], not clamped.
        """
        ...


@runtime_checkable
class VaryingTranslator(Translator, Protocol):
    """A translator whose generator may have more than one answer for a face: other styles, or other noise.

    Attributes:
        varies: Whether it has.
    """

    @property
    def varies(self) -> bool: ...

    def vary(self, images: Tensor, source: Tensor, target: Tensor, seeds: Tensor, /) -> Tensor:
        """As a call, with the style or noise of each face drawn from a seed of its own, int64 ``(N,)``, and from nothing else."""
        ...


def has_variants(translator: Translator) -> bool:
    """Whether a translator has several answers for one face and expression."""
    return isinstance(translator, VaryingTranslator) and translator.varies


def translate(
    translator: Translator,
    images: Tensor,
    source: Tensor,
    target: Tensor,
    *,
    index: Tensor | None = None,
    seeds: Tensor | None = None,
    batch_size: int = 128,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    task: str = "translate",
) -> Tensor:
    """Translates faces and rounds them to uint8, the Q of the protocol.

    Args:
        translator: The generator.
        images: uint8 ``(U, C, H, W)``.
        source: Present class, int64 ``(N,)``.
        target: Wanted class, int64 ``(N,)``.
        index: Which of ``images`` to translate, int64 ``(N,)``; all in turn where left out.
        seeds: Where each face's style or noise comes from, int64 ``(N,)``, for a translator that varies; its usual answer
            where left out.
        batch_size: Faces at once.
        device: Where the translator works.
        progress: Told after every batch.
        task: What it is told is being done.

    Returns:
        uint8 ``(N, C, H, W)`` on the CPU: clamped and rounded to the nearest grey level, never truncated.

    Raises:
        GanzooError: The generator gave another shape, or values that are not finite.
    """
    index = torch.arange(len(images)) if index is None else index
    faces = torch.empty((len(index), *images.shape[1:]), dtype=torch.uint8)
    with torch.inference_mode():
        for part in _batches(len(index), batch_size, progress, task):
            batch = to_minus1_1(images[index[part]].to(device))
            asked = batch, source[part].to(device, copy=True), target[part].to(device, copy=True)
            if seeds is None:
                output = translator(*asked)
            else:
                assert isinstance(translator, VaryingTranslator), "only what varies is given seeds"
                output = translator.vary(*asked, seeds[part].clone())
            _check(output, batch)
            faces[part] = to_uint8(output).cpu()
    return faces


def there_and_back(
    translator: Translator,
    images: Tensor,
    source: Tensor,
    target: Tensor,
    passages: Mapping[str, Passage],
    seeds: Tensor,
    *,
    index: Tensor,
    batch_size: int = 128,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    task: str = "there and back",
) -> dict[str, Tensor]:
    """Translates faces and back again, once for each passage that the translation may take on its way back.

    Args:
        translator: The generator.
        images: uint8 ``(U, C, H, W)``.
        source: Present class, int64 ``(N,)``.
        target: Wanted class, int64 ``(N,)``.
        passages: What is done to the generator's output, neither clamped nor rounded, before it is its input.
        seeds: What each face's passage may draw from, int64 ``(N,)``.
        index: Which of ``images`` to translate, int64 ``(N,)``.
        batch_size: Faces at once.
        device: Where the translator works.
        progress: Told after every batch.
        task: What it is told is being done.

    Returns:
        For each passage uint8 ``(N, C, H, W)`` on the CPU, clamped and rounded like every other result.

    Raises:
        GanzooError: The generator gave another shape, or values that are not finite.
    """
    results = {name: torch.empty((len(index), *images.shape[1:]), dtype=torch.uint8) for name in passages}
    with torch.inference_mode():
        for part in _batches(len(index), batch_size, progress, task):
            batch = to_minus1_1(images[index[part]].to(device))
            present, wanted = source[part].to(device), target[part].to(device)
            there = translator(batch, present.clone(), wanted.clone())
            _check(there, batch)
            starts = {name: passage(there.clone(), seeds[part]) for name, passage in passages.items()}
            for name, start in starts.items():  # copies throughout: a generator may work in place, or in one place again
                back = translator(start, wanted.clone(), present.clone())
                _check(back, batch)
                results[name][part] = to_uint8(back).cpu()
    return results


def _batches(count: int, size: int, progress: Progress | None, task: str) -> Iterator[slice]:
    for first in range(0, count, size):
        yield slice(first, first + size)
        if progress:
            progress(task, min(first + size, count), count)


def _check(output: Tensor, batch: Tensor) -> None:
    if output.shape != batch.shape:
        raise GanzooError(f"The generator returned {tuple(output.shape)} for faces {tuple(batch.shape)}; shapes must be equal.")
    if not bool(torch.stack(output.aminmax()).isfinite().all()):  # either end carries a NaN along
        raise DivergedError("The generator returned values that are not finite (NaN or infinity): it diverged and has no scores.")
