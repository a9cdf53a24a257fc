"""The parts of a rendered face, drawn one over the other on a batch of canvases.

Everything here is elementwise and uses only operations that IEEE 754 rounds exactly (+ - * / min, max, abs): no sine, no
exponential, no fused multiply-add. The result therefore depends neither on batch size nor on the number of threads, and devices
agree. There is no square root either: torch hands it to MKL, whose own threads make it hundreds of times slower on small
images; near an outline of radius R, (r² - R²) / 2R serves as its distance. Coordinates are those of the face: u to the right, v
downwards, the centre of the head at (0, 0), half the image's width as unit; "inner" is towards the nose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_RIM_RADIUS = 0.21


class Columns:
    """Named columns of a ``(N, P)`` tensor, each as ``(N, 1, 1)`` to stand beside pixels."""

    def __init__(self, table: Tensor, names: Sequence[str]) -> None:
        self._columns = dict(zip(names, table[:, :, None, None].unbind(1), strict=True))

    def __getitem__(self, name: str) -> Tensor:
        return self._columns[name]


@dataclass(frozen=True)
class Scene:
    """What the parts are drawn from.

    Attributes:
        face: Identity parameters.
        au: Action units in [0, 1].
        u, v: Coordinates in the plane of the head's outline, ``(N, S, S)``.
        x, y: Coordinates of the features, which yaw and pitch move within the outline, ``(N, S, S)``.
        blur: Width of an edge, ``(N, 1, 1)``: the camera's softness, at least one pixel.
    """

    face: Columns
    au: Columns
    u: Tensor
    v: Tensor
    x: Tensor
    y: Tensor
    blur: Tensor


def inside(distance: Tensor, blur: Tensor) -> Tensor:
    """Coverage in [0, 1] of a shape whose signed distance (negative inside) is given."""
    return (0.5 - distance / blur).clamp_(0, 1)


def bump(du: Tensor, dv: Tensor) -> Tensor:
    """A smooth spot: 1 at the origin, 0 from the unit circle on."""
    rest = (1 - (du * du + dv * dv)).clamp_(min=0)
    return rest * rest


def paint(canvas: Tensor, tone: Tensor, coverage: Tensor) -> Tensor:
    """Lays ``tone`` over the canvas where it is covered."""
    return canvas + (tone - canvas) * coverage


def head_radius_squared(scene: Scene) -> Tensor:
    """Squared radius relative to the head's outline (1 on it); AU26 lengthens the chin."""
    face, v = scene.face, scene.v
    below = v.clamp(min=0) / (face["chin"] + 0.07 * scene.au["AU26"])
    above = v.clamp(max=0) / face["head_top"]
    across = scene.u / (face["head_width"] * (1 - face["jaw_taper"] * below * below))
    return across * across + below * below + above * above


def backdrop(scene: Scene, across: Tensor, down: Tensor) -> Tensor:
    """Background with a gradient and a soft spot, in image coordinates in [-1, 1]."""
    face = scene.face
    plain = face["background"] + face["background_x"] * across + face["background_y"] * down
    return plain + face["spot"] * bump((across - face["spot_x"]) / 0.8, (down - face["spot_y"]) / 0.8)


def hair_behind(canvas: Tensor, scene: Scene) -> Tensor:
    """Long hair, which falls behind face and neck; absent where ``long_hair`` is 0."""
    face = scene.face
    width = face["head_width"] + face["hair_volume"]
    down = (scene.v - 0.35 * face["long_hair"]) / (face["head_top"] + 0.3 * face["long_hair"])
    squared = (scene.u / width) * (scene.u / width) + down * down
    present = (face["long_hair"] * 20).clamp(max=1) * face["hair_amount"]
    return paint(canvas, face["hair"], inside((squared - 1) * (0.5 * width), 1.5 * scene.blur) * present)


def body(canvas: Tensor, scene: Scene) -> Tensor:
    """Neck, in the shade of the chin, and shoulders."""
    face, u, v = scene.face, scene.u, scene.v
    neck = inside(torch.maximum(u.abs() - 0.62 * face["head_width"], 0.4 - v), 1.5 * scene.blur)
    canvas = paint(canvas, 0.62 * face["skin"], neck)
    return paint(canvas, face["clothes"], inside((0.96 + 0.25 * u * u + 0.1 * face["chin"]) - v, 1.5 * scene.blur))


def ears(canvas: Tensor, scene: Scene) -> Tensor:
    """Ears, level with eyes and nose; yaw hides one and shows the other."""
    face = scene.face
    side = (scene.u.abs() - face["head_width"]) / 0.12
    down = (scene.v - face["eye_height"] - 0.1) / 0.2
    return paint(canvas, 0.85 * face["skin"], (2.5 * bump(side, down)).clamp_(max=1))


def skin(scene: Scene) -> Tensor:
    """Skin of the whole canvas, before light: tone, a blotch, and the shade of eye sockets, nose and chin."""
    face, x, y = scene.face, scene.x, scene.y
    eye_side = x.abs() - face["eye_distance"]
    blotch = face["blotch"] * bump((x - face["blotch_x"]) / 0.7, (y - face["blotch_y"]) / 0.7)
    sockets = -0.16 * bump(eye_side / 0.26, (y - face["eye_height"] + 0.03) / 0.2)
    ridge = 0.1 * bump(x / 0.09, (y - 0.02) / 0.32)
    return face["skin"] * (1 + blotch + sockets + ridge)


