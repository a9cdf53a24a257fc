"""Keeping the best state of a generator by a score on the validation part: early stopping for whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ganzoo.runs.schema import Selected

LOOKS_PER_RUN = 10


class Selection:
    """The best state so far by one metric.

    Args:
        metric: Its name.
        score: Scores the generator as it is now.
        is_better: Whether the first value is better than the second.
    """

    def __init__(self, metric: str, score: Callable[[], float], is_better: Callable[[float, float], bool]) -> None:
        self.metric, self.score, self.is_better = metric, score, is_better
        self.best: Selected | None = None
        self._weights: dict[str, Tensor] = {}

    def look(self, generator: nn.Module, step: int, images: int) -> None:
        """Scores the generator, which has come so far, and keeps its state where that is the best; of equals the first."""
        value = self.score()
        if self.best is None or self.is_better(value, self.best.value):
            self.best = Selected(metric=self.metric, value=value, step=step, images=images)
            self._weights = {name: tensor.detach().cpu().clone() for name, tensor in generator.state_dict().items()}

    def restore(self, generator: nn.Module) -> None:
        """Brings the generator back to its best state; without a look yet it stays as it is."""
        if self.best is not None:
            generator.load_state_dict(self._weights)

    def state(self) -> dict[str, Any] | None:
        """What a checkpoint must hold of it."""
        return None if self.best is None else {"best": self.best.model_dump(), "weights": self._weights}

    def load_state(self, state: dict[str, Any] | None) -> None:
        """Continues from a state of :meth:`state`."""
        if state is not None:
            self.best, self._weights = Selected(**state["best"]), state["weights"]
