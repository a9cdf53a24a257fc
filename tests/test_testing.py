"""The conformance checks catch networks and recipes that are broken on purpose, each by its own check and in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ganzoo.checking import print_checks
from ganzoo.errors import GanzooError
from ganzoo.models.base import DiscriminatorOutput, Generator, GeneratorOutput, GeneratorSpec
from ganzoo.models.blocks import tile_condition
from ganzoo.models.stargan import PatchClassifier
from ganzoo.registry import DISCRIMINATORS, GENERATORS
from ganzoo.testing import NETWORK_CHECKS, RECIPE_CHECKS

RECIPE = """
generator: {generator}
discriminator: {{name: patch_classifier, width: 4}}
stages:
  - images: 16
    batch_size: 8
    phases:
      - update: discriminator
        terms: {{adversarial: {{loss: hinge}}, classification: 1}}
      - update: generator
        terms: {{adversarial: {{loss: hinge}}, classification: 1, cycle: 10}}
"""


class Sound(Generator):
    """Two convolutions: the smallest generator that passes."""

    spec: ClassVar = GeneratorSpec(condition="onehot")

    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(image_channels + num_classes, 8, 3, 1, 1)
        self.leave = nn.Conv2d(8, image_channels, 3, 1, 1)

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        return GeneratorOutput(self.leave(self.enter(tile_condition(image, condition)).relu()).tanh())


class IgnoresCondition(Sound):
    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        return super().forward(image, torch.zeros_like(condition))


class IgnoresSource(Sound):
    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        return super().forward(torch.zeros_like(image), condition)


class NotFinite(Sound):
    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        return GeneratorOutput(super().forward(image, condition).image / (image.mean() + 1))  # 0 / 0 for a black image


class DeadParameter(Sound):
    def __init__(self, **facts: int) -> None:
        super().__init__(**facts)
        self.unused = nn.Parameter(torch.ones(3))


class ExcusedParameter(DeadParameter):
    spec: ClassVar = GeneratorSpec(condition="onehot", no_gradient=frozenset({"unused"}))


class ExcusesNothing(Sound):
    spec: ClassVar = GeneratorSpec(condition="onehot", no_gradient=frozenset({"unused"}))


class Couples(Sound):
    def __init__(self, **facts: int) -> None:
        super().__init__(**facts)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        return GeneratorOutput(self.leave(self.norm(self.enter(tile_condition(image, condition))).relu()).tanh())


class SaysItCouples(Sound):
    spec: ClassVar = GeneratorSpec(condition="onehot", couples_batch=True)


class OutOfRange(Sound):
    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        return GeneratorOutput(super().forward(image, condition).image + 2)


class WrongShape(Sound):
    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        return GeneratorOutput(super().forward(image, condition).image[:, :, 1:])


class GreyOnly(Sound):
    def __init__(self, *, image_channels: int, image_size_px: int, num_classes: int) -> None:
        super().__init__(image_channels=1, image_size_px=image_size_px, num_classes=num_classes)

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        return super().forward(image[:, :1], condition)


class FourClasses(Sound):
    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        size = image.shape[-1] - (condition.shape[1] > 4)
        return GeneratorOutput(super().forward(image, condition).image[..., :size])


class OneSize(Sound):
    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        return GeneratorOutput(super().forward(image, condition).image[..., :48])


class Forgets(Sound):
    """A weight that is no parameter, so it is not saved."""

    def __init__(self, **facts: int) -> None:
        super().__init__(**facts)
        self.shift = 0.1 * torch.rand(())

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        return GeneratorOutput(super().forward(image, condition).image * (1 - self.shift))


class OwnDice(Sound):
    """Draws its weights from a generator that no seed reaches."""

    dice: ClassVar = torch.Generator().manual_seed(0)

    def __init__(self, **facts: int) -> None:
        super().__init__(**facts)
        nn.init.normal_(self.enter.weight, generator=self.dice)


class NeverLearns(Sound):
    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        made = super().forward(image, condition).image
        return GeneratorOutput(1e-3 * made + 0.5 * image)


class NoSpecTiny(Sound):
    spec: ClassVar = GeneratorSpec(condition="onehot", tiny={"width": 4})


@pytest.fixture
def register() -> Iterator[Callable[[type[Generator]], str]]:
    """Registers a network for the length of a test; built-in ones that it loads stay registered."""
    added: list[str] = []

    def add(network: type[Generator]) -> str:
        GENERATORS.add(network.__name__, network, origin="test")
        added.append(network.__name__)
        return network.__name__

    yield add
    for name in added:
        del GENERATORS._registered[name]
        del GENERATORS._origins[name]


@pytest.mark.parametrize("check", NETWORK_CHECKS.values(), ids=[name.replace(" ", "-") for name in NETWORK_CHECKS])
def test_a_sound_network_passes(register: Any, check: Any) -> None:
    check("generator", register(Sound))


def test_a_parameter_that_the_spec_excuses_passes(register: Any) -> None:
    NETWORK_CHECKS["gradients"]("generator", register(ExcusedParameter))


@pytest.mark.parametrize(
    ("network", "check", "reason"),
    [
        (IgnoresCondition, "condition", "gives the same for classes 0 and 1: it ignores its condition"),
        (IgnoresSource, "source", "is the same for every source"),
        (NotFinite, "finite values", "image of generator 'NotFinite' is not finite in training"),
        (DeadParameter, "gradients", "no gradient reaches unused"),
        (ExcusesNothing, "spec", "has no parameter 'unused'"),
        (Couples, "batch coupling", "couples the samples of a batch in training without saying so"),
        (SaysItCouples, "batch coupling", "says that it couples the samples of a batch, and does not"),
        (OutOfRange, "value range", "beyond its largest value 1"),
        (WrongShape, "shapes", r"gives image of shape \(8, 1, 31, 32\)"),
        (GreyOnly, "channels", r"at 3x32x32, 4 classes: it gives image of shape \(2, 1, 32, 32\)"),
        (FourClasses, "classes", r"5 classes: it gives image of shape \(2, 1, 32, 31\)"),
        (OneSize, "sizes", r"at 1x64x64, 4 classes: it gives image of shape \(2, 1, 64, 48\)"),
        (Forgets, "save and load", "changes when its weights are saved and loaded"),
        (OwnDice, "seed", "enter.weight of generator 'OwnDice' differs between two networks of one seed"),
        (NeverLearns, "overfits", "does not learn one batch"),
        (NoSpecTiny, "spec", "the tiny setting of generator 'NoSpecTiny' has no argument 'width'"),
    ],
)
def test_a_broken_network_is_caught(register: Any, network: type[Generator], check: str, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason) as failure:
        NETWORK_CHECKS[check]("generator", register(network))
    assert "\n" not in str(failure.value)


def test_a_closed_form_that_forward_does_not_follow_is_caught() -> None:
    class Blurred(PatchClassifier):
        def forward(self, image: Tensor) -> DiscriminatorOutput:
            return super().forward(avg_pool2d(image, 3, 1, 1))

    DISCRIMINATORS.add("blurred", Blurred, origin="test")
    try:
        with pytest.raises(AssertionError, match="score_gradient of discriminator .blurred. is not"):
            NETWORK_CHECKS["score gradient"]("discriminator", "blurred")
    finally:
        del DISCRIMINATORS._registered["blurred"]
        del DISCRIMINATORS._origins["blurred"]


def recipe_file(folder: Path, generator: str, change: tuple[str, str] = ("", "")) -> str:
    path = folder / "scratch.yaml"
    path.write_text(RECIPE.format(generator=generator).replace(*change) if change[0] else RECIPE.format(generator=generator))
    return str(path)


@pytest.mark.parametrize("check", RECIPE_CHECKS.values(), ids=[name.replace(" ", "-") for name in RECIPE_CHECKS])
def test_a_sound_recipe_passes(register: Any, tmp_path: Path, check: Any) -> None:
    check(recipe_file(tmp_path, register(Sound)))


@pytest.mark.parametrize(
    ("network", "change", "check", "reason"),
    [
        (Sound, ("update: generator", "update: generator.leave"), "phases", "no phase trains generator.enter.weight"),
        (Sound, ("hinge", "hnige"), "fits together", "Unknown adversarial loss 'hnige'"),
        (DeadParameter, ("", ""), "phases", "no gradient reaches generator.unused in any phase; leave it out .* no_gradient"),
        (NeverLearns, ("classification: 1, cycle: 10", "cycle: 10"), "overfits", "does not fall on one batch"),
    ],
)
def test_a_broken_recipe_is_caught(register: Any, tmp_path: Path, network: Any, change: Any, check: str, reason: str) -> None:
    path = recipe_file(tmp_path, register(network), change)
    with pytest.raises(AssertionError, match=reason):
        RECIPE_CHECKS[check](path)


def test_a_bias_that_cancels_in_the_game_is_explained(register: Any, tmp_path: Path) -> None:
    """Real minus fake takes the bias of the scores away, although a phase updates it."""

    class Biased(PatchClassifier):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.bias = nn.Parameter(torch.zeros(()))

        def forward(self, image: Tensor) -> DiscriminatorOutput:
            output = super().forward(image)
            return output._replace(scores=output.scores + self.bias)

    path = recipe_file(tmp_path, register(Sound), ("patch_classifier", "biased"))
    Path(path).write_text(Path(path).read_text().replace("hinge", "wgan"))
    DISCRIMINATORS.add("biased", Biased, origin="test")
    try:
        with pytest.raises(AssertionError, match=r"no gradient reaches discriminator\.bias in any phase.*bias=False"):
            RECIPE_CHECKS["phases"](path)
    finally:
        del DISCRIMINATORS._registered["biased"]
        del DISCRIMINATORS._origins["biased"]


def printed(recipe: str) -> tuple[bool, list[str]]:
    console = Console(width=200, record=True, force_terminal=False)
    passed = print_checks(recipe, console=console)
    return passed, console.export_text().splitlines()


def test_every_check_is_printed_with_a_tick(register: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passed, lines = printed(recipe_file(tmp_path, register(Sound)))
    number = 2 * len(NETWORK_CHECKS) + len(RECIPE_CHECKS)
    assert passed and lines[-1] == f"All {number} checks passed."
    assert [line[:2] for line in lines[:-1]] == ["✓ "] * number
    assert "\x1b" not in capsys.readouterr().out


def test_a_failed_check_is_printed_with_its_reason(register: Any, tmp_path: Path) -> None:
    passed, lines = printed(recipe_file(tmp_path, register(IgnoresCondition)))
    assert not passed
    assert any(line.startswith("✗ generator IgnoresCondition: condition: ") and "ignores its condition" in line for line in lines)
    failed = sum(line.startswith("✗") for line in lines)
    assert lines[-1] == f"{failed} of {len(lines) - 1} checks failed."


def test_a_network_is_checked_in_another_recipe(register: Any) -> None:
    console = Console(width=200, record=True, force_terminal=False)
    assert not print_checks("dcgan-rec", changes=[f"generator={register(IgnoresCondition)}"], console=console)
    assert "✗ generator IgnoresCondition: condition: " in console.export_text()


def test_a_recipe_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="Unknown recipe 'stragan'. Did you mean 'stargan'"):
        print_checks("stragan")
