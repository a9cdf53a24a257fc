"""Rows: faces to score, a model's or a control's. Every metric is computed alike on all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from ganzoo.evaluation.features import Faces, NotAvailable

MODEL = "model"
"""Name of the row that is scored; every other row is a control."""
VARIED_SOURCES, DRAWS = 8, 6
"""Sources of each class, at most, whose translations are made in several styles or from several draws of noise; and how many."""


class Row(ABC):
    """Faces to score: a model's or a control's.

    Attributes:
        name: ``model``, ``real``, ``no-edit``, ...
        lacks: Need (see `Metric.needs`) -> why this row cannot serve it.
    """

    name: str
    lacks: Mapping[str, str] = {}

    @property
    @abstractmethod
    def faces(self) -> Faces:
        """Faces with the class that each is meant to show; in the order of the grid unless ``translations`` is lacking."""

    @property
    @abstractmethod
    def origin(self) -> Tensor:
        """The image of the split that each face came from, int64 ``(M,)``."""

    @property
    def selfs(self) -> Faces:
        """Sources asked to keep their own class, ``(S,)``."""
        raise NotAvailable(self.lacks.get("selfs", f"'{self.name}' has no such faces"))

    @property
    def cycles(self) -> Faces:
        """Each of ``faces`` asked to go back to the class of its source, ``(P,)``."""
        raise NotAvailable(self.lacks.get("cycles", f"'{self.name}' has no such faces"))

    @property
    def passages(self) -> Mapping[str, Faces]:
        """Passage (see `PASSAGES`) -> ``cycles`` of the probed pairs, ``(p,)``, along it."""
        raise NotAvailable(self.lacks.get("passages", f"'{self.name}' has no such faces"))

    @property
    def variants(self) -> tuple[Faces, ...]:
        """Some pairs of the grid, ``(V,)``, ``DRAWS`` times over: each time in other styles, or from other noise."""
        raise NotAvailable(self.lacks.get("variants", f"'{self.name}' has one face for each pair"))