def light(scene: Scene, radius_squared: Tensor) -> Tensor:
    """Factor by which the light brightens or darkens the head."""
    face = scene.face
    return 1 + face["light_x"] * scene.u / face["head_width"] + face["light_y"] * scene.v - face["roundness"] * radius_squared


def creases(canvas: Tensor, scene: Scene) -> Tensor:
    """Folds and bulges of the skin that come with action units 1, 4, 6, 9, 10, 12, 14 and 17."""
    face, au, x, y = scene.face, scene.au, scene.x, scene.y
    side = x.abs()
    furrow = 0.45 * au["AU4"] * bump((side - 0.045) / 0.05, (y - face["eye_height"] + 0.17) / 0.13)
    forehead = 0.18 * au["AU1"] * bump(x / 0.34, (y - face["eye_height"] + 0.47) / 0.05)
    wrinkle = 0.4 * au["AU9"] * bump((side - 0.1) / 0.07, (y - face["eye_height"] - 0.05) / 0.1)
    cheek = 0.22 * au["AU6"] * bump((side - 0.36) / 0.2, (y - face["eye_height"] - 0.27) / 0.13)
    fold_depth = face["folds"] + 0.38 * torch.maximum(au["AU12"], torch.maximum(au["AU10"], 0.9 * au["AU9"])) + 0.1 * au["AU14"]
    fold_at = 0.13 + 0.62 * (y - face["nose_length"]) + 0.05 * au["AU12"]
    fold = fold_depth * bump((side - fold_at) / 0.075, (y - face["nose_length"] - 0.12) / 0.19)
    chin = au["AU17"] * bump(x / 0.2, (y - face["mouth_height"] - 0.17) / 0.06)
    return canvas * (1 + cheek - furrow - forehead - wrinkle - fold - 0.3 * chin)


def nose(canvas: Tensor, scene: Scene) -> Tensor:
    """Shade under the nose, nostrils and a highlight on the tip; AU9 shortens and widens it."""
    face, au, x, y = scene.face, scene.au, scene.x, scene.y
    down = y - face["nose_length"] + 0.05 * au["AU9"]
    width = face["nose_width"] * (1 + 0.2 * au["AU9"] + 0.1 * au["AU12"])
    under = 0.3 * bump(x / (1.7 * width), (down - 0.02) / 0.08)
    nostrils = 0.5 * bump((x.abs() - 0.62 * width) / 0.06, down / 0.045)
    flank = 0.22 * bump((x + face["light_x"] * 0.3) / 0.12, (down + 0.13) / 0.2)
    tip = 0.16 * bump(x / 0.08, (down + 0.06) / 0.07)
    return canvas * (1 + tip - under - nostrils - flank * face["light_x"].abs() * 2)


def beard(canvas: Tensor, scene: Scene, radius_squared: Tensor) -> Tensor:
    """Beard on cheeks and chin and moustache under the nose, in the hair's tone, thin enough to let skin through."""
    face, x, y = scene.face, scene.x, scene.y
    low = ((y - 0.12 - 0.16 * (1 - x * x * 4).clamp_(min=0)) / 0.25).clamp_(0, 1)
    cover = face["beard"] * low * ((radius_squared - 0.12) * 2.7).clamp_(0, 1)
    lip = (y - face["mouth_height"] + 0.115 + 0.02 * scene.au["AU10"]) / 0.075
    cover = torch.maximum(cover, face["moustache"] * (1 - x * x / 0.11 - lip * lip).clamp_(min=0))
    return paint(canvas, 0.8 * face["hair"], cover)


def hair_in_front(canvas: Tensor, scene: Scene) -> Tensor:
    """The cap of hair above a curved hairline; absent on bald heads."""
    face, u, v = scene.face, scene.u, scene.v
    width, height = face["head_width"] + 0.7 * face["hair_volume"], face["head_top"] + face["hair_volume"]
    squared = (u / width) * (u / width) + (v / height) * (v / height)
    edge = face["hairline"] + face["hairline_curve"] * u * u + face["hair_part"] * u
    cap = inside(torch.maximum((squared - 1) * (0.5 * width), v - edge), 2 * scene.blur)
    return paint(canvas, face["hair"], cap * face["hair_amount"])


def glasses(canvas: Tensor, scene: Scene) -> Tensor:
    """Dark rims around the eyes and a bridge; absent where ``glasses`` is 0."""
    face, x, y = scene.face, scene.x, scene.y
    side = (x.abs() - face["eye_distance"]) / 1.25
    down = y - face["eye_height"] - 0.01
    rim = ((side * side + down * down - _RIM_RADIUS * _RIM_RADIUS) / (2 * _RIM_RADIUS)).abs_() - 0.012
    bridge = torch.maximum(x.abs() - face["eye_distance"] + 0.2, (down + 0.02).abs() - 0.012)
    return paint(canvas, 0.12 * face["skin"], inside(torch.minimum(rim, bridge), scene.blur) * face["glasses"])
