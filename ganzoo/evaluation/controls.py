"""The rows: the model's, and the controls that need no training and show what a score is worth.

Adding a control (``nearest-real``, say) is adding a `Row` and naming it in `control_rows`.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.features import Faces, Pool
from ganzoo.evaluation.rows import DRAWS, MODEL, Row
from ganzoo.evaluation.translate import Translator, has_variants, translate

NOISE_TO_IMAGE = "the generator takes no source face (noise to image)"
ONE_ANSWER = "the generator has neither styles nor noise: one face for each source and expression"
REAL_FACES = "real faces are not translations"


class PairedRow(Row):
    """A row with one face for each pair of the grid."""

    def __init__(self, context: EvaluationContext) -> None:
        self.context = context

    @property
    def origin(self) -> Tensor:
        return self.context.source_of_pair.index


class ModelRow(PairedRow):
    """The faces of the generator that is scored.

    ``cycles`` starts from the rounded translations, so that nothing can be handed over in fractions of a grey level.
    """

    name = MODEL

    def __init__(self, context: EvaluationContext, translator: Translator) -> None:
        super().__init__(context)
        self.translator = translator
        self.lacks = {} if translator.takes_image else dict.fromkeys(("sources", "selfs", "cycles"), NOISE_TO_IMAGE)
        if not has_variants(translator):
            self.lacks["variants"] = ONE_ANSWER

    @cached_property
    def faces(self) -> Faces:
        grid, sources = self.context.grid, self.context.source_of_pair
        return self._translate("translate", sources, grid.source, grid.target)

    @cached_property
    def selfs(self) -> Faces:
        sources = self.context.source_faces
        return self._translate("own class", sources, sources.targets, sources.targets)

    @cached_property
    def cycles(self) -> Faces:
        grid = self.context.grid
        return self._translate("translate back", self.faces, grid.target, grid.source)

    @cached_property
    def variants(self) -> tuple[Faces, ...]:
        grid, pairs = self.context.grid, self.context.varied_pairs
        sources, targets = self.context.source_of_pair.take(pairs), grid.target[pairs]
        # Small numbers, none twice: torch's generators on the CPU read the lower 32 bits of a seed alone.
        seeds = (sources.index * self.context.num_classes + targets) * DRAWS
        return tuple(self._translate("styles", sources, grid.source[pairs], targets, seeds + draw) for draw in range(DRAWS))

    def _translate(self, task: str, start: Faces, source: Tensor, target: Tensor, seeds: Tensor | None = None) -> Faces:
        images = translate(
            self.translator,
            start.pool.images,
            source,
            target,
            index=start.index,
            seeds=seeds,
            batch_size=self.context.settings.batch_size,
            device=self.context.device,
            progress=self.context.progress,
            task=task,
        )
        return Faces(Pool(images, fixed=False), torch.arange(len(images)), target)


class RealRow(Row):
    """Held-out real faces of each class: the ceiling of accuracy and the floor of distances at this number of faces."""

    name = "real"
    lacks = dict.fromkeys(("translations", "sources", "selfs", "cycles", "counterfactuals"), REAL_FACES)

    def __init__(self, context: EvaluationContext) -> None:
        self._split = Faces(context.split_pool, torch.arange(len(context.split)), context.split.labels)

    @property
    def faces(self) -> Faces:
        return self._split

    @property
    def origin(self) -> Tensor:
        return self._split.index


class NoEditRow(PairedRow):
    """The source, unchanged: what copying earns."""

    name = "no-edit"

    @property
    def faces(self) -> Faces:
        return self.context.source_of_pair

    @property
    def selfs(self) -> Faces:
        return self.context.source_faces

    @property
    def cycles(self) -> Faces:
        return self.context.source_of_pair


class OracleRow(PairedRow):
    """The true answer, where the dataset knows it; asked for the class a face has, it gives the face back."""

    name = "oracle"

    @property
    def faces(self) -> Faces:
        return self.context.counterfactuals

    @property
    def selfs(self) -> Faces:
        return self.context.source_faces

    @property
    def cycles(self) -> Faces:
        return self.context.source_of_pair


def control_rows(context: EvaluationContext) -> list[Row]:
    """The controls that this dataset has."""
    rows: list[Row] = [RealRow(context), NoEditRow(context)]
    return [*rows, OracleRow(context)] if context.dataset.counterfactual is not None else rows
