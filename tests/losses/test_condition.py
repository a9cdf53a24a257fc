"""Classification on both sides against values worked out by hand."""

from __future__ import annotations

from math import exp, log
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.losses.base import StepContext
from ganzoo.losses.condition import ActionUnitRegression, Classification
from ganzoo.models.base import DiscriminatorOutput

REAL_LOGITS, FAKE_LOGITS = torch.tensor([[2.0, 0, 0], [0, 0, 0]]), torch.tensor([[0, 1.0, 0], [0, 0, 3]])


def _context(side: str, real: Tensor | None = REAL_LOGITS, fake: Tensor | None = FAKE_LOGITS) -> StepContext:
    answers = {name: DiscriminatorOutput(torch.zeros(2, 1), logits) for name, logits in (("real", real), ("fake", fake))}
    labels = {"source_labels": torch.tensor([0, 1]), "target_labels": torch.tensor([1, 0])}
    return cast(StepContext, SimpleNamespace(side=side, scores=answers.__getitem__, **labels))


def test_the_discriminator_learns_the_expressions_of_real_images() -> None:
    first, second = log(exp(2) + 2) - 2, log(3)
    assert float(Classification()(_context("discriminator", fake=None))) == pytest.approx((first + second) / 2)


def test_the_generator_wants_to_be_read_as_the_target() -> None:
    first, second = log(exp(1) + 2) - 1, log(exp(3) + 2)
    assert float(Classification()(_context("generator", real=None))) == pytest.approx((first + second) / 2)


def test_each_side_needs_its_own_images() -> None:
    assert Classification().needs("discriminator") == {"class_logits"}
    assert Classification().needs("generator") == {"class_logits", "fake"}


def test_a_broken_promise_of_class_logits_is_named() -> None:
    with pytest.raises(GanzooError, match="spec promises class_logits, but its output has none"):
        Classification()(_context("discriminator", real=None))


def test_half_precision_logits_are_judged_in_float32() -> None:
    assert Classification()(_context("discriminator", real=REAL_LOGITS.bfloat16())).dtype == torch.float32


def _units_context(side: str, estimate: Tensor | None) -> StepContext:
    output = DiscriminatorOutput(torch.zeros(1, 1), action_units=estimate)
    units = {"source": torch.tensor([[0.0, 1.0]]), "target": torch.tensor([[1.0, 0.5]])}
    return cast(
        StepContext, SimpleNamespace(side=side, scores={"real": output, "fake": output}.__getitem__, action_units=units.get)
    )


def test_action_units_are_regressed_to_those_shown_or_wanted() -> None:
    estimate = torch.tensor([[0.5, 0.5]])
    assert float(ActionUnitRegression()(_units_context("discriminator", estimate))) == pytest.approx((0.25 + 0.25) / 2)
    assert float(ActionUnitRegression()(_units_context("generator", estimate))) == pytest.approx((0.25 + 0) / 2)


def test_a_broken_promise_of_action_units_is_named() -> None:
    with pytest.raises(GanzooError, match="spec promises action_units, but its output has none"):
        ActionUnitRegression()(_units_context("discriminator", None))
