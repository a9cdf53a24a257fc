"""Fakes of several batches from one pass: while only the discriminator learns, the generator's answers to batches to come stand.

From one update of the generator to the next its images for the discriminator's steps can be made together, and are the same:
every device does more at once in less time. The last batch before an update is left to its own step, whose graph the generator
then learns from.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import torch

from ganzoo.models.base import Generator
from ganzoo.training.context import depends_on_asked_alone
from ganzoo.training.phases import ReadyPhase

_IMAGES_ON_CPU, _IMAGES_ELSEWHERE = 16, 64
"""Images in a pass: a processor's caches hold no more at 48 px and 64 channels; a GPU wants fewer and larger pieces of work."""


class Lookahead:
    """How many batches of a stage the generator answers at once.

    Args:
        phases: Of the stage.
        generator: As it is trained.
        batch_size: Fakes per batch.
        device: Where they are made.
    """

    def __init__(self, phases: Sequence[ReadyPhase], generator: Generator, batch_size: int, device: torch.device) -> None:
        self._updates = [phase.settings.every for phase in phases if "generator" in phase.settings.networks]
        wanted = bool(self._updates) and any(phase.always_shows_fakes for phase in phases)
        # One image may not depend on the others, nor a pass on the passes before (statistics, power iterations).
        alone = not generator.spec.couples_batch and next(generator.buffers(), None) is None
        images = _IMAGES_ON_CPU if device.type == "cpu" else _IMAGES_ELSEWHERE
        self._most = images // batch_size if wanted and alone and depends_on_asked_alone(generator) else 1

    def batches(self, step: int) -> int:
        """How many batches, from number ``step`` of the stage on, are answered at once; 1: the step does it itself."""
        unchanged = takewhile(lambda ahead: all((step + ahead + 1) % every for every in self._updates), range(self._most))
        return max(1, len(list(unchanged)))
