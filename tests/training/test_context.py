"""The step context: each forward pass happens once, is reused while it is fresh, and carries a graph only where it must."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from ganzoo.models.base import (
    Discriminator,
    DiscriminatorOutput,
    DiscriminatorSpec,
    Generator,
    GeneratorOutput,
    GeneratorSpec,
    PiecewiseLinearDiscriminator,
    StyledGenerator,
    create_discriminator,
)
from ganzoo.registry import DISCRIMINATORS
from ganzoo.training.context import Asked, StepContext

LABELS, TARGETS, CLASSES = torch.tensor([0, 1, 2]), torch.tensor([1, 1, 0]), 3
FAKE = frozenset({"fake"})
NOTHING: frozenset[str] = frozenset()
PIECEWISE_LINEAR = [name for name in DISCRIMINATORS.names() if issubclass(DISCRIMINATORS.get(name), PiecewiseLinearDiscriminator)]


class _CountingGenerator(Generator):
    """Adds its gain and the number of the target to the source; keeps what it was asked."""

    spec: ClassVar = GeneratorSpec(condition="onehot")

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.0))
        self.calls: list[tuple[Tensor, list[int]]] = []

    def forward(self, source: Tensor, condition: Tensor) -> GeneratorOutput:
        self.calls.append((source.detach(), condition.argmax(dim=1).tolist()))
        shift = condition.argmax(dim=1).float().view(-1, *[1] * (source.ndim - 1))
        return GeneratorOutput(self.gain * source + shift)


class _NoiseGenerator(_CountingGenerator):
    spec: ClassVar = GeneratorSpec(condition="onehot", takes_image=False, noise_size=500, noise="uniform")


class _NormalNoiseGenerator(_CountingGenerator):
    spec: ClassVar = GeneratorSpec(condition="onehot", takes_image=False, noise_size=500, noise="normal")


class _CountingDiscriminator(Discriminator):
    spec: ClassVar = DiscriminatorSpec(condition=None)

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0))
        self.calls: list[tuple[Tensor, Any]] = []

    def forward(self, image: Tensor, condition: Tensor | None = None) -> DiscriminatorOutput:
        self.calls.append((image.detach(), None if condition is None else condition.argmax(dim=1).tolist()))
        return DiscriminatorOutput(self.gain * image.flatten(1).mean(dim=1, keepdim=True))


class _ConditionedDiscriminator(_CountingDiscriminator):
    spec: ClassVar = DiscriminatorSpec(condition="onehot")


def _context(
    generator: type[_CountingGenerator] = _CountingGenerator, discriminator: type[_CountingDiscriminator] = _CountingDiscriminator
) -> tuple[StepContext, Any, Any]:
    real = torch.arange(12.0).view(3, 1, 2, 2) / 12
    maker, judge = generator(), discriminator()
    return StepContext(maker, judge, Asked(real, LABELS, TARGETS), CLASSES, torch.Generator().manual_seed(0)), maker, judge


def test_nothing_happens_before_it_is_asked_for() -> None:
    context, maker, judge = _context()
    context.begin("discriminator", NOTHING)
    assert maker.calls == [] and judge.calls == []


@pytest.mark.parametrize("side", ["discriminator", "generator"])
def test_each_forward_pass_happens_once_in_a_phase(side: Any) -> None:
    context, maker, judge = _context()
    context.begin(side, FAKE if side == "generator" else NOTHING)
    for _ in range(3):
        context.generated("fake")
        context.scores("fake")
        context.scores("real")
    assert len(maker.calls) == 1 and len(judge.calls) == 2


def test_what_is_generated_and_from_what() -> None:
    context, maker, _ = _context()
    context.begin("generator", frozenset({"fake", "cycle", "self_reconstruction"}))
    context.generated("cycle")
    context.generated("self_reconstruction")
    (fake_source, fake_target), (cycle_source, cycle_target), (self_source, self_target) = maker.calls
    assert torch.equal(fake_source, context.real) and fake_target == TARGETS.tolist()
    assert torch.equal(cycle_source, context.generated("fake").image) and cycle_target == LABELS.tolist()
    assert torch.equal(self_source, context.real) and self_target == LABELS.tolist()
    assert len(maker.calls) == 3


def test_on_the_discriminators_side_images_carry_no_graph() -> None:
    context, maker, judge = _context()
    context.begin("discriminator", FAKE)  # the generator's phase will follow on the same batch
    assert not context.generated("fake").image.requires_grad
    context.scores("fake").scores.sum().backward()
    assert maker.gain.grad is None and judge.gain.grad is not None


def test_without_a_generators_phase_no_graph_is_kept_at_all() -> None:
    context, _, _ = _context()
    context.begin("discriminator", NOTHING)
    context.generated("fake")
    assert not context._kept["fake", False].value[0].requires_grad


def test_the_fake_is_reused_by_the_generators_phase_and_trains_it() -> None:
    context, maker, judge = _context()
    context.begin("discriminator", FAKE)
    before = context.generated("fake").image
    context.scores("fake")
    context.updated({"discriminator"})
    context.begin("generator", FAKE)
    after = context.generated("fake").image
    assert len(maker.calls) == 1
    assert torch.equal(before, after) and after.requires_grad
    context.scores("fake").scores.sum().backward()
    # d/dgain of sum_n 2 * mean(gain * x_n + shift) is 2 * sum_n mean(x_n).
    assert float(maker.gain.grad) == pytest.approx(2 * float(context.real.flatten(1).mean(dim=1).sum()))


def test_scores_are_made_anew_after_the_discriminator_changed() -> None:
    context, _, judge = _context()
    context.begin("discriminator", NOTHING)
    before = context.scores("real").scores.detach()
    with torch.no_grad():
        judge.gain.mul_(3)
    context.updated({"discriminator"})
    assert torch.allclose(context.scores("real").scores, 3 * before)


def test_images_are_made_anew_after_the_generator_changed() -> None:
    context, maker, judge = _context()
    context.begin("generator", FAKE)
    before = context.scores("fake").scores.detach()
    context.scores("real")
    with torch.no_grad():
        maker.gain.mul_(2)
    context.updated({"generator"})
    assert not torch.allclose(context.scores("fake").scores, before)
    context.scores("real")
    assert len(maker.calls) == 2
    assert len(judge.calls) == 3, "the scores of real images do not depend on the generator"


def test_an_image_without_a_graph_does_not_serve_a_phase_that_needs_one() -> None:
    context, maker, _ = _context()
    context.begin("discriminator", NOTHING)
    context.generated("fake")
    context.begin("generator", FAKE)
    assert context.generated("fake").image.requires_grad
    assert len(maker.calls) == 2


def test_an_image_with_a_graph_serves_a_phase_that_needs_none() -> None:
    context, maker, _ = _context()
    context.begin("discriminator", FAKE)
    context.generated("fake")
    context.begin("discriminator", NOTHING)
    assert not context.generated("fake").image.requires_grad
    assert len(maker.calls) == 1


def test_a_spent_graph_is_not_used_again() -> None:
    context, maker, _ = _context()
    context.begin("generator", FAKE)
    context.scores("fake").scores.sum().backward()
    context.spent()
    context.scores("fake").scores.sum().backward()
    assert len(maker.calls) == 2


def test_a_window_of_discriminator_steps_shares_one_generator_pass() -> None:
    context, maker, judge = _context()
    for _ in range(3):
        context.begin("discriminator", NOTHING)
        context.scores("fake")
        context.scores("real")
        context.updated({"discriminator"})
    assert len(maker.calls) == 1 and len(judge.calls) == 6


def _apart_and_together(discriminator: type[_CountingDiscriminator], side: Any) -> tuple[Any, Any, list[Any], list[Any]]:
    """Scores of real and generated images asked for one by one, and both at once; and the passes that each way took."""
    apart, _, first = _context(discriminator=discriminator)
    together, _, second = _context(discriminator=discriminator)
    for context in (apart, together):
        context.begin(side, FAKE)
    return (apart.scores("real"), apart.scores("fake")), together.real_and_generated_scores("fake"), first.calls, second.calls


@pytest.mark.parametrize("discriminator", [_CountingDiscriminator, _ConditionedDiscriminator])
def test_a_discriminator_judges_real_and_generated_images_in_one_pass_with_the_same_result(
    discriminator: type[_CountingDiscriminator],
) -> None:
    apart, together, passes, one_pass = _apart_and_together(discriminator, "discriminator")
    assert len(one_pass) == 1 and len(passes) == 2
    assert [output.scores.tolist() for output in together] == [output.scores.tolist() for output in apart]
    if discriminator is _ConditionedDiscriminator:
        assert one_pass[0][1] == [*LABELS.tolist(), *TARGETS.tolist()]


def test_images_are_judged_apart_where_they_would_mix_or_one_needs_no_graph() -> None:
    class Coupled(_CountingDiscriminator):
        spec: ClassVar = DiscriminatorSpec(condition=None, couples_batch=True)

    assert len(_apart_and_together(Coupled, "discriminator")[3]) == 2
    _, (real, fake), _, passes = _apart_and_together(_CountingDiscriminator, "generator")
    assert len(passes) == 2 and not real.scores.requires_grad and fake.scores.requires_grad


def test_what_was_judged_is_not_judged_again_beside_another() -> None:
    context, _, judge = _context()
    context.begin("discriminator", NOTHING)
    context.scores("real")
    context.real_and_generated_scores("fake")
    context.real_and_generated_scores("fake")
    context.scores("fake")
    assert len(judge.calls) == 2


def test_each_image_is_judged_under_its_own_condition() -> None:
    context, _, judge = _context(discriminator=_ConditionedDiscriminator)
    context.begin("discriminator", NOTHING)
    for of in ("real", "fake", "cycle", "self_reconstruction", "mismatched", "mismatched_as_data"):
        context.scores(of)  # type: ignore[arg-type]  # a list of literals is inferred as strings
    context.discriminate(context.real, like="fake")
    conditions = [condition for _, condition in judge.calls]
    mismatched = conditions[4:6]
    assert conditions == [LABELS.tolist(), TARGETS.tolist(), LABELS.tolist(), LABELS.tolist(), *mismatched, TARGETS.tolist()]
    assert all(wrong != own for labels in mismatched for wrong, own in zip(labels, LABELS.tolist(), strict=True))
    assert torch.equal(judge.calls[4][0], context.real) and torch.equal(judge.calls[5][0], context.real)


def test_other_images_are_judged_every_time() -> None:
    context, _, judge = _context()
    context.begin("discriminator", NOTHING)
    for _ in range(2):
        context.discriminate(context.real, like="real")
    assert len(judge.calls) == 2


def _by_differentiation(discriminator: Discriminator, images: Tensor, reduction: str) -> Tensor:
    points = images.clone().requires_grad_(True)
    scores = discriminator(points).scores.flatten(1)
    total = scores.sum() if reduction == "sum" else scores.mean(1).sum()
    return torch.autograd.grad(total, points, create_graph=True)[0]


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
@pytest.mark.parametrize("arguments", [{}, {"depth": 3, "spectral_norm": True}])
@pytest.mark.parametrize("size_px", [32, 50])
def test_a_gradient_known_in_closed_form_is_that_of_differentiating(
    name: str, arguments: dict[str, Any], size_px: int, reduction: Any
) -> None:
    torch.manual_seed(0)
    facts = {"image_channels": 2, "image_size_px": size_px, "num_classes": CLASSES}
    judge = create_discriminator(name, **facts, **{"width": 8, **arguments})
    again = deepcopy(judge)
    real = 2 * torch.rand(3, 2, size_px, size_px) - 1
    context = StepContext(_CountingGenerator(), judge, Asked(real, LABELS, TARGETS), CLASSES, torch.Generator())
    context.begin("discriminator", NOTHING)
    found, expected = context.score_gradient(real, "real", reduction), _by_differentiation(again, real, reduction)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    for gradient in (found, expected):
        (gradient.flatten(1).norm(dim=1) - 1).square().mean().backward()
    reached = 0
    for own, other in zip(judge.parameters(), again.parameters(), strict=True):
        if own.grad is not None:
            assert other.grad is not None
            torch.testing.assert_close(own.grad, other.grad, rtol=1e-4, atol=1e-6)
            reached += 1
    assert reached == arguments.get("depth", {32: 3, 50: 1}[size_px]) + 1  # the convolutions and the score head


def test_a_discriminator_without_a_closed_form_is_differentiated() -> None:
    context, _, judge = _context(discriminator=_ConditionedDiscriminator)
    context.begin("discriminator", NOTHING)
    gradient = context.score_gradient(context.real, "fake", "sum")
    torch.testing.assert_close(gradient, torch.full((3, 1, 2, 2), 2.0 / 4))  # of gain · mean over four pixels
    assert judge.calls[0][1] == TARGETS.tolist()
    gradient.sum().backward()
    assert float(judge.gain.grad) == pytest.approx(3)


@pytest.mark.parametrize("generator", [_NoiseGenerator, _NormalNoiseGenerator])
def test_a_noise_generator_gets_noise_of_its_kind(generator: type[_CountingGenerator]) -> None:
    context, maker, _ = _context(generator)
    context.begin("generator", FAKE)
    context.generated("fake")
    ((noise, target),) = maker.calls
    assert noise.shape == (3, 500) and target == TARGETS.tolist()
    assert float(noise.mean()) == pytest.approx(0, abs=0.15)
    if generator.spec.noise == "uniform":
        assert noise.min() >= -1 and noise.max() < 1 and float(noise.std()) == pytest.approx(3**-0.5, abs=0.05)
    else:
        assert noise.abs().max() > 1.5 and float(noise.std()) == pytest.approx(1, abs=0.1)


def test_random_numbers_come_from_the_runs_generator_alone() -> None:
    first, second = _context()[0], _context()[0]
    state = torch.get_rng_state()
    assert torch.equal(first.uniform(2, 3), second.uniform(2, 3))
    assert torch.equal(first.normal(2, 3), second.normal(2, 3))
    assert not torch.equal(first.uniform(2, 3), first.uniform(2, 3))
    assert torch.equal(state, torch.get_rng_state())


class _StyledGenerator(StyledGenerator):
    """Its styles are the noise or the image's mean, its images source plus style."""

    spec: ClassVar = GeneratorSpec(condition="index", gives=frozenset({"image", "style"}), noise_size=1)

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.0))
        self.references: list[list[float]] = []

    def style_from_noise(self, noise: Tensor, condition: Tensor) -> Tensor:
        return self.gain * noise

    def style_of(self, image: Tensor, condition: Tensor) -> Tensor:
        self.references.append(image.flatten(1).mean(1).tolist())
        return self.gain * image.flatten(1).mean(1, keepdim=True)

    def restyle(self, image: Tensor, style: Tensor) -> GeneratorOutput:
        return GeneratorOutput(image + style[:, :, None, None], style=style)


