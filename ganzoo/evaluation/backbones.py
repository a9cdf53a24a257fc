"""The networks that describe faces: the judges, their features, Inception, DINOv2. Other packages add theirs by entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.evaluation.features import Backbone, NotAvailable
from ganzoo.registry import Registry
from ganzoo.runs.fingerprint import fingerprint

if TYPE_CHECKING:
    from ganzoo.evaluation.context import EvaluationContext

NO_JUDGES = "no judges for this data; 'ganzoo judge train --data ...' makes them"

BACKBONES: Registry[Callable[[EvaluationContext], Backbone]] = Registry(
    "backbone",
    "ganzoo.backbones",
    {
        "judge": "ganzoo.evaluation.backbones",
        "inception": "ganzoo.evaluation.backbones",
        "dinov2": "ganzoo.evaluation.backbones",
        "identity": "ganzoo.evaluation.identity_network",
    },
    listed=False,
)
"""Name -> function that builds it for an evaluation, or raises `NotAvailable` with the reason."""


class Judges(Protocol):
    """The panel of judges as the evaluation sees it; all methods take uint8 ``(N, C, H, W)``.

    Attributes:
        card: How they were made.
        class_names: The classes of their answers, in order.
        weight_hashes: Network -> SHA-256 of its weights.
        voter_names: Names of the voters, in the order of ``each``.
    """

    @property
    def card(self) -> BaseModel: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def weight_hashes(self) -> Mapping[str, str]: ...

    @property
    def voter_names(self) -> tuple[str, ...]: ...

    def each(self, images: Tensor) -> Tensor:
        """Each voter's probabilities, float32 ``(J, N, K)``; the vote is their mean."""
        ...

    def features(self, images: Tensor) -> Tensor:
        """Features of a network that does not vote, float32 ``(N, D)``."""
        ...


class JudgeFeatures:
    """What the judge that does not vote sees in faces."""

    name = "judge"

    def __init__(self, judges: Judges) -> None:
        self._judges = judges
        self.identity = f"judge:{judges_identity(judges)}"

    def __call__(self, images: Tensor) -> Tensor:
        return self._judges.features(images)


class JudgeVotes:
    """All voters' probabilities side by side: float32 ``(N, J * K)``."""

    name = "votes"

    def __init__(self, judges: Judges) -> None:
        self._judges = judges
        self.identity = f"votes:{judges_identity(judges)}"

    def __call__(self, images: Tensor) -> Tensor:
        return self._judges.each(images).transpose(0, 1).flatten(1)


def judges_identity(judges: Judges) -> str:
    """Hash of everything the judges' answers depend on: weights, card (temperatures, views, sizes) and classes asked for."""
    return fingerprint(
        {
            "weights": dict(judges.weight_hashes),
            "card": judges.card.model_dump(mode="json"),
            "classes": list(judges.class_names),
            "voters": list(judges.voter_names),
        }
    )


@BACKBONES.register("judge")
def judge_features(context: EvaluationContext) -> Backbone:
    """The features of the panel's judge that does not vote."""
    if context.judges is None:
        raise NotAvailable(NO_JUDGES)
    return JudgeFeatures(context.judges)


@BACKBONES.register("inception")
def inception(context: EvaluationContext) -> Backbone:
    """Inception-2015, where it is wanted and its weights are to be had."""
    if not context.settings.inception:
        raise NotAvailable("not asked for: these settings (the quick preset's, for one) leave Inception out")
    from ganzoo.evaluation.inception import Inception, find_weights  # torch-fidelity takes seconds to import

    try:
        return Inception(find_weights(context.settings.inception_weights), context.device)
    except GanzooError as error:  # a wrong file must not cost a finished training its other scores
        raise NotAvailable(str(error)) from error


@BACKBONES.register("dinov2")
def dinov2(context: EvaluationContext) -> Backbone:
    """DINOv2, where a file of its weights was named."""
    from ganzoo.evaluation.dinov2 import WAY_OUT, DinoV2

    weights = context.settings.dinov2_weights
    if weights is None:
        raise NotAvailable(f"no DINOv2 weights. {WAY_OUT}")
    try:
        return DinoV2(weights, context.device)
    except GanzooError as error:
        raise NotAvailable(str(error)) from error
