"""Pictures of rendered people in changing surroundings: what a network that is to recognise a person is trained on.

In the datasets of rendered faces everything but the expression belongs to a face, framing and background too. Here who somebody
is stands apart from how the picture was taken, so that nobody can be recognised by the latter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganzoo.data.expressions import EMOTIONS
from ganzoo.data.face_parameters import IDENTITY_NAMES, FaceParameters, draw_faces
from ganzoo.data.rendering import DEFAULT_SIZE_PX, render

FRAMING = ("shift_x", "shift_y")
SURROUNDINGS = (
    "half_rotation", "scale", "aspect", "yaw", "pitch",
    "light_x", "light_y", "contrast", "brightness", "softness",
    "background", "background_x", "background_y", "spot_x", "spot_y", "spot", "clothes",
    "gaze", "brow_asymmetry", "mouth_asymmetry",
)  # fmt: skip
"""Parameters that say how a picture was taken and what the face does in it, beside ``FRAMING``."""
_FRAMING_JITTER = 0.12
_FIRST_SEED = 2_000_000_000  # far from the seeds of the datasets' faces: nobody is met again there
_TRIAL_SEED = 1_900_000_000
_DRAWS = 4  # independent draws that one batch takes


@dataclass(frozen=True)
class Trials:
    """Pictures that tell by what people are recognised; uint8 ``(N, 1, S, S)`` each.

    Attributes:
        known: Pictures of people, among whom the others are searched.
        same_picture: The same pictures with another expression: the true answer to a change of expression.
        elsewhere: The same people with another expression and other surroundings.
        impostor: Other people with another expression, framed and surrounded like those at their places.
    """

    known: Tensor
    same_picture: Tensor
    elsewhere: Tensor
    impostor: Tensor


def views_of_people(
    count: int, number: int, size_px: int = DEFAULT_SIZE_PX, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Two pictures of each of ``count`` people, with expressions and surroundings drawn anew for every picture.

    All pictures of one batch are framed nearly alike, since otherwise a person would be known by the framing.

    Args:
        count: People.
        number: Which batch; another number gives other people.
        size_px: Side of the pictures.
        device: Where to render.

    Returns:
        First and second pictures, uint8 ``(count, 1, size_px, size_px)`` each, on ``device``.
    """
    seed = _FIRST_SEED + _DRAWS * number
    people = draw_faces(count, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    centre = draw_faces(1, seed + 1).identity[:, _columns(FRAMING)]
    first, second = (_picture(people, seed + 2 + view, centre, generator, size_px, device) for view in range(2))
    return first, second


def recognition_trials(count: int, size_px: int = DEFAULT_SIZE_PX) -> Trials:
    """Trials with ``count`` people whom `views_of_people` never shows."""
    people, strangers = draw_faces(count, _TRIAL_SEED), draw_faces(count, _TRIAL_SEED + 1)
    elsewhere = _taken_as(people, draw_faces(count, _TRIAL_SEED + 2), SURROUNDINGS)
    impostors = _taken_as(strangers, people, (*FRAMING, *SURROUNDINGS))
    generator = torch.Generator().manual_seed(_TRIAL_SEED)
    emotion = torch.randint(len(EMOTIONS), (count,), generator=generator)
    other = (emotion + torch.randint(1, len(EMOTIONS), (count,), generator=generator)) % len(EMOTIONS)
    return Trials(
        _rendered(people, emotion, size_px), *(_rendered(faces, other, size_px) for faces in (people, elsewhere, impostors))
    )


def _picture(
    people: FaceParameters, seed: int, centre: Tensor, generator: torch.Generator, size_px: int, device: torch.device | str
) -> Tensor:
    taken = _taken_as(people, draw_faces(len(people), seed), SURROUNDINGS)
    jitter = _FRAMING_JITTER * (2 * torch.rand(len(people), len(FRAMING), generator=generator) - 1)
    taken.identity[:, _columns(FRAMING)] = centre + jitter
    return _rendered(taken, torch.randint(len(EMOTIONS), (len(people),), generator=generator), size_px, device)


def _taken_as(people: FaceParameters, others: FaceParameters, names: tuple[str, ...]) -> FaceParameters:
    """The same people in pictures taken as those of ``others``."""
    columns, identity = _columns(names), people.identity.clone()
    identity[:, columns] = others.identity[:, columns]
    return FaceParameters(identity, people.expressions)


def _rendered(faces: FaceParameters, emotion: Tensor, size_px: int, device: torch.device | str = "cpu") -> Tensor:
    return render(faces, faces.expressions[torch.arange(len(faces)), emotion], size_px, device)


def _columns(names: tuple[str, ...]) -> list[int]:
    return [IDENTITY_NAMES.index(name) for name in names]