def _styled_context() -> tuple[StepContext, _StyledGenerator]:
    maker = _StyledGenerator()
    real = torch.tensor([0.0, 10, 20]).view(3, 1, 1, 1).expand(3, 1, 2, 2).clone()
    random = torch.Generator().manual_seed(0)
    means = torch.tensor([[10.0, 11], [10, 12], [0, 3]])
    references = means[:, :, None, None, None].expand(-1, -1, 1, 2, 2)
    asked = Asked(real, LABELS, TARGETS, references=references)
    return StepContext(maker, _CountingDiscriminator(), asked, CLASSES, random), maker


def test_styles_from_noise_stay_the_same_throughout_a_batch_and_differ_between_draws() -> None:
    context, _ = _styled_context()
    context.begin("generator", FAKE)
    fake, again = context.generated("fake"), context.generated("fake_again")
    assert fake.image is context.generated("fake").image
    assert fake.style is not None and again.style is not None and not torch.equal(fake.style, again.style)
    assert fake.image.requires_grad and not again.image.requires_grad
    context.updated({"generator"})
    context.begin("generator", FAKE)
    torch.testing.assert_close(context.generated("fake").style, fake.style)


def test_styles_are_those_of_the_references_first_one_then_the_other() -> None:
    context, maker = _styled_context()
    context.begin("generator", FAKE, "reference")
    assert context.generated("fake").image[:, 0, 0, 0].tolist() == [0 + 10, 10 + 10, 20 + 0]
    assert context.generated("fake_again").image[:, 0, 0, 0].tolist() == [0 + 11, 10 + 12, 20 + 3]
    assert maker.references == [[10.0, 10.0, 0.0], [11.0, 12.0, 3.0]]


