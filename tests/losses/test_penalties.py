"""The gradient penalty on discriminators whose gradient is known in closed form."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.losses.penalties import GradientPenalty
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
    ],
)
def test_where_the_gradient_is_taken(where: Any, points: Tensor, like: str) -> None:
    # D = Σ x² has gradient 2x at every pixel: norm 2 · |x| · 4 for 16 equal pixels, times 4 for the sum over patches.
    context = _Context(1.0, power=2)
    expected = (PATCHES * 8 * points[:, 0, 0, 0].abs() - 1).square().mean()
    assert _penalty(context, where=where) == pytest.approx(float(expected), rel=1e-5)
    torch.testing.assert_close(context.points[0], points)
    assert context.likes == [like]


@pytest.mark.parametrize(("where", "has_fake"), [("line", True), ("fake", True), ("real", False), ("around_real", False)])
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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"where": "middle"}, r"no place 'middle'\. Known: line, real, fake, around_real"),
        ({"reduction": "max"}, r"no reduction 'max'\. Known: sum, mean"),
    ],
)
def test_unknown_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        GradientPenalty(**settings)
