"""What metrics read: the scored sources, the rows of faces, votes and features, each made once and only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar, TypeVarTuple

import torch
from torch import Tensor

from ganzoo.data.base import Dataset
from ganzoo.errors import GanzooError
from ganzoo.evaluation.backbones import BACKBONES, NO_JUDGES, Judges, JudgeVotes
from ganzoo.evaluation.features import Backbone, Faces, FeatureStore, NotAvailable, Pool
from ganzoo.evaluation.grid import Grid, class_counts, content_ranks, first_of_each_class, off_diagonal_grid
from ganzoo.evaluation.passages import probed_sources
from ganzoo.evaluation.rows import VARIED_SOURCES, Row
from ganzoo.evaluation.settings import EvaluationSettings
from ganzoo.evaluation.translate import Progress

Made = TypeVar("Made")
Key = TypeVarTuple("Key")


class EvaluationContext:
    """What metrics share.

    Args:
        dataset: Gives sources, reference and, perhaps, true answers.
        judges: The panel; None where there is none.
        settings: What is scored.
        device: Where networks work.
        progress: Told how far things are.

    Attributes:
        rows: Name -> row, filled by the evaluator; ``model`` is the one that is scored.
        split_pool: All images of the scored split.
        source_index: Which of them are sources, int64 ``(S,)``, ascending.
        labels: Class of each source, int64 ``(S,)``.
        grid: Every source with every class but its own.
    """

    def __init__(
        self,
        dataset: Dataset,
        judges: Judges | None,
        settings: EvaluationSettings,
        device: torch.device | str = "cpu",
        progress: Progress | None = None,
    ) -> None:
        if dataset.num_classes < 2:
            raise GanzooError(f"'{dataset.name}' has {dataset.num_classes} class; translation needs at least 2.")
        if judges is not None and tuple(judges.class_names) != dataset.class_names:
            raise GanzooError(f"The judges know {judges.class_names}, in this order; the data has {dataset.class_names}.")
        self.dataset, self.judges, self.settings, self.device, self.progress = dataset, judges, settings, device, progress
        self.split = dataset.splits[settings.split]
        self.rows: dict[str, Row] = {}
        self._backbones: dict[str, Backbone | NotAvailable] = {}
        self._stores: dict[tuple[str, Pool], FeatureStore] = {}
        self._made: dict[tuple[object, tuple[object, ...]], Any] = {}
        self.split_pool = Pool(self.split.images, fixed=True)
        self.source_index = self._choose_sources()
        self.labels = self.split.labels[self.source_index]
        self.grid: Grid = off_diagonal_grid(self.labels, dataset.num_classes)

    @property
    def num_classes(self) -> int:
        return self.dataset.num_classes

    @cached_property
    def ranks(self) -> Tensor:
        """The order, by content, in which images of the split are chosen, int64 ``(N,)``."""
        return content_ranks(self.split.images, "sources")

    def _choose_sources(self) -> Tensor:
        limit = self.settings.max_sources
        if limit is None or limit >= len(self.split):
            return torch.arange(len(self.split))
        if limit < self.num_classes:
            raise GanzooError(f"max_sources must be at least the number of classes, {self.num_classes}, not {limit}.")
        chosen = first_of_each_class(self.split.labels, self.ranks, limit // self.num_classes, self.num_classes)
        return chosen.sort().values

    @cached_property
    def source_faces(self) -> Faces:
        """The untouched sources, ``(S,)``."""
        return Faces(self.split_pool, self.source_index, self.labels)

    @cached_property
    def source_of_pair(self) -> Faces:
        """The untouched source of each pair, ``(P,)``, with the class that it is to be given."""
        return Faces(self.split_pool, self.source_index[self.grid.position], self.grid.target)

    @cached_property
    def varied_pairs(self) -> Tensor:
        """Pairs of the grid whose translations are made several times: those of a few sources of each class, int64 ``(V,)``."""
        return self._pairs_of(VARIED_SOURCES)

    @cached_property
    def probed_pairs(self) -> Tensor:
        """Pairs of the grid whose cycles are made along every passage, int64 ``(p,)``: those of `probed_sources`."""
        return self._pairs_of(max(1, probed_sources(self.settings.max_sources) // self.num_classes))

    def _pairs_of(self, sources_per_class: int) -> Tensor:
        """Pairs of the grid with the first sources, by content, of each class."""
        ranks = self.ranks[self.source_index]
        chosen = first_of_each_class(self.labels, ranks, sources_per_class, self.num_classes)
        return torch.isin(self.grid.position, chosen).nonzero().squeeze(1)

    def at_pairs(self, pairs: Tensor, values: Tensor) -> Tensor:
        """A column of the per-image table with values for ``pairs``, int64 ``(p,)``, alone: float64 ``(P,)``, else NaN."""
        column = torch.full((len(self.grid),), torch.nan, dtype=torch.float64)
        column[pairs] = values.double()
        return column

    @cached_property
    def counterfactuals(self) -> Faces:
        """The true answer of each pair, ``(P,)``.

        Raises:
            NotAvailable: The dataset does not know it.
        """
        if self.dataset.counterfactual is None:
            raise NotAvailable("the true answer is not known for this data")
        source = self.source_of_pair
        images = self.dataset.counterfactual(self.settings.split, source.index, self.grid.target)
        return Faces(Pool(images, fixed=True), torch.arange(len(images)), self.grid.target)

    @cached_property
    def reference(self) -> Faces:
        """Training faces, the same number of each class."""
        train = self.dataset.train
        count = min(self.settings.reference_per_class, *class_counts(train.labels, self.num_classes))
        chosen = first_of_each_class(train.labels, content_ranks(train.images, "reference"), count, self.num_classes)
        return Faces(Pool(train.images, fixed=True), chosen, train.labels[chosen])

    @cached_property
    def faces_per_class(self) -> int:
        """Faces of each target class in every Fréchet distance of every row.

        The distance depends on the number of faces, so the rows must agree on one: the largest that both the pairs of the
        grid and the held-out real faces can give for every class.
        """
        pairs = class_counts(self.grid.target, self.num_classes)
        return min(*pairs, *class_counts(self.split.labels, self.num_classes))

    def balanced(self, row: Row) -> Faces:
        """``faces_per_class`` faces of each target class of a row, class by class."""
        return row.faces.take(self._balanced_positions(row))

    def balanced_origin(self, row: Row) -> Tensor:
        """The image of the split that each of the ``balanced`` faces came from, int64 ``(M,)``."""
        return row.origin[self._balanced_positions(row)]

    def _balanced_positions(self, row: Row) -> Tensor:
        return first_of_each_class(row.faces.targets, self.ranks[row.origin], self.faces_per_class, self.num_classes)

    def once(self, build: Callable[[EvaluationContext, *Key], Made], *key: *Key) -> Made:
        """What ``build(self, *key)`` gives, made when first asked for: for what several metrics, or rows, have in common."""
        if (build, key) not in self._made:
            self._made[build, key] = build(self, *key)
        made: Made = self._made[build, key]
        return made

    def votes(self, faces: Faces) -> Tensor:
        """What each voter says of faces: probabilities float32 ``(J, M, K)``."""
        judges = self._judges()
        answers = self._store(JudgeVotes(judges), faces.pool).get(faces.index)
        return answers.view(len(answers), len(judges.voter_names), self.num_classes).transpose(0, 1)

    def features(self, backbone: str, faces: Faces) -> Tensor:
        """What a backbone says of faces: float32 ``(M, D)``.

        Raises:
            NotAvailable: The backbone cannot be had here.
        """
        return self._store(self.backbone(backbone), faces.pool).get(faces.index)

    def backbone(self, name: str) -> Backbone:
        """The backbone called ``name``, built when first asked for.

        Raises:
            NotAvailable: It cannot be had here.
        """
        if name not in self._backbones:
            try:
                self._backbones[name] = BACKBONES.get(name)(self)
            except NotAvailable as reason:
                self._backbones[name] = reason
        found = self._backbones[name]
        if isinstance(found, NotAvailable):
            raise found
        return found

    def reason_against(self, need: str, row: Row) -> str | None:
        """Why a need of a metric cannot be served for a row, or None."""
        if need in row.lacks:
            return row.lacks[need]
        try:
            if need == "counterfactuals":
                _ = self.counterfactuals
            elif need == "votes":
                self._judges()
            elif need.startswith("features:"):
                self._enough_faces()
                self.backbone(need.removeprefix("features:"))
        except NotAvailable as reason:
            return str(reason)
        return None

    def _judges(self) -> Judges:
        if self.judges is None:
            raise NotAvailable(NO_JUDGES)
        return self.judges

    def _enough_faces(self) -> None:
        if self.faces_per_class < 2:
            counts = class_counts(self.split.labels, self.num_classes)
            have = ", ".join(f"{name} {count}" for name, count in zip(self.dataset.class_names, counts, strict=True))
            raise NotAvailable(f"needs at least 2 faces of each class in '{self.settings.split}', which has {have}")

    def _store(self, backbone: Backbone, pool: Pool) -> FeatureStore:
        key = backbone.name, pool
        if key not in self._stores:
            self._stores[key] = FeatureStore(
                backbone,
                pool,
                batch_size=self.settings.batch_size,
                device=self.device,
                precision=self.settings.precision,
                cache=self.settings.cache,
                progress=self.progress,
            )
        return self._stores[key]