def test_the_way_back_takes_the_style_of_the_source() -> None:
    context, _ = _styled_context()
    context.begin("generator", frozenset({"fake", "cycle"}), "reference")
    assert context.generated("cycle").image[:, 0, 0, 0].tolist() == [10 + 0, 20 + 10, 20 + 20]
    assert context.style_of("fake").flatten().tolist() == [10, 20, 20]


def test_images_of_one_kind_of_style_do_not_stand_for_the_other() -> None:
    context, _ = _styled_context()
    context.begin("discriminator", NOTHING)
    from_noise = context.generated("fake").image
    context.begin("discriminator", NOTHING, "reference")
    assert not torch.equal(context.generated("fake").image, from_noise)
    assert context.scores("fake").scores.tolist() != 2 * from_noise.flatten(1).mean(1, keepdim=True).tolist()


def test_an_image_whose_graph_is_spent_stays_without_it() -> None:
    context, maker, _ = _context()
    context.begin("generator", FAKE)
    before = context.generated("fake").image
    context.scores("fake").scores.sum().backward()
    context.spent()
    context.begin("discriminator", NOTHING)
    after = context.generated("fake").image
    assert len(maker.calls) == 1 and torch.equal(before, after) and not after.requires_grad


def test_what_the_discriminators_backward_pass_used_up_is_made_anew() -> None:
    context, maker, judge = _context()
    for _ in range(2):
        context.begin("discriminator", FAKE)
        context.scores("fake").scores.sum().backward()
        context.spent()
    context.begin("generator", FAKE)
    context.scores("fake").scores.sum().backward()
    assert len(judge.calls) == 3 and len(maker.calls) == 1
