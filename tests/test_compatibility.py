"""What cannot run together is refused with every reason at once, before anything is allocated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from ganzoo.compatibility import ImageFacts, check_compatible, find_problems
from ganzoo.config import load_recipe
from ganzoo.errors import GanzooError
from ganzoo.losses.base import BOTH, Need, Side, StepContext
from ganzoo.models.base import DiscriminatorOutput, GeneratorOutput
from ganzoo.models.stargan import PatchClassifier, StarGANGenerator
from ganzoo.overrides import resolve_recipe
from ganzoo.registry import DISCRIMINATORS, GENERATORS, LOSSES, Registry

FER = ImageFacts(image_channels=1, image_size_px=48, num_classes=4)


def _problems(*changes: str, recipe: str = "stargan", images: ImageFacts = FER) -> list[str]:
    return list(find_problems(resolve_recipe(recipe, changes=changes), images))


@pytest.mark.parametrize("generator", ["stargan", "dcgan", "cdcgan"])
@pytest.mark.parametrize("discriminator", ["patch_classifier", "cdcgan"])
def test_any_pair_that_fits_is_allowed(generator: str, discriminator: str) -> None:
    changes = [f"generator={generator}", f"discriminator={discriminator}"]
    terms = "{adversarial: {loss: hinge}}"
    assert _problems(*changes, f"stages.0.phases.0.terms={terms}", f"stages.0.phases.1.terms={terms}") == []


@pytest.mark.parametrize(
    ("recipe", "changes", "expected"),
    [
        ("stargan", ["discriminator=cdcgan"], "term 'gradient_penalty' needs a discriminator that judges each image by itself"),
        ("stargan", ["discriminator=cdcgan"], "term 'classification' needs a discriminator that classifies"),
        ("dcgan", ["discriminator=patch_classifier"], "term 'matching_aware' needs a discriminator that reads the expression"),
        ("stargan", ["generator=cdcgan"], "term 'cycle' needs a generator that translates images; this one starts from noise"),
        ("stargan", ["generator=starga"], "Unknown generator 'starga'. Did you mean 'stargan'?"),
        ("stargan", ["generator.widht=3"], "generator 'stargan' has no argument 'widht'. Did you mean 'width'? It takes: "),
        ("stargan", ["terms.adversarial.loss=wgann"], "Unknown adversarial loss 'wgann'. Did you mean 'wgan'?"),
        ("stargan", ["terms.cycle.weigth=3"], "term 'cycle' has no argument 'weigth'"),
        ("stargan", ["terms.cycle.loss_term=cicle"], "Unknown loss 'cicle'. Did you mean 'cycle'?"),
        ("stargan", ["terms.gradient_penalty.where=here"], "gradient_penalty has no place 'here'. Known: line, real"),
        ("stargan", ["terms.gradient_penalty.reduction=max"], "gradient_penalty has no reduction 'max'"),
        ("stargan", ["stages.0.phases.1.terms.gradient_penalty=1"], "term 'gradient_penalty' cannot train the generator"),
        ("stargan", ["stages.0.phases.0.terms.cycle=1"], "term 'cycle' cannot train the discriminator"),
        ("stargan", ["stages.0.phases.1.update=generater"], "there is no network 'generater' to update"),
        ("stargan", ["stages.0.phases.1.update=[generator, discriminator]"], "give each its own phase"),
        ("stargan", ["optimizers.critic.lr=1"], "optimizers names no network 'critic'"),
        ("stargan", ["generator.width=-4"], "generator 'stargan' needs a whole number that is not negative for 'width', not -4"),
        (
            "stargan",
            ["generator.residual_blocks=-1"],
            "needs a whole number that is not negative for 'residual_blocks', not -1",
        ),
        ("stargan", ["generator.width=0"], "generator 'stargan' needs at least 1 for 'width', not 0"),
        ("cyclegan-c", ["discriminator.width=0"], "discriminator 'cyclegan' needs at least 1 for 'width', not 0"),
        ("stargan", ["generator.width=null"], "generator 'stargan' needs a whole number for 'width', not null"),
        ("stargan", ["generator.width=wide"], "generator 'stargan' needs a whole number for 'width', not 'wide'"),
        ("stargan", ["generator.width=true"], "generator 'stargan' needs a whole number for 'width', not True"),
        ("stargan", ["generator.width=8.5"], "generator 'stargan' needs a whole number for 'width', not 8.5"),
        ("stargan", ["discriminator.depth=6"], "discriminator 'patch_classifier' cannot work with width=64, depth=6"),
        (
            "stargan",
            ["terms.adversarial.image=portrait"],
            "adversarial plays with fake, self_reconstruction or sample, not 'portrait'",
        ),
    ],
)
def test_each_reason_in_words(recipe: str, changes: list[str], expected: str) -> None:
    assert any(expected in problem for problem in _problems(*changes, recipe=recipe)), _problems(*changes, recipe=recipe)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (ImageFacts(1, 50, 4), "generator 'stargan' needs a size that is a multiple of 4 px, not 50"),
        (ImageFacts(1, 4, 4), "generator 'stargan' needs images of at least 8 px, not 4"),
        (ImageFacts(1, 48, 1), "translation needs at least 2 classes, not 1"),
    ],
)
def test_the_data_must_fit(images: ImageFacts, expected: str) -> None:
    assert expected in _problems(images=images)


def test_every_reason_is_given_at_once() -> None:
    recipe = resolve_recipe("stargan", changes=["generator=cdcgan", "discriminator=cdcgan", "terms.cycle.strength=2"])
    with pytest.raises(GanzooError) as caught:
        check_compatible(recipe, ImageFacts(1, 50, 4))
    message = str(caught.value)
    assert message.startswith("Recipe 'stargan' cannot run on this data: ") and "\n" not in message
    for reason in ("generator 'cdcgan' needs a size", "discriminator 'cdcgan' needs a size", "'gradient_penalty' needs",
                   "'classification' needs", "'cycle' has no argument 'strength'"):  # fmt: skip
        assert message.count(reason) == 1


def test_nothing_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    devices: list[str] = []
    original = StarGANGenerator.__init__

    def watched(self: StarGANGenerator, **settings: Any) -> None:
        original(self, **settings)
        devices.extend(parameter.device.type for parameter in self.parameters())

    monkeypatch.setattr(StarGANGenerator, "__init__", watched)
    assert _problems("generator.width=1024") == []
    assert _problems("generator.residual_blocks=0", "discriminator.depth=null") == []
    assert set(devices) == {"meta"}


class _Unlike(StarGANGenerator):
    """Gives pictures of another size than it was given."""

    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        return GeneratorOutput(super().forward(image, condition).image[..., 1:])


class _Bare(StarGANGenerator):
    def forward(self, image: Tensor, condition: Tensor) -> GeneratorOutput:
        return super().forward(image, condition).image  # type: ignore[return-value]


class _OneForAll(PatchClassifier):
    """Judges a batch as if it were one image, and classifies into a class too many."""

    def forward(self, image: Tensor) -> DiscriminatorOutput:
        scores, logits, *_ = super().forward(image)
        assert logits is not None
        return DiscriminatorOutput(scores.mean(0, keepdim=True), torch.cat([logits, logits[:, :1]], 1))


class _Silent(PatchClassifier):
    def forward(self, image: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(super().forward(image).scores.flatten(1).mean(1))


@pytest.mark.parametrize(
    ("role", "network", "expected"),
    [
        ("generator", _Unlike, ["gives image of shape (2, 1, 48, 47), not (2, 1, 48, 48)"]),
        ("generator", _Bare, ["gives a Tensor, not a GeneratorOutput"]),
        (
            "discriminator",
            _OneForAll,
            ["gives scores of shape (1, 1, 3, 3), not (2, 1) or a map of them", "gives class_logits of shape (2, 5), not (2, 4)"],
        ),
        (
            "discriminator",
            _Silent,
            ["gives scores of shape (2,), not (2, 1) or a map of them", "gives no class_logits, which its spec promises"],
        ),
        ("generator", object, ["declares no spec: it must be a GeneratorSpec"]),
    ],
)
def test_outputs_keep_the_shapes_of_the_contract(role: str, network: type, expected: list[str]) -> None:
    registry: Registry[Any] = GENERATORS if role == "generator" else DISCRIMINATORS
    registry.add("odd", network, origin="test")
    try:
        problems = _problems(f"{role}=odd", *([f"{role}.width=16"] if network is not object else []))
    finally:
        del registry._registered["odd"]
    assert problems[: len(expected)] == [f"{role} 'odd' {problem}" for problem in expected]


class _Demanding:
    sides: ClassVar[frozenset[Side]] = BOTH

    def __init__(self, strength: int = 1) -> None:
        if strength < 1:
            raise ValueError(f"strength must be at least 1, not {strength}")

    def needs(self, side: Side) -> frozenset[Need]:
        return frozenset({"fake"})

    def __call__(self, context: StepContext) -> Tensor:
        return context.real.mean()


@pytest.fixture
def demanding() -> Iterator[str]:
    LOSSES.add("demanding", _Demanding, origin="test")
    yield "demanding"
    del LOSSES._registered["demanding"]


def test_a_term_that_refuses_its_arguments_is_a_reason(demanding: str) -> None:
    assert _problems(f"stages.0.phases.1.terms={{{demanding}: {{strength: 2}}}}") == []
    assert _problems(f"stages.0.phases.1.terms={{{demanding}: {{strength: 0}}}}") == [
        "term 'demanding' cannot be built: strength must be at least 1, not 0"
    ]


def test_action_units_need_classes_with_prototypes() -> None:
    check_compatible(load_recipe("ganimation"), FER, ("angry", "happy", "sad", "surprise"))
    with pytest.raises(GanzooError, match="no prototype for the expressions smug"):
        check_compatible(load_recipe("ganimation"), FER, ("angry", "happy", "sad", "smug"))
    check_compatible(load_recipe("ganimation-onehot"), FER, ("angry", "happy", "sad", "smug"))
