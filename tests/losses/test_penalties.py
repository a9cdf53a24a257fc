"""The gradient penalty on discriminators whose gradient is known in closed form."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.losses.penalties import R1, R2, GradientPenalty, LeCam
from ganzoo.models.base import DiscriminatorOutput, GeneratorOutput

REAL = torch.tensor([1.0, -1.0, 0.5]).view(3, 1, 1, 1) * torch.ones(3, 1, 4, 4)
FAKE = 0.25 * torch.ones(3, 1, 4, 4)
PATCHES = 4


class _Context:
    """A linear discriminator: each of 4 patch scores is slope · sum of the image's 16 pixels; or slope · sum of squares."""

    def __init__(self, slope: float, power: int = 1, draw: float = 0.25) -> None:
        self.slope = torch.tensor(slope, requires_grad=True)
        self.power, self.draw = power, draw
        self.side, self.real = "discriminator", REAL
        self.points: list[Tensor] = []
        self.likes: list[str] = []

    def generated(self, which: str) -> GeneratorOutput:
        assert which == "fake"
        return GeneratorOutput(FAKE)

    def discriminate(self, images: Tensor, like: str) -> DiscriminatorOutput:
        self.points.append(images.detach())
        self.likes.append(like)
        score = self.slope * images.pow(self.power).flatten(1).sum(dim=1)
        return DiscriminatorOutput(score.view(-1, 1, 1, 1).expand(-1, 1, 2, 2))

    def score_gradient(self, images: Tensor, like: str, reduction: str) -> Tensor:
        points = images.detach().requires_grad_(True)
        scores = self.discriminate(points, like).scores.flatten(1)
        total = scores.sum() if reduction == "sum" else scores.mean(1).sum()
        return torch.autograd.grad(total, points, create_graph=True)[0]

    def uniform(self, *shape: int) -> Tensor:
        return torch.full(shape, self.draw)


def _penalty(context: Any, **settings: Any) -> float:
    return GradientPenalty(**settings)(context).item()


@pytest.mark.parametrize(
    ("slope", "settings", "expected"),
    [
        # The gradient of a patch score is `slope` at each of 16 pixels, its norm 4 · slope; summed over 4 patches 16 · slope.
        (0.5, {}, (8 - 1) ** 2),
        (0.5, {"reduction": "mean"}, (2 - 1) ** 2),
        (0.5, {"center": 0.0}, 8**2),
        (0.5, {"center": 0.0, "reduction": "mean"}, 2**2),
        (1 / 16, {}, 0),
        (1 / 32, {}, 0.5**2),
        (1 / 32, {"one_sided": True}, 0),
        (0.5, {"one_sided": True}, 7**2),
        (-0.5, {}, 7**2),
    ],
)
def test_a_linear_discriminator(slope: float, settings: dict[str, Any], expected: float) -> None:
    assert _penalty(_Context(slope), **settings) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("where", "points", "like"),
    [
        ("line", 0.25 * REAL + 0.75 * FAKE, "real"),
        ("real", REAL, "real"),
        ("fake", FAKE, "fake"),
        ("around_real", REAL + 0.5 * REAL.std() * 0.25, "real"),
        # Variance of 1, -1, ½: (1 + 1 + ¼) / 3 - (1/6)² = 13/18.
        ("line_around_real", REAL + 0.25 * 0.5 * (13 / 18) ** 0.5 * 0.25, "real"),
    ],
)
def test_where_the_gradient_is_taken(where: Any, points: Tensor, like: str) -> None:
    # D = Σ x² has gradient 2x at every pixel: norm 2 · |x| · 4 for 16 equal pixels, times 4 for the sum over patches.
    context = _Context(1.0, power=2)
    expected = (PATCHES * 8 * points[:, 0, 0, 0].abs() - 1).square().mean()
    assert _penalty(context, where=where) == pytest.approx(float(expected), rel=1e-5)
    torch.testing.assert_close(context.points[0], points)
    assert context.likes == [like]


@pytest.mark.parametrize(("where", "has_fake"), [("line", True), ("fake", True), ("real", False), ("line_around_real", False)])
def test_images_are_asked_for_only_where_they_are_needed(where: Any, has_fake: bool) -> None:
    term = GradientPenalty(where=where)
    assert term.needs("discriminator") == {"scores", "input_gradient"} | ({"fake"} if has_fake else set())
    assert term.sides == {"discriminator"}


def test_the_penalty_trains_the_discriminator() -> None:
    context: Any = _Context(0.5)
    GradientPenalty()(context).backward()
    # d/ds (16 s - 1)² = 2 · 16 · (16 s - 1) = 224 at s = 0.5.
    assert float(context.slope.grad) == pytest.approx(224)


def test_one_number_mixes_all_pixels_of_an_image() -> None:
    asked: list[tuple[int, ...]] = []
    context: Any = _Context(0.5)
    context.uniform = lambda *shape: asked.append(shape) or torch.rand(shape)
    _penalty(context)
    _penalty(context, where="around_real")
    assert asked == [(3, 1, 1, 1), (3, 1, 4, 4)]
    _penalty(context, where="line_around_real")
    assert sorted(asked[2:]) == [(3, 1, 1, 1), (3, 1, 4, 4)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"where": "middle"}, r"no place 'middle'\. Known: line, real, fake, around_real, line_around_real"),
        ({"reduction": "max"}, r"no reduction 'max'\. Known: sum, mean"),
    ],
)
def test_unknown_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        GradientPenalty(**settings)


