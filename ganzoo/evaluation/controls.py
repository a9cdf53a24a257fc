"""The rows: the model's, and the controls that need no training and show what a score is worth.

Adding a control is adding a `Row` and naming it in `control_rows`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from ganzoo.data.base import Split
from ganzoo.data.pixels import to_minus1_1, to_uint8
from ganzoo.evaluation.context import EvaluationContext
from ganzoo.evaluation.features import Faces, Pool
from ganzoo.evaluation.grid import class_counts
from ganzoo.evaluation.nearest import nearest_of_class
from ganzoo.evaluation.passages import PASSAGES
from ganzoo.evaluation.rows import DRAWS, MODEL, Row
from ganzoo.evaluation.translate import Translator, has_variants, there_and_back, translate

NOISE_TO_IMAGE = "the generator takes no source face (noise to image)"
ONE_ANSWER = "the generator has neither styles nor noise: one face for each source and expression"
REAL_FACES = "real faces are not translations"
NO_GENERATOR = "only a generator can hide something on the way"


class PairedRow(Row):
    """A row with one face for each pair of the grid."""

    def __init__(self, context: EvaluationContext) -> None:
        self.context = context

    @property
    def origin(self) -> Tensor:
        return self.context.source_of_pair.index

    def _seeds(self, pairs: Tensor) -> Tensor:
        """A seed of its own for each of some pairs, int64 ``(p,)``."""
        # Small numbers, none twice: torch's generators on the CPU read the lower 32 bits of a seed alone.
        return self.context.source_of_pair.index[pairs] * self.context.num_classes + self.context.grid.target[pairs]


class ModelRow(PairedRow):
    """The faces of the generator that is scored.

    ``cycles`` starts from the rounded translations, so that nothing can be handed over in fractions of a grey level.
    """

    name = MODEL

    def __init__(self, context: EvaluationContext, translator: Translator) -> None:
        super().__init__(context)
        self.translator = translator
        self.lacks = {} if translator.takes_image else dict.fromkeys(("sources", "selfs", "cycles", "passages"), NOISE_TO_IMAGE)
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
        seeds = self._seeds(pairs) * DRAWS
        return tuple(self._translate("styles", sources, grid.source[pairs], targets, seeds + draw) for draw in range(DRAWS))

    @cached_property
    def passages(self) -> Mapping[str, Faces]:
        context, grid, pairs = self.context, self.context.grid, self.context.probed_pairs
        sources = context.source_of_pair.take(pairs)
        results = there_and_back(
            self.translator,
            sources.pool.images,
            grid.source[pairs],
            grid.target[pairs],
            PASSAGES,
            self._seeds(pairs),
            index=sources.index,
            batch_size=context.settings.batch_size,
            device=context.device,
            progress=context.progress,
        )
        return {name: _own_pool(images, grid.source[pairs]) for name, images in results.items()}

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
        return _own_pool(images, target)


class RealRow(Row):
    """Held-out real faces of each class: the ceiling of accuracy and the floor of distances at this number of faces."""

    name = "real"
    lacks = dict.fromkeys(("translations", "sources", "selfs", "cycles", "passages", "counterfactuals"), REAL_FACES)

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

    @cached_property
    def passages(self) -> Mapping[str, Faces]:
        pairs = self.context.probed_pairs
        images, seeds = to_minus1_1(self.context.source_of_pair.take(pairs).images), self._seeds(pairs)
        ways = {name: to_uint8(passage(images, seeds)) for name, passage in PASSAGES.items()}
        return {name: _own_pool(seen, self.context.grid.source[pairs]) for name, seen in ways.items()}


class NearestRealRow(PairedRow):
    """The most similar face of ``val`` (of ``test``, where ``val`` is scored) that shows what is asked for.

    A real expression, and somebody else.
    """

    name = "nearest-real"
    lacks = {"passages": NO_GENERATOR}

    def __init__(self, context: EvaluationContext) -> None:
        super().__init__(context)
        self._others = _other_part(context)
        self._pool = Pool(self._others.images, fixed=True)

    @cached_property
    def faces(self) -> Faces:
        return self._nearest(self.context.source_of_pair, self.context.grid.target)

    @cached_property
    def selfs(self) -> Faces:
        return self._nearest(self.context.source_faces, self.context.labels)

    @cached_property
    def cycles(self) -> Faces:
        return self._nearest(self.faces, self.context.grid.source)

    def _nearest(self, start: Faces, wanted: Tensor) -> Faces:
        questions, place = torch.stack([start.index, wanted], dim=1).unique(dim=0, return_inverse=True)
        queries, classes = start.pool.images[questions[:, 0]], questions[:, 1]
        found = nearest_of_class(queries, classes, self._pool.images, self._others.labels)
        return Faces(self._pool, found[place], wanted)


class OracleRow(PairedRow):
    """The true answer, where the dataset knows it; asked for the class a face has, it gives the face back."""

    name = "oracle"
    lacks = {"passages": NO_GENERATOR}

    @property
    def faces(self) -> Faces:
        return self.context.counterfactuals

    @property
    def selfs(self) -> Faces:
        return self.context.source_faces

    @property
    def cycles(self) -> Faces:
        return self.context.source_of_pair


def _own_pool(images: Tensor, targets: Tensor) -> Faces:
    """Faces that were made just now, uint8 ``(M, C, H, W)``."""
    return Faces(Pool(images, fixed=False), torch.arange(len(images)), targets)


def _other_part(context: EvaluationContext) -> Split:
    """The held-out part that is not scored."""
    return context.dataset.test if context.settings.split == "val" else context.dataset.val


def control_rows(context: EvaluationContext) -> list[Row]:
    """The controls that this dataset has."""
    dataset = context.dataset
    rows: list[Row] = [RealRow(context), NoEditRow(context)]
    if min(class_counts(_other_part(context).labels, context.num_classes)) > 0:
        rows.append(NearestRealRow(context))
    return [*rows, OracleRow(context)] if dataset.counterfactual is not None else rows
