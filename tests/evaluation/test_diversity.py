"""Diversity: of a translator whose answers differ by known amounts, of those that have one answer, and beside other scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from ganzoo.data.base import Dataset
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import EvaluationSettings, evaluate
from ganzoo.evaluation.rows import DRAWS, VARIED_SOURCES
from ganzoo.models.base import Generator, GeneratorOutput, GeneratorSpec, StyledGenerator
from ganzoo.runs.schema import MetricsFile
from ganzoo.training.translator import GeneratorTranslator

SETTINGS = EvaluationSettings(inception=False)
STEP = 7


@dataclass
class Varied:
    """Grey faces, lighter by seven grey levels from one draw to the next, and once more for each class up."""

    varies: bool = True
    takes_image: bool = True
    by_class: bool = False

    def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        return torch.zeros_like(images)

    def vary(self, images: Tensor, source: Tensor, target: Tensor, seeds: Tensor) -> Tensor:
        levels = STEP * (seeds % DRAWS) * (1 + target if self.by_class else 1)
        return torch.zeros_like(images) + ((20 + levels) / 127.5 - 1)[:, None, None, None]


def scored(translator: Any, toy: Dataset, judges: Any, **settings: Any) -> MetricsFile:
    return evaluate(translator, toy, judges, replace(SETTINGS, **settings)).metrics


def test_the_mean_difference_between_draws(toy: Dataset, judges: Any) -> None:
    apart = [second - first for first, second in combinations(range(DRAWS), 2)]
    expected = STEP * sum(apart) / len(apart) / 255
    assert scored(Varied(), toy, judges).metrics["diversity"] == pytest.approx(expected, rel=1e-12)
    per_class = scored(Varied(by_class=True), toy, judges).per_class["diversity"]
    assert per_class == {name: pytest.approx(expected * (1 + label)) for label, name in enumerate(toy.class_names)}


def test_a_few_sources_of_each_class_with_every_other_class(toy: Dataset, judges: Any) -> None:
    asked: list[tuple[int, int, int]] = []

    class Asked(Varied):
        def vary(self, images: Tensor, source: Tensor, target: Tensor, seeds: Tensor) -> Tensor:
            asked.extend(zip(seeds.tolist(), source.tolist(), target.tolist(), strict=True))
            return super().vary(images, source, target, seeds)

    whole = scored(Asked(), toy, judges, batch_size=5)
    # Of 6, 9 and 12 sources at most eight of each class, each with two targets.
    assert len(asked) == (6 + VARIED_SOURCES + VARIED_SOURCES) * 2 * DRAWS
    assert len({seed for seed, *_ in asked}) == len(asked) and all(source != target for _, source, target in asked)
    assert whole.metrics["diversity"] == scored(Varied(), toy, judges).metrics["diversity"]


@pytest.mark.parametrize("varies", [False, None])
def test_one_answer_has_no_diversity(toy: Dataset, judges: Any, make_translator: Any, varies: bool | None) -> None:
    metrics = scored(make_translator(1) if varies is None else Varied(varies=varies), toy, judges)
    assert metrics.metrics["diversity"] is None
    assert metrics.reasons["diversity"] == "the generator has neither styles nor noise: one face for each source and expression"


def test_controls_have_no_diversity_and_it_ranks_nothing(toy: Dataset, judges: Any) -> None:
    metrics = scored(Varied(), toy, judges)
    assert {control["diversity"] for control in metrics.controls.values()} == {None}
    assert not metrics.info["diversity"].ranked and metrics.info["diversity"].direction == "none"


class _Styled(StyledGenerator):
    """Adds a quarter of its noise to the face, or the noise of its seed to nothing."""

    spec: ClassVar = GeneratorSpec(condition="index", gives=frozenset({"image", "style"}), noise_size=1)

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.25))

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        return GeneratorOutput(image)

    def style_from_noise(self, noise: Tensor, condition: Tensor) -> Tensor:
        return self.gain * noise

    def style_of(self, image: Tensor, condition: Tensor) -> Tensor:
        return image.flatten(1).mean(1, keepdim=True)

    def restyle(self, image: Tensor, style: Tensor) -> GeneratorOutput:
        return GeneratorOutput(image + style[:, :, None, None])


class _Noisy(Generator):
    """A grey face as light as its noise, whatever is wanted."""

    spec: ClassVar = GeneratorSpec(condition="index", takes_image=False, noise_size=1, noise="uniform")

    def forward(self, source: Tensor, condition: Tensor) -> GeneratorOutput:
        return GeneratorOutput(source[:, :, None, None].expand(-1, 1, 8, 8))


def _translator(generator: Generator, toy: Dataset) -> GeneratorTranslator:
    return GeneratorTranslator(generator, toy.class_names, torch.device("cpu"))


def test_styles_and_noise_are_varied_and_plain_translation_is_not() -> None:
    names, device = ("angry", "happy", "sad"), torch.device("cpu")
    assert GeneratorTranslator(_Styled(), names, device).varies and GeneratorTranslator(_Noisy(), names, device).varies
    plain = GeneratorTranslator(_Plain(), names, device)
    assert not plain.varies
    with pytest.raises(GanzooError, match="neither styles nor noise"):
        plain.vary(torch.zeros(1, 1, 8, 8), torch.tensor([0]), torch.tensor([1]), torch.tensor([3]))


class _Plain(Generator):
    spec: ClassVar = GeneratorSpec(condition="index")

    def forward(self, source: Tensor, condition: Tensor) -> GeneratorOutput:
        return GeneratorOutput(source)


def test_a_seed_gives_one_style_whatever_the_other_faces_are(toy: Dataset) -> None:
    translator, faces = _translator(_Styled(), toy), torch.zeros(3, 1, 8, 8)
    labels, seeds = torch.tensor([0, 1, 2]), torch.tensor([4, 5, 4])
    together = translator.vary(faces, labels, labels.roll(1), seeds)
    assert torch.equal(together[0], together[2]) and not torch.equal(together[0], together[1])
    torch.testing.assert_close(translator.vary(faces[1:2], labels[:1], labels[:1], seeds[1:2])[0], together[1])
    torch.testing.assert_close(translator(faces[:1], labels[:1], labels[:1], style=4)[0], together[0])


def test_known_diversity_of_noise(toy: Dataset, judges: Any) -> None:
    # Two uniform draws from (-1, 1) are 2/3 apart on average, 1/3 on [0, 1].
    metrics = scored(_translator(_Noisy(), toy), toy, judges)
    assert metrics.metrics["diversity"] == pytest.approx(1 / 3, abs=0.05)
    assert metrics.metrics["l1_edit"] is None and "noise to image" in metrics.reasons["l1_edit"]


@pytest.mark.parametrize("generator", [_Styled, _Noisy])
def test_no_other_number_changes(toy: Dataset, judges: Any, generator: type[Generator]) -> None:
    names = ("acc", "fd_judge", "l1_cycle", "l1_self", "l1_edit", "l1_paired")
    torch.manual_seed(0)
    without = scored(_translator(generator(), toy), toy, judges, metrics=names)
    beside = scored(_translator(generator(), toy), toy, judges, metrics=("diversity", *names))
    assert {name: beside.metrics[name] for name in names} == without.metrics
    assert beside.metrics["diversity"] and beside.metrics["diversity"] > 0
