"""Expressions as action units: their names, what they move, and the prototype of each emotion.

The seventeen units and their order are those of OpenFace (Baltrusaitis et al., FG 2018). The prototypes follow EMFACS and
table 11-1 of the FACS investigator's guide (Ekman, Friesen, Hager, 2002), with intensities in [0, 1] chosen for this project.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ganzoo.data.naming import expression_of
from ganzoo.errors import GanzooError, did_you_mean

AU_EFFECTS: Mapping[str, str] = {
    "AU1": "inner brow raiser: inner ends of the brows and of the upper lids go up, lines across the middle of the forehead",
    "AU2": "outer brow raiser: outer ends of the brows go up",
    "AU4": "brow lowerer: brows go down, most at their inner ends, and together; furrows between them",
    "AU5": "upper lid raiser: the upper lid goes up, the iris stands free",
    "AU6": "cheek raiser: the lower lid goes up and bulges, cheeks lift and catch light",
    "AU7": "lid tightener: both lids close in, the lower one straightens",
    "AU9": "nose wrinkler: the nose shortens, wrinkles beside its root, inner brows go down a little",
    "AU10": "upper lip raiser: the middle of the upper lip goes up, the folds beside the nose deepen",
    "AU12": "lip corner puller: corners go up and apart, the folds beside the nose deepen",
    "AU14": "dimpler: a dimple beside each corner of the mouth",
    "AU15": "lip corner depressor: corners go down, a shadow below each",
    "AU17": "chin raiser: the lower lip goes up, the boss of the chin bulges under a crease",
    "AU20": "lip stretcher: corners go straight apart",
    "AU23": "lip tightener: lips get thin, the mouth gets narrow",
    "AU25": "lips part: a gap opens, with teeth where the lips are drawn up or apart",
    "AU26": "jaw drop: chin and lower lip go down, the opening gets round",
    "AU45": "blink: the upper lid comes down",
}
AU_NAMES: tuple[str, ...] = tuple(AU_EFFECTS)

EMFACS_PROTOTYPES: Mapping[str, Mapping[str, float]] = {
    "angry": {"AU4": 0.9, "AU5": 0.4, "AU7": 0.7, "AU23": 0.7},
    "disgust": {"AU4": 0.3, "AU9": 0.8, "AU10": 0.7, "AU15": 0.4, "AU17": 0.5},
    "fear": {"AU1": 0.8, "AU2": 0.5, "AU4": 0.6, "AU5": 0.7, "AU7": 0.4, "AU20": 0.7, "AU25": 0.5, "AU26": 0.4},
    "happy": {"AU6": 0.7, "AU12": 0.9, "AU25": 0.9},
    "neutral": {},
    "sad": {"AU1": 0.7, "AU4": 0.6, "AU15": 0.8, "AU17": 0.4},
    "surprise": {"AU1": 0.8, "AU2": 0.8, "AU5": 0.7, "AU25": 0.7, "AU26": 0.8},
}
EMOTIONS: tuple[str, ...] = tuple(EMFACS_PROTOTYPES)

# One number for the strength of a face's expression, then one per unit for how that unit departs from the prototype.
VARIATION_WIDTH = 1 + len(AU_NAMES)
_WEAKEST, _STRONGEST = 0.5, 1.2
_RELATIVE_DEPARTURE = 0.55
_STRAY_ACTIVITY = 0.25


def class_prototypes(class_names: Sequence[str] = EMOTIONS) -> Tensor:
    """Prototypes of the named emotions: float32 ``(K, 17)`` in [0, 1], columns in the order of ``AU_NAMES``.

    Names count in any case and by any known synonym (``Happiness``).

    Raises:
        GanzooError: An emotion has no prototype.
    """
    rows = []
    for name in class_names:
        emotion = expression_of(name)
        if emotion is None or emotion not in EMFACS_PROTOTYPES:
            hint = did_you_mean(name, EMOTIONS)
            raise GanzooError(f"No action-unit prototype for '{name}'.{hint} There is one for each of {', '.join(EMOTIONS)}.")
        rows.append([EMFACS_PROTOTYPES[emotion].get(unit, 0.0) for unit in AU_NAMES])
    return torch.tensor(rows, dtype=torch.float32).reshape(len(rows), len(AU_NAMES))


def vary_prototypes(draws: Tensor) -> Tensor:
    """Turns draws into action units: how each face shows each emotion.

    Every face shows an emotion with its own strength (0.5 to 1.2 of the prototype); active units depart from it by up to
    0.55 of their value, and every unit has up to 0.25 of stray activity, mostly much less.

    Args:
        draws: Uniform numbers in [0, 1), float32 ``(N, 7, VARIATION_WIDTH)``.

    Returns:
        Action units, float32 ``(N, 7, 17)`` in [0, 1].
    """
    strength = _WEAKEST + (_STRONGEST - _WEAKEST) * draws[..., :1]
    unit = draws[..., 1:]
    departure = 1 + _RELATIVE_DEPARTURE * (2 * unit - 1)
    # The cube keeps most stray activity near zero; it uses the same draw, so a strong unit also strays upwards.
    stray = _STRAY_ACTIVITY * unit * unit * unit
    return (class_prototypes() * strength * departure + stray).clamp(0, 1)
