"""Reconstruction terms against values worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
import torch

from ganzoo.errors import GanzooError
from ganzoo.losses.base import StepContext
from ganzoo.losses.content import Cycle, SelfReconstruction, TotalVariation
from ganzoo.models.base import GeneratorOutput

TERMS = {"cycle": Cycle, "self_reconstruction": SelfReconstruction}


@pytest.mark.parametrize("name", sorted(TERMS))
def test_the_mean_absolute_difference_over_all_pixels(name: str) -> None:
    real = torch.zeros(2, 1, 2, 2)
    image = torch.tensor([[1.0, -1, 0, 0], [0.5, 0, 0, -0.5]]).view(2, 1, 2, 2).requires_grad_()
    answers = {name: GeneratorOutput(image)}
    context = cast(StepContext, SimpleNamespace(side="generator", real=real, generated=answers.__getitem__))
    value = TERMS[name]()(context)
    assert value.item() == pytest.approx((1 + 1 + 0.5 + 0.5) / 8)
    value.backward()
    assert image.grad is not None
    assert image.grad.flatten().tolist() == [0.125, -0.125, 0, 0, 0.125, 0, 0, -0.125]


@pytest.mark.parametrize("name", sorted(TERMS))
def test_only_its_own_image_is_needed_and_only_the_generator_learns(name: str) -> None:
    assert TERMS[name]().needs("generator") == {name}
    assert TERMS[name].sides == {"generator"}


def test_half_precision_images_are_compared_in_float32() -> None:
    image = GeneratorOutput(torch.ones(1, 1, 2, 2, dtype=torch.bfloat16))
    context = cast(StepContext, SimpleNamespace(real=torch.zeros(1, 1, 2, 2), generated=lambda which: image))
    assert Cycle()(context).dtype == torch.float32


def test_total_variation_averages_squared_differences_of_neighbours() -> None:
    image = GeneratorOutput(torch.tensor([[0.0, 1.0, 1.0], [2.0, 1.0, -1.0]]).view(1, 1, 2, 3))
    context = cast(StepContext, SimpleNamespace(generated=lambda which: image))
    # Across: 1, 0, 1, 4; down: 4, 0, 4.
    assert TotalVariation()(context).item() == pytest.approx(6 / 4 + 8 / 3)
    with pytest.raises(GanzooError, match="knows no image 'fakes'"):
        TotalVariation("fakes")  # type: ignore[arg-type]  # what a recipe may hold


def test_total_variation_per_side_is_the_published_sum() -> None:
    image = torch.tensor([[0.0, 1.0, 1.0], [2.0, 1.0, -1.0]]).view(1, 1, 2, 3).repeat(5, 1, 1, 1)
    context = cast(StepContext, SimpleNamespace(generated=lambda which: GeneratorOutput(image)))
    # Of each image half the squares across, 1 + 0 + 1 + 4, over the width, and half those down, 4 + 0 + 4, over the height.
    assert TotalVariation(per="side")(context).item() == pytest.approx(6 / 2 / 3 + 8 / 2 / 2)
    with pytest.raises(GanzooError, match="per pixel or per side, not per 'row'"):
        TotalVariation(per="row")  # type: ignore[arg-type]  # what a recipe may hold


@pytest.mark.parametrize(("shape", "times"), [((2, 1, 48, 48), 23.5), ((2, 3, 128, 128), 190.5)])
def test_total_variation_per_side_grows_with_the_image(shape: tuple[int, ...], times: float) -> None:
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    context = cast(StepContext, SimpleNamespace(generated=lambda which: GeneratorOutput(image)))
    assert float(TotalVariation(per="side")(context)) == pytest.approx(times * float(TotalVariation()(context)), rel=1e-5)