@pytest.mark.parametrize(("term", "points", "like"), [(R1, REAL, "real"), (R2, FAKE, "fake")])
def test_r1_and_r2_are_half_the_squared_gradient_of_the_mean_score(term: Any, points: Tensor, like: str) -> None:
    # The mean over patches of D = Σ x² has gradient 2x: its square, summed over 16 pixels, is 64 x².
    context: Any = _Context(1.0, power=2)
    expected = 3 / 2 * (64 * points[:, 0, 0, 0].square()).mean()
    assert term(gamma=3)(context).item() == pytest.approx(float(expected))
    assert context.likes == [like]
    assert term.sides == {"discriminator"}
    assert term().needs("discriminator") == {"scores", "input_gradient"} | ({"fake"} if like == "fake" else set())


def test_r1_trains_the_discriminator() -> None:
    context: Any = _Context(0.5)
    R1()(context).backward()
    # ½ · 16 s² has derivative 16 s.
    assert float(context.slope.grad) == pytest.approx(8)


@pytest.mark.parametrize("term", [GradientPenalty(), GradientPenalty(center=0), GradientPenalty(one_sided=True), R1(), R2()])
def test_a_flat_discriminator_gives_finite_gradients(term: Any) -> None:
    context: Any = _Context(0.0)
    value = term(context)
    value.backward()
    assert value.item() in (0.0, 1.0)
    assert context.slope.grad.isfinite().all()


def _scored(real: float, fake: float) -> Any:
    answers = {"real": DiscriminatorOutput(torch.full((2, 1), real)), "fake": DiscriminatorOutput(torch.full((2, 1), fake))}
    return SimpleNamespace(side="discriminator", real_and_generated_scores=lambda of: (answers["real"], answers[of]))


def test_lecam_compares_scores_with_the_past_of_the_others() -> None:
    term = LeCam(decay=0.5)
    assert float(term(_scored(3.0, 1.0))) == pytest.approx((3 - 1) ** 2 + (3 - 1) ** 2)
    # Averages: real ½ · 3 + ½ · 5 = 4, generated ½ · 1 - ½ · 1 = 0.
    assert float(term(_scored(5.0, -1.0))) == pytest.approx((5 - 0) ** 2 + (4 + 1) ** 2)
    assert term.averages.tolist() == [4.0, 0.0]
    # Averages 0 and 4: real scores below the generated average, generated ones above the real average, cost nothing.
    assert float(term(_scored(-4.0, 8.0))) == 0


def test_lecam_keeps_its_past() -> None:
    first, second = LeCam(decay=0.5), LeCam(decay=0.5)
    first(_scored(3.0, 1.0))
    second.load_state_dict(first.state_dict())
    assert float(first(_scored(2.0, 0.0))) == float(second(_scored(2.0, 0.0))) != float(LeCam()(_scored(2.0, 0.0)))


def test_lecam_pulls_scores_together_and_leaves_its_averages_out_of_the_graph() -> None:
    real, fake = torch.ones(2, 1, requires_grad=True), -torch.ones(2, 1)
    term = LeCam()
    answers = DiscriminatorOutput(real), DiscriminatorOutput(fake)
    term(SimpleNamespace(real_and_generated_scores=lambda of: answers)).backward()
    assert real.grad is not None
    torch.testing.assert_close(real.grad, torch.full((2, 1), 2.0))  # of mean (D + 1)²; nothing by way of the average
    assert not term.averages.requires_grad


def test_lecam_starts_late_as_in_biggan() -> None:
    term = LeCam(decay=0.5, start=3)
    values = [float(term(_scored(real, fake))) for real, fake in [(9.0, -9.0), (8.0, 0.0), (4.0, 2.0), (3.0, 1.0)]]
    # Batches 1 and 2 are the average themselves, 3 is averaged with 2: real 6, fake 1, but costs nothing yet.
    # Then real ½ · 6 + ½ · 3 = 4.5, fake ½ · 1 + ½ · 1 = 1.
    assert values == [0.0, 0.0, 0.0, pytest.approx((3 - 1) ** 2 + (4.5 - 1) ** 2)]
    assert term.averages.tolist() == [4.5, 1.0]


def test_lecam_without_its_bias_to_zero_as_in_stylegan2() -> None:
    term, plain = LeCam(decay=0.9, debias=True), LeCam(decay=0.9)
    for real in (1.0, 3.0):
        value = float(term(_scored(real, 0.0)))
        plain(_scored(real, 0.0))
    # From zero: 0.1 · 1, then 0.9 · 0.1 + 0.1 · 3 = 0.39; over 1 - 0.9² = 0.19. With the first batch at full weight: 1.2.
    assert term.averages.tolist() == pytest.approx([0.39 / 0.19, 0.0])
    assert plain.averages.tolist() == pytest.approx([1.2, 0.0])
    assert value == pytest.approx(3**2 + (0.39 / 0.19) ** 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decay": 1}, "decay 1"),
        ({"start": -1}, "0 batches or more, not -1"),
        ({"start": 5, "debias": True}, "nothing to debias"),
    ],
)
def test_lecam_refuses_what_has_no_meaning(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        LeCam(**settings)
