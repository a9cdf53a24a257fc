"""Eyes, brows and mouth of a rendered face: the parts that carry most of an expression.

The rules of ``face_parts`` hold here too: elementwise, exactly rounded operations only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.data.face_parts import Scene, bump, inside, paint


def eyes(canvas: Tensor, scene: Scene) -> Tensor:
    """White, iris, lids and lashes.

    AU5 raises the upper lid, AU45 lowers it, AU7 narrows both, AU6 and AU12 push the lower lid up, AU1 lifts and AU4 lowers the
    inner end of the upper lid.
    """
    face, au = scene.face, scene.au
    side = scene.x.abs() - face["eye_distance"]  # negative towards the nose
    along = side / face["eye_width"]
    down = scene.y - face["eye_height"] + face["eye_tilt"] * side
    lens = (1 - along * along).clamp_(min=0)
    slant = (0.05 * (au["AU1"] - au["AU2"]).clamp(min=0) - 0.06 * (au["AU4"] - au["AU1"]).clamp(min=0)) * along
    upper = face["eye_opening"] * _upper_opening(scene) * lens - slant * lens
    lower = face["eye_opening"] * _lower_opening(scene) * lens
    ends = (4 * lens).clamp_(max=1)
    opening = inside(torch.maximum(-upper - down, down - lower), scene.blur) * ends
    canvas = paint(canvas, 0.72 + 0.25 * face["skin"], opening * 0.9)
    canvas = paint(canvas, face["iris"] * 0.75, _iris(scene, down) * opening)
    lashes = (1 - (down + upper).abs() / (0.75 * scene.blur)).clamp_(min=0) * ends
    lower_line = (1 - (down - lower).abs() / (0.6 * scene.blur)).clamp_(min=0) * ends
    return canvas * (1 - 0.7 * lashes) * (1 - 0.25 * lower_line)


def _upper_opening(scene: Scene) -> Tensor:
    au = scene.au
    opening = 1 + 0.75 * au["AU5"] - 0.5 * au["AU7"] - 0.15 * au["AU4"] - 0.25 * au["AU9"] - 0.2 * au["AU6"] - 1.1 * au["AU45"]
    return opening.clamp(min=0.05)


def _lower_opening(scene: Scene) -> Tensor:
    au = scene.au
    opening = 0.75 + 0.15 * au["AU5"] - 0.4 * au["AU7"] - 0.55 * au["AU6"] - 0.1 * au["AU12"] - 0.3 * au["AU9"]
    return opening.clamp(min=0.05)


def _iris(scene: Scene, down: Tensor) -> Tensor:
    face = scene.face
    # Both eyes look the same way: the gaze is added before the sides are folded together.
    across = (scene.x - face["gaze"]).abs() - face["eye_distance"]
    size = face["iris_size"]
    return inside((across * across + down * down - size * size) / (2 * size), scene.blur)


def brows(canvas: Tensor, scene: Scene) -> Tensor:
    """Two tapering strokes; AU1 lifts their inner, AU2 their outer ends, AU4 lowers them, inner ends first, and joins them."""
    face, au = scene.face, scene.au
    start = face["eye_distance"] - 0.18 - 0.03 * au["AU4"]
    outward = ((scene.x.abs() - start) / face["brow_length"]).clamp_(0, 1)  # 0 inner end .. 1 outer end
    inward = 1 - outward
    # One side moves more; the factor passes through the nose, where there is no brow.
    uneven = 1 + face["brow_asymmetry"] * (4 * scene.x).clamp(-1, 1)
    lift = 0.19 * au["AU1"] * inward + 0.19 * au["AU2"] * outward + (0.04 * (au["AU1"] * au["AU2"])) * (4 * inward * outward)
    drop = au["AU4"] * (0.04 + 0.13 * inward) * (1 - 0.35 * au["AU1"]) + 0.05 * au["AU9"] * inward
    rest = face["eye_height"] - face["brow_height"] + face["brow_slope"] * (outward - 0.5)
    height = rest - 4 * face["brow_arch"] * inward * outward + (drop - lift) * uneven
    thickness = face["brow_thickness"] * (1 - 0.55 * outward * outward)
    ends = (scene.x.abs() - start - 0.5 * face["brow_length"]).abs() - 0.5 * face["brow_length"]
    stroke = inside(torch.maximum((scene.y - height).abs() - thickness, ends), scene.blur)
    tone = torch.minimum(0.75 * face["hair"], 0.55 * face["skin"])
    return paint(canvas, tone, 0.9 * stroke)


@dataclass(frozen=True)
class _Mouth:
    """The mouth's shape; ``(N, 1, 1)`` unless pixels.

    Attributes:
        down: Pixels: distance below the line between the lips, which the corners bend.
        arc: Pixels: 1 in the middle, 0 at the corners and beyond; round where the jaw drops.
        above, below: Half openings over and under that line.
    """

    down: Tensor
    arc: Tensor
    above: Tensor
    below: Tensor


def mouth(canvas: Tensor, scene: Scene) -> Tensor:
    """Lips, opening, teeth and the shadow under the lower lip."""
    face, au = scene.face, scene.au
    shape = _mouth_shape(scene)
    ends = (5 * shape.arc).clamp_(max=1)
    thin = face["lip_thickness"] * (1 - 0.6 * au["AU23"]) * (1 - 0.25 * au["AU12"])
    upper = shape.above + 0.05 * thin * (1 - 0.4 * au["AU17"])
    lower = shape.below + 0.066 * thin * (1 + 0.2 * au["AU17"])
    shadow = 0.22 * bump(scene.x / 0.2, (shape.down - lower - 0.05) / 0.07)
    lips = inside(torch.maximum(-upper * shape.arc - shape.down, shape.down - lower * shape.arc), scene.blur) * ends
    canvas = canvas * (1 - shadow) * (1 - (1 - face["lip_tone"]) * lips)
    gap = inside(torch.maximum(-shape.above * shape.arc - shape.down, shape.down - shape.below * shape.arc), scene.blur)
    canvas = paint(canvas, 0.14 * face["skin"], gap * ends)
    return paint(canvas, 0.68 + 0.27 * face["skin"], _teeth(scene, shape) * gap * ends)


def _mouth_shape(scene: Scene) -> _Mouth:
    face, au = scene.face, scene.au
    widening = 0.25 * au["AU12"] + 0.3 * au["AU20"] - 0.35 * au["AU23"] - 0.35 * au["AU26"] - 0.08 * au["AU17"] - 0.1 * au["AU25"]
    along = (scene.x / (face["mouth_width"] * (1 + widening))).clamp_(-1.4, 1.4)
    corner = 0.34 * au["AU15"] + 0.03 * au["AU17"] + 0.03 * au["AU20"] - 0.32 * au["AU12"] + face["mouth_curve"]
    bend = corner * along * along * (1 + face["mouth_asymmetry"] * along)
    drop = 0.07 * au["AU12"] + 0.04 * au["AU26"] - 0.07 * au["AU15"] - 0.02 * au["AU17"] - 0.03 * au["AU10"]
    middle = face["mouth_height"] + drop
    lens = (1 - along * along).clamp_(min=0)
    round_part = (0.25 + au["AU26"]).clamp(max=1)
    # 1.4 t / (t + 0.4) is round like the square root of t, an ellipse, without its cost.
    arc = lens + round_part * (1.4 * lens / (lens + 0.4) - lens)
    grin = au["AU12"] * au["AU25"]
    above = 0.025 + 0.045 * au["AU25"] + 0.1 * au["AU26"] + 0.05 * au["AU10"] + 0.03 * grin
    below = 0.025 + 0.13 * au["AU25"] + 0.24 * au["AU26"] + 0.14 * grin
    return _Mouth(scene.y - middle - bend, arc, above, below)


def _teeth(scene: Scene, shape: _Mouth) -> Tensor:
    """Coverage of the upper teeth, which show where the lips are drawn up or apart (AU10, AU12, AU20)."""
    au = scene.au
    drawn = (1.4 * au["AU12"] + 0.9 * au["AU10"] + 0.6 * au["AU20"]).clamp(max=1) * (2.5 * au["AU25"]).clamp(max=1)
    edge = shape.below * 0.75 * shape.arc
    return inside(shape.down - edge, 1.2 * scene.blur) * drawn
