"""Renders parametric faces: smooth shapes composed on a batch of canvases, on any device and at any size."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ganzoo.data import face_features, face_parts
from ganzoo.data.expressions import AU_NAMES
from ganzoo.data.face_parameters import IDENTITY_NAMES, FaceParameters
from ganzoo.data.face_parts import Columns, Scene, inside, paint
from ganzoo.errors import GanzooError

# Part of the cache key: raise it with every change that moves a pixel, ranges of parameters included.
RENDERER_VERSION = 11
DEFAULT_SIZE_PX = 48
SMALLEST_SIZE_PX, LARGEST_SIZE_PX = 16, 1024
# On a processor the intermediate images then stay in its cache, and under the 32,768 elements from which torch splits an
# operation between threads, whose waiting costs more than it gains on a busy machine. The result does not depend on it.
_PIXELS_PER_CHUNK = 14 * DEFAULT_SIZE_PX * DEFAULT_SIZE_PX
_PIXELS_PER_CHUNK_ON_ACCELERATOR = 1024 * DEFAULT_SIZE_PX * DEFAULT_SIZE_PX
# The camera exposes by itself: it measures the neutral face on a coarse grid, so an expression leaves its surroundings alone.
_METER_PX = 12
_EXPOSED_SPREAD = 0.22
_LEAST_SPREAD = 0.02
# How far a unit moves the picture; 1 where nothing is said. The mouth tells the emotions apart before brows and lids do.
_AMPLITUDE = {"AU1": 0.55, "AU2": 0.55, "AU4": 0.55, "AU5": 0.55, "AU6": 0.55, "AU7": 0.55}
# Every picture gets darker downwards by this much in all: its light comes from above. What all pictures have in common, wherever
# the face is, tells a generator in its first steps which way up tones are. Without it chance decides whether it inverts
# details, because a cycle returns inverted ones as well.
_FALLOFF = 0.4


def render(
    parameters: FaceParameters,
    action_units: Tensor,
    size_px: int = DEFAULT_SIZE_PX,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Renders each face with the given expression.

    There is no randomness here, and only exactly rounded arithmetic: the bytes depend neither on batch nor on thread count.

    Args:
        parameters: ``N`` faces; only their identities are used.
        action_units: float32 ``(N, 17)`` in [0, 1], columns in the order of ``AU_NAMES``.
        size_px: Width and height of the images.
        device: Where to render; the images stay there.

    Returns:
        Grey images, uint8 ``(N, 1, size_px, size_px)``.

    Raises:
        GanzooError: The size is out of range, or the action units have the wrong shape or range.
    """
    _check(parameters, action_units, size_px)
    images = torch.empty(len(parameters), 1, size_px, size_px, dtype=torch.uint8, device=device)
    chunk_pixels = _PIXELS_PER_CHUNK if images.device.type == "cpu" else _PIXELS_PER_CHUNK_ON_ACCELERATOR
    middle = 0.5 - 0.5 * _FALLOFF * _centres(size_px, images.device)[None, :, None]
    for part in _chunks(len(parameters), chunk_pixels // _METER_PX**2):
        identity = parameters.identity[part].to(device)
        mean, gain = _meter(identity)
        for inner in _chunks(len(identity), chunk_pixels // size_px**2):
            tones = _tones(identity[inner], action_units[part][inner].to(device), size_px)
            exposed = middle + (tones - mean[inner]) * gain[inner] + _column(identity[inner], "brightness")
            images[part][inner, 0] = (exposed.clamp_(0, 1) * 255 + 0.5).to(torch.uint8)
    return images


def _chunks(count: int, size: int) -> Iterator[slice]:
    size = max(1, size)
    return (slice(start, start + size) for start in range(0, count, size))


def _check(parameters: FaceParameters, action_units: Tensor, size_px: int) -> None:
    if not SMALLEST_SIZE_PX <= size_px <= LARGEST_SIZE_PX:
        raise GanzooError(f"Faces cannot be rendered at {size_px} px; choose {SMALLEST_SIZE_PX} to {LARGEST_SIZE_PX} px.")
    expected = (len(parameters), len(AU_NAMES))
    if tuple(action_units.shape) != expected:
        raise GanzooError(f"Action units have shape {tuple(action_units.shape)}; rendering these faces needs {expected}.")
    if not bool(((action_units >= 0) & (action_units <= 1)).all()):
        raise GanzooError("Action units must lie in [0, 1]; clamp them before rendering.")


def _meter(identity: Tensor) -> tuple[Tensor, Tensor]:
    """Mean tone of each neutral face's picture and the gain that gives it the wanted spread, both ``(N, 1, 1)``."""
    neutral = torch.zeros(len(identity), len(AU_NAMES), device=identity.device)
    tones = _tones(identity, neutral, _METER_PX, edge_px=DEFAULT_SIZE_PX).flatten(1).unbind(1)
    # Sums of columns, one after the other: a reduction's order would depend on the batch.
    mean = sum(tones[1:], start=tones[0]) / len(tones)
    squares = [(tone - mean) * (tone - mean) for tone in tones]
    # The one operation that is not rounded exactly: torch's root is MKL's, whose last bit depends on the processor and on
    # MKL_CBWR (COMPATIBLE moves 16 of the 35.7 million pixels of synth4 by one level), and with it the content hash.
    spread = (sum(squares[1:], start=squares[0]) / len(tones)).sqrt()
    gain = _EXPOSED_SPREAD / spread.clamp(min=_LEAST_SPREAD)
    return mean[:, None, None], gain[:, None, None] * _column(identity, "contrast")


def _column(identity: Tensor, name: str) -> Tensor:
    return identity[:, IDENTITY_NAMES.index(name), None, None]


def _tones(identity: Tensor, action_units: Tensor, size_px: int, edge_px: int | None = None) -> Tensor:
    """What the camera sees before it exposes: ``(N, S, S)``, nominally in [0, 1]; edges as in a picture of ``edge_px``."""
    centres = _centres(size_px, identity.device)
    across, down = centres[None, None, :], centres[None, :, None]
    moved = action_units * torch.tensor([_AMPLITUDE.get(unit, 1.0) for unit in AU_NAMES], device=action_units.device)
    scene = _scene(Columns(identity, IDENTITY_NAMES), Columns(moved, AU_NAMES), across, down, edge_px or size_px)
    return _compose(scene, across, down)


def _centres(size_px: int, device: torch.device) -> Tensor:
    """Where the pixels of a row lie, from -1 to 1: float32 ``(size_px,)``."""
    return (2 * torch.arange(size_px, device=device, dtype=torch.float32) + 1) / size_px - 1


def _scene(face: Columns, au: Columns, across: Tensor, down: Tensor, edge_px: int) -> Scene:
    tangent = face["half_rotation"]  # of half the rotation: gives sine and cosine without trigonometry
    norm = 1 + tangent * tangent
    cosine, sine = (1 - tangent * tangent) / norm, 2 * tangent / norm
    right, below = across - face["shift_x"], down - face["shift_y"]
    u = (right * cosine + below * sine) / (face["scale"] * face["aspect"])
    v = (below * cosine - right * sine) / (face["scale"] / face["aspect"])
    relative = u / face["head_width"]
    # Turning the head moves the middle of the face most and the outline not at all.
    x = u - face["yaw"] * (1 - relative * relative).clamp_(min=0)
    y = v - face["pitch"] * (1 - v * v).clamp_(min=0)
    blur = face["softness"].clamp(min=2 / edge_px) / face["scale"]
    return Scene(face, au, u, v, x, y, blur)


def _compose(scene: Scene, across: Tensor, down: Tensor) -> Tensor:
    radius_squared = face_parts.head_radius_squared(scene)
    canvas = face_parts.backdrop(scene, across, down)
    canvas = face_parts.hair_behind(canvas, scene)
    canvas = face_parts.body(canvas, scene)
    canvas = face_parts.ears(canvas, scene)
    head = face_parts.creases(face_parts.skin(scene), scene)
    head = face_parts.nose(head, scene)
    head = face_parts.beard(head, scene, radius_squared)
    head = face_features.eyes(head, scene)
    head = face_features.mouth(head, scene)
    head = face_features.brows(head, scene)
    head = face_parts.glasses(head, scene) * face_parts.light(scene, radius_squared)
    canvas = paint(canvas, head, inside((radius_squared - 1) * (0.5 * scene.face["head_width"]), scene.blur))
    return face_parts.hair_in_front(canvas, scene)
