"""Translation: the condition a generator is given, and intensities between expressions."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from ganzoo.config import ScorePrecision
from ganzoo.data.expressions import class_prototypes
from ganzoo.errors import GanzooError
from ganzoo.models.base import Generator, GeneratorOutput, GeneratorSpec
from ganzoo.training.translator import GeneratorTranslator

CLASSES = ("angry", "happy", "sad")
FACES = torch.zeros(2, 1, 8, 8)
SOURCE, TARGET = torch.tensor([0, 1]), torch.tensor([1, 2])


class _Listening(Generator):
    """Keeps the condition it was given."""

    spec: ClassVar = GeneratorSpec(condition="action_units", continuous=True)
    heard: Tensor

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        self.heard = condition
        return GeneratorOutput(image)


class _ListeningToDifferences(_Listening):
    spec: ClassVar = GeneratorSpec(condition="difference", continuous=True)


class _ListeningToClasses(_Listening):
    spec: ClassVar = GeneratorSpec(condition="onehot")


class _ListeningBetweenClasses(_Listening):
    spec: ClassVar = GeneratorSpec(condition="onehot", continuous=True)


def _heard(generator: _Listening, source: Tensor | None, intensity: float = 1.0) -> Tensor:
    GeneratorTranslator(generator, CLASSES, torch.device("cpu"))(FACES, source, TARGET, intensity=intensity)
    return generator.heard


def test_action_units_are_the_prototypes_of_the_classes() -> None:
    prototypes = class_prototypes(CLASSES)
    torch.testing.assert_close(_heard(_Listening(), SOURCE), prototypes[TARGET])
    torch.testing.assert_close(_heard(_Listening(), SOURCE, 0.0), prototypes[SOURCE])
    torch.testing.assert_close(_heard(_Listening(), SOURCE, 0.25), 0.25 * prototypes[TARGET] + 0.75 * prototypes[SOURCE])


def test_without_a_source_action_units_start_from_a_neutral_face() -> None:
    torch.testing.assert_close(_heard(_Listening(), None, 0.5), class_prototypes(CLASSES)[TARGET] / 2)


def test_a_difference_is_scaled() -> None:
    whole = torch.tensor([[-1.0, 1, 0], [0, -1, 1]])
    torch.testing.assert_close(_heard(_ListeningToDifferences(), SOURCE), whole)
    torch.testing.assert_close(_heard(_ListeningToDifferences(), SOURCE, 1.5), 1.5 * whole)


def test_classes_are_mixed() -> None:
    torch.testing.assert_close(_heard(_ListeningBetweenClasses(), SOURCE, 0.5)[0], torch.tensor([0.5, 0.5, 0.0]))


@pytest.mark.parametrize(
    ("generator", "source", "intensity", "message"),
    [
        (_ListeningToClasses(), SOURCE, 0.5, "the intensity must be 1, not 0.5"),
        (_ListeningToDifferences(), None, 1.0, "give the present one as source="),
        (_ListeningBetweenClasses(), None, 0.5, "An intensity lies between two expressions"),
    ],
)
def test_what_cannot_be_asked_is_refused(generator: _Listening, source: Tensor | None, intensity: float, message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        _heard(generator, source, intensity)


class _Multiplying(Generator):
    """Multiplies by a weight, and keeps the type of number that it was done in."""

    spec: ClassVar = GeneratorSpec(condition="onehot")
    worked_in: torch.dtype

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 1, 1)

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        product = self.layer(image)
        self.worked_in = product.dtype
        return GeneratorOutput(product)


@pytest.mark.parametrize(("precision", "number"), [("32", torch.float32), ("bf16", torch.bfloat16)])
def test_precision_is_that_of_the_passes_and_never_of_what_comes_out(precision: ScorePrecision, number: torch.dtype) -> None:
    generator = _Multiplying()
    translated = GeneratorTranslator(generator, CLASSES, torch.device("cpu"), precision)(FACES, SOURCE, TARGET)
    assert generator.worked_in == number and translated.dtype == torch.float32
