"""Mask terms against values worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.losses.mask import AttentionNorm, AttentionSmoothness
from ganzoo.models.base import GeneratorOutput

FAKE = torch.tensor([[0.0, 0.5], [0.5, 1.0]]).view(1, 1, 2, 2)
CYCLE = torch.full((1, 1, 2, 2), 0.25)


def context(fake: Tensor | None = FAKE, cycle: Tensor | None = CYCLE) -> Any:
    image = torch.zeros(1, 1, 2, 2)
    outputs = {"fake": GeneratorOutput(image, fake), "cycle": GeneratorOutput(image, cycle)}
    return SimpleNamespace(side="generator", generated=outputs.__getitem__)


def test_size_of_the_masks() -> None:
    # sqrt((0 + 0.25 + 0.25 + 1) / 4) + 0.25
    assert AttentionNorm()(context()).item() == pytest.approx((1.5 / 4) ** 0.5 + 0.25)
    assert AttentionNorm(p=1)(context()).item() == pytest.approx(0.5 + 0.25)


def test_variation_of_the_masks() -> None:
    # Every one of the two steps across and the two down is 0.5; the other mask is flat.
    assert AttentionSmoothness(p=1)(context()).item() == pytest.approx(0.5 + 0.5)
    assert AttentionSmoothness()(context()).item() == pytest.approx(0.25 + 0.25)


def test_variation_depends_on_neither_size_nor_batch() -> None:
    checkered = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    small, large = checkered.view(1, 1, 2, 2), checkered.repeat(4, 4).expand(3, 1, 8, 8)
    values = [AttentionSmoothness(p=1)(context(mask, mask)).item() for mask in (small, large)]
    assert values[0] == pytest.approx(values[1])


def test_a_missing_mask_is_named() -> None:
    with pytest.raises(GanzooError, match="promises attention"):
        AttentionNorm()(context(fake=None))


def test_other_powers_are_refused() -> None:
    with pytest.raises(GanzooError, match="1 or 2, not 3"):
        AttentionNorm(p=3)
