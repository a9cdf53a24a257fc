"""Who a rendered face is: the identity parameters, their ranges, and how faces are drawn.

Only uniform draws and exactly rounded arithmetic are used, so a seed gives the same faces on every platform.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.data.expressions import EMOTIONS, VARIATION_WIDTH, vary_prototypes
from ganzoo.errors import GanzooError

# Lengths are in half image widths of an unscaled face, tones in [0, 1] from black to white. ``chance`` below 1: the feature is
# absent (0) on the other faces.
Range = tuple[float, float]
_RANGES: Mapping[str, Range] = {
    # Pose: a close-up, in which brows or mouth may touch the frame. Rotation is the tangent of half the angle, so that no sine
    # has to be computed (0.06 is 7 degrees).
    "shift_x": (-0.57, 0.57),
    "shift_y": (-0.8, 0.09),
    "half_rotation": (-0.06, 0.06),
    "scale": (1.7, 1.84),
    "aspect": (0.97, 1.03),
    "yaw": (-0.03, 0.03),
    "pitch": (-0.02, 0.02),
    # Light and camera.
    "light_x": (-0.15, 0.15),
    "light_y": (-0.15, 0.05),
    "roundness": (0.08, 0.26),
    "contrast": (0.96, 1.04),
    "brightness": (-0.012, 0.012),
    "softness": (0.25, 0.29),
    # Head, skin and what is behind it.
    "head_width": (0.6, 0.74),
    "head_top": (0.84, 0.96),
    "chin": (0.82, 0.96),
    "jaw_taper": (0.08, 0.34),
    "skin": (0.42, 0.72),
    "blotch_x": (-0.5, 0.5),
    "blotch_y": (-0.6, 0.6),
    "blotch": (-0.07, 0.07),
    "background": (0.02, 0.42),
    "background_x": (-0.08, 0.08),
    "background_y": (-0.08, 0.08),
    "spot_x": (-1.0, 1.0),
    "spot_y": (-1.0, 1.0),
    "spot": (-0.08, 0.08),
    "clothes": (0.05, 0.4),
    # Hair.
    "hair": (0.03, 0.42),
    "hair_volume": (0.03, 0.16),
    "hairline": (-0.74, -0.5),
    "hairline_curve": (0.1, 0.75),
    "hair_part": (-0.1, 0.1),
    # Eyes and brows.
    "eye_distance": (0.29, 0.35),
    "eye_height": (-0.12, -0.08),
    "eye_width": (0.21, 0.25),
    "eye_opening": (0.11, 0.14),
    "eye_tilt": (-0.1, 0.14),
    "iris": (0.03, 0.42),
    "iris_size": (0.085, 0.105),
    "gaze": (-0.02, 0.02),
    "brow_height": (0.17, 0.21),
    "brow_thickness": (0.07, 0.11),
    "brow_length": (0.29, 0.36),
    "brow_arch": (0.0, 0.045),
    "brow_slope": (-0.05, 0.03),
    # Nose and mouth.
    "nose_length": (0.1, 0.16),
    "nose_width": (0.085, 0.13),
    "mouth_height": (0.38, 0.44),
    "mouth_width": (0.42, 0.5),
    "mouth_curve": (-0.015, 0.02),
    "lip_thickness": (0.6, 1.35),
    "lip_tone": (0.4, 0.65),
    "folds": (0.0, 0.05),
    # Which side of the face moves more; +0.2 is one fifth more on the right of the picture.
    "brow_asymmetry": (-0.15, 0.15),
    "mouth_asymmetry": (-0.15, 0.15),
}
# Features that only some faces have: chance, and range where present.
_OPTIONAL: Mapping[str, tuple[float, Range]] = {
    "hair_amount": (0.9, (1.0, 1.0)),
    "long_hair": (0.4, (0.1, 1.1)),
    "beard": (0.15, (0.2, 0.5)),
    "moustache": (0.1, (0.2, 0.5)),
    "glasses": (0.1, (0.3, 0.6)),
}
IDENTITY_NAMES: tuple[str, ...] = (*_RANGES, *_OPTIONAL)
# Left, top, right and bottom, in coordinates of the face, of the frame in which brows, eyes and mouth lie where they lie in an
# aligned photograph of 48 x 48 pixels (eyes at rows 15 to 24, mouth from row 30 on).
_ALIGNED_FRAME = (-0.8, -0.68, 0.8, 0.75)


@dataclass(frozen=True)
class FaceParameters:
    """Faces before they are rendered; tensors are on the CPU.

    Attributes:
        identity: float32 ``(N, P)``, columns in the order of ``IDENTITY_NAMES``: everything but the expression.
        expressions: float32 ``(N, 7, 17)`` in [0, 1]: the action units with which each face shows each of ``EMOTIONS``.
    """

    identity: Tensor
    expressions: Tensor

    def __len__(self) -> int:
        return len(self.identity)

    def select(self, indices: Tensor) -> FaceParameters:
        """The faces ``indices`` (int64 ``(M,)``), in that order."""
        return FaceParameters(self.identity[indices], self.expressions[indices])


def draw_faces(count: int, seed: int) -> FaceParameters:
    """Draws ``count`` faces; the first faces of a longer draw with the same seed are the same.

    Raises:
        GanzooError: ``count`` is negative.
    """
    if count < 0:
        raise GanzooError(f"Cannot draw {count} faces; the count must be 0 or more.")
    generator = torch.Generator().manual_seed(seed)
    width = len(_RANGES) + 2 * len(_OPTIONAL) + len(EMOTIONS) * VARIATION_WIDTH
    draws = torch.rand(count, width, generator=generator)  # one row per face, drawn row by row
    always, sometimes, variation = torch.split(draws, [len(_RANGES), 2 * len(_OPTIONAL), len(EMOTIONS) * VARIATION_WIDTH], dim=1)
    identity = torch.cat([_within(always, list(_RANGES.values())), _optional(sometimes)], dim=1)
    return FaceParameters(identity, vary_prototypes(variation.reshape(count, len(EMOTIONS), VARIATION_WIDTH)))


def aligned_boxes(faces: FaceParameters) -> Tensor:
    """Where the aligned face lies in each picture, float32 ``(N, 4)``; see `Split.face_boxes`. Turns are left out."""
    shift_x, shift_y, scale, aspect = (
        faces.identity[:, IDENTITY_NAMES.index(name), None] for name in ("shift_x", "shift_y", "scale", "aspect")
    )
    left, top, right, bottom = _ALIGNED_FRAME
    across = torch.tensor([left, right]) * scale * aspect + shift_x
    down = torch.tensor([top, bottom]) * scale / aspect + shift_y
    return (torch.stack([across[:, 0], down[:, 0], across[:, 1], down[:, 1]], dim=1) + 1) / 2


def _within(draws: Tensor, ranges: list[Range]) -> Tensor:
    low, high = torch.tensor(ranges).unbind(1)
    return low + (high - low) * draws


def _optional(draws: Tensor) -> Tensor:
    chances = torch.tensor([chance for chance, _ in _OPTIONAL.values()])
    presence, strength = draws.chunk(2, dim=1)
    return torch.where(presence < chances, _within(strength, [span for _, span in _OPTIONAL.values()]), 0.0)
