"""``synth4`` and ``synth7``: faces rendered by the package, with the true answer to every change of expression.

No files, no downloads. Who a face is and what it expresses are drawn apart, so the same face with another expression is known
exactly: the same identity parameters, rendered with the action units with which that face shows the other emotion.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.data.base import SPLIT_NAMES, DataOptions, Dataset, Split
from ganzoo.data.cache import CacheEntry, cache_key, cached, content_hash, tensor_digest
from ganzoo.data.expressions import AU_NAMES, EMOTIONS
from ganzoo.data.face_parameters import FaceParameters, aligned_boxes, draw_faces
from ganzoo.data.rendering import DEFAULT_SIZE_PX, RENDERER_VERSION, render
from ganzoo.errors import GanzooError
from ganzoo.registry import DATASETS

__all__ = ["RENDERER_VERSION", "SyntheticTruth", "draw_faces", "load_synth4", "load_synth7", "render"]

SYNTH4_CLASSES = ("angry", "happy", "sad", "surprise")
SYNTH7_CLASSES = EMOTIONS
SPLIT_SIZES: Mapping[str, int] = {"train": 12_000, "val": 1_500, "test": 2_000}

# Both datasets show the same people in the same parts: judges trained on one's train part know nobody of the other's test part.
_FACE_SEEDS: Mapping[str, int] = {"train": 48_001, "val": 48_002, "test": 48_003}
_LABEL_SEED_OFFSET = 1_000_000
_IDENTITY_STRIDE = 1_000_000
_PROBED_FACES = 32  # of each split, rendered to recognise the renderer


@dataclass(frozen=True)
class _Part:
    """The faces of one split before they are rendered: parameters, and labels int64 ``(N,)`` into the dataset's classes."""

    faces: FaceParameters
    labels: Tensor


class SyntheticTruth:
    """The known answers: any face of a split with any expression (a `Counterfactual`).

    With an image's own label the answer is the image itself, byte for byte.
    """

    def __init__(self, parts: Mapping[str, _Part], class_names: tuple[str, ...], size_px: int) -> None:
        self._parts = dict(parts)
        self._class_names = class_names
        self._size_px = size_px

    def __call__(self, split: str, indices: Tensor, targets: Tensor) -> Tensor:
        """Images ``indices`` (int64 ``(M,)``) of ``split`` with expressions ``targets`` (int64 ``(M,)``): uint8 ``(M, 1, S, S)``.

        Raises:
            GanzooError: No such split, or an index or a target out of range.
        """
        if split not in self._parts:
            raise GanzooError(f"Rendered faces have no part '{split}'; there are {', '.join(self._parts)}.")
        part = self._parts[split]
        _check_range("face index", indices, len(part.labels))
        _check_range("target", targets, len(self._class_names))
        faces = part.faces.select(indices.cpu())
        return render(faces, _shown(faces, targets.cpu(), self._class_names), self._size_px)


@DATASETS.register("synth4")
def load_synth4(name: str, options: DataOptions) -> Dataset:
    """Rendered faces with fer4's four expressions, in its order."""
    return _load(name, SYNTH4_CLASSES, options)


@DATASETS.register("synth7")
def load_synth7(name: str, options: DataOptions) -> Dataset:
    """Rendered faces with fer7's seven expressions, in its order."""
    return _load(name, SYNTH7_CLASSES, options)


def _load(name: str, class_names: tuple[str, ...], options: DataOptions) -> Dataset:
    size_px = DEFAULT_SIZE_PX if options.image_size_px is None else options.image_size_px
    parts = {split: _draw(split, len(class_names)) for split in SPLIT_NAMES}
    splits = _splits(parts, class_names, size_px, options.cache)
    return Dataset(
        name=name,
        class_names=class_names,
        splits=splits,
        content_hash=content_hash(splits, class_names),
        judge_family="synth",
        counterfactual=SyntheticTruth(parts, class_names, size_px),
        facts={"renderer_version": RENDERER_VERSION, "face_seeds": dict(_FACE_SEEDS), "rendered_size_px": size_px},
        action_unit_names=AU_NAMES,
    )


def _draw(split: str, num_classes: int) -> _Part:
    count, seed = SPLIT_SIZES[split], _FACE_SEEDS[split]
    generator = torch.Generator().manual_seed(seed + _LABEL_SEED_OFFSET)
    return _Part(draw_faces(count, seed), torch.randint(num_classes, (count,), generator=generator))


def _splits(parts: Mapping[str, _Part], class_names: tuple[str, ...], size_px: int, use_cache: bool) -> dict[str, Split]:
    units = {split: _shown(part.faces, part.labels, class_names) for split, part in parts.items()}

    def rendered() -> CacheEntry:
        return CacheEntry({split: render(part.faces, units[split], size_px) for split, part in parts.items()})

    images = cached(_cache_key(parts, units, size_px), rendered, enabled=use_cache).tensors
    return {split: _split(number, images[split], part, units[split]) for number, (split, part) in enumerate(parts.items())}


def _cache_key(parts: Mapping[str, _Part], units: Mapping[str, Tensor], size_px: int) -> str:
    # Whatever a picture depends on is in the key: all that was drawn and, for the renderer itself, torch and the processor,
    # the bytes of some of the pictures.
    drawn = [tensor_digest(part.faces.identity, units[split]) for split, part in parts.items()]
    first = torch.arange(_PROBED_FACES)
    probe = [tensor_digest(render(part.faces.select(first), units[split][first], size_px)) for split, part in parts.items()]
    return cache_key("synthetic", str(RENDERER_VERSION), str(size_px), *drawn, *probe, torch.__version__, platform.machine())


def _split(number: int, images: Tensor, part: _Part, action_units: Tensor) -> Split:
    identities = torch.arange(len(part.labels)) + number * _IDENTITY_STRIDE
    boxes = aligned_boxes(part.faces)
    return Split(images, part.labels, action_units=action_units, identities=identities, face_boxes=boxes)


def _shown(faces: FaceParameters, labels: Tensor, class_names: tuple[str, ...]) -> Tensor:
    """Action units, float32 ``(N, 17)``, with which each face shows the emotion of its label."""
    emotion = torch.tensor([EMOTIONS.index(name) for name in class_names])[labels]
    return faces.expressions[torch.arange(len(faces)), emotion]


def _check_range(what: str, values: Tensor, size: int) -> None:
    if bool(((values < 0) | (values >= size)).any()):
        found = f"between {int(values.min())} and {int(values.max())}"
        raise GanzooError(f"A {what} lies {found}; allowed are 0 to {size - 1}.")
