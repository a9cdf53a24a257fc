"""Classification on both sides against values worked out by hand."""

from __future__ import annotations

from math import exp, log
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.losses.base import Side, StepContext
from ganzoo.losses.condition import ActionUnitRegression, Classification, CodeRegression, NullClass
from ganzoo.models.base import DiscriminatorOutput

REAL_LOGITS, FAKE_LOGITS = torch.tensor([[2.0, 0, 0], [0, 0, 0]]), torch.tensor([[0, 1.0, 0], [0, 0, 3]])


def _context(side: str, real: Tensor | None = REAL_LOGITS, fake: Tensor | None = FAKE_LOGITS) -> StepContext:
    answers = {name: DiscriminatorOutput(torch.zeros(2, 1), logits) for name, logits in (("real", real), ("fake", fake))}
    labels = {"source_labels": torch.tensor([0, 1]), "target_labels": torch.tensor([1, 0])}
    return cast(StepContext, SimpleNamespace(side=side, scores=answers.__getitem__, **labels))


def test_the_discriminator_learns_the_expressions_of_real_images() -> None:
    first, second = log(exp(2) + 2) - 2, log(3)
    assert float(Classification()(_context("discriminator", fake=None))) == pytest.approx((first + second) / 2)


def test_the_discriminator_may_learn_those_of_generated_images_too() -> None:
    real, fake = (log(exp(2) + 2) - 2 + log(3)) / 2, (log(exp(1) + 2) - 1 + log(exp(3) + 2)) / 2
    term = Classification(fakes="target")
    assert float(term(_context("discriminator"))) == pytest.approx(real + fake)
    assert float(term(_context("generator", real=None))) == pytest.approx(fake)
    assert term.needs("discriminator") == {"class_logits", "fake"}


def test_the_discriminator_may_learn_to_see_the_source_in_generated_images() -> None:
    real, as_target = (log(exp(2) + 2) - 2 + log(3)) / 2, (log(exp(1) + 2) - 1 + log(exp(3) + 2)) / 2
    as_source = (log(exp(1) + 2) + log(exp(3) + 2)) / 2  # logits 0 of the first, of class 0, and 0 of the second, of class 1
    term = Classification(fakes="source", fake_weight=0.5)
    assert float(term(_context("discriminator"))) == pytest.approx(real + as_source / 2)
    assert float(term(_context("generator", real=None))) == pytest.approx(as_target)
    assert term.needs("discriminator") == {"class_logits", "fake", "source"}
    assert term.needs("generator") == {"class_logits", "fake"}


@pytest.mark.parametrize("fakes", [True, "real", ""])
def test_fakes_are_read_as_target_or_source_alone(fakes: Any) -> None:
    with pytest.raises(GanzooError, match=rf"reads fakes as their target or their source, not as '{fakes}'"):
        Classification(fakes=fakes)


@pytest.mark.parametrize("arguments", [{"fake_weight": 2.0}, {"fakes": "source", "fake_weight": 0.0}, {"fake_weight": -1}])
def test_a_factor_of_fakes_that_does_nothing_or_the_opposite_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(GanzooError, match="fake_weight .* has no meaning"):
        Classification(**arguments)


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


def test_binary_form_asks_each_class_by_itself_whether_it_is_shown() -> None:
    # Real: class 0 at logits 2, 0, 0 and class 1 at three zeros; each zero costs log 2.
    real = (-log(_sigmoid(2)) + 5 * log(2)) / 6
    assert float(Classification("binary")(_context("discriminator", fake=None))) == pytest.approx(real)
    # Generated: class 1 wanted at logits 0, 1, 0 and class 0 wanted at 0, 0, 3, where class 2 should not show.
    fake = (-log(_sigmoid(1)) - log(1 - _sigmoid(3)) + 4 * log(2)) / 6
    assert float(Classification("binary")(_context("generator", real=None))) == pytest.approx(fake)


def test_binary_form_lowers_every_class_but_the_wanted() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    Classification("binary")(_context("generator", fake=logits)).backward()
    assert logits.grad is not None
    expected = torch.tensor([[0.5, -0.5, 0.5], [-0.5, 0.5, 0.5]]) / 6
    torch.testing.assert_close(logits.grad, expected)


def test_binary_form_is_finite_and_float32_at_extreme_logits() -> None:
    extreme = torch.tensor([[-1000.0, 1000, 0], [1000, -1000, 0]], dtype=torch.bfloat16)
    value = Classification("binary")(_context("discriminator", real=extreme))
    assert value.dtype == torch.float32
    assert float(value) == pytest.approx((4 * 1000 + 2 * log(2)) / 6)


def test_softmax_is_the_form_unless_another_is_asked_for() -> None:
    assert float(Classification("softmax")(_context("generator"))) == float(Classification()(_context("generator")))


def test_an_unknown_form_is_named() -> None:
    with pytest.raises(GanzooError, match=r"classification has no form 'sigmoid'\. Known: softmax, binary\."):
        Classification("sigmoid")  # type: ignore[arg-type]  # a recipe can say anything


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


def _sigmoid(value: float) -> float:
    return 1 / (1 + exp(-value))


def test_the_discriminator_learns_that_generated_images_show_no_expression() -> None:
    # Real: class 0 at logits 2, 0, 0 and class 1 at three zeros; generated: zeros wanted at logits 0, 1, 0 and 0, 0, 3.
    real = (-log(_sigmoid(2)) + 5 * log(2)) / 6
    fake = (-log(1 - _sigmoid(1)) - log(1 - _sigmoid(3)) + 4 * log(2)) / 6
    assert float(NullClass()(_context("discriminator"))) == pytest.approx(real + fake)
    assert float(NullClass(fake_weight=3)(_context("discriminator"))) == pytest.approx(real + 3 * fake)


def test_the_generator_wants_the_target_to_have_the_largest_sigmoid() -> None:
    first = -log(_sigmoid(1) / (_sigmoid(1) + 0.5 + 0.5))
    second = -log(0.5 / (0.5 + 0.5 + _sigmoid(3)))
    assert float(NullClass()(_context("generator", real=None))) == pytest.approx((first + second) / 2)


def test_null_class_on_generated_images_pulls_both_ways() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    NullClass()(_context("discriminator", fake=logits)).backward()
    assert logits.grad is not None and bool((logits.grad > 0).all()), "the discriminator lowers every class"
    logits = torch.zeros(2, 3, requires_grad=True)
    NullClass()(_context("generator", fake=logits)).backward()
    assert logits.grad is not None
    assert (logits.grad < 0).nonzero().tolist() == [[0, 1], [1, 0]], "the generator raises the target"


@pytest.mark.parametrize("side", ["discriminator", "generator"])
def test_null_class_needs_real_and_generated_classes(side: Side) -> None:
    assert NullClass().needs(side) == {"class_logits", "fake"}
    with pytest.raises(GanzooError, match="spec promises class_logits, but its output has none"):
        NullClass()(_context(side, fake=None))


@pytest.mark.parametrize("side", ["discriminator", "generator"])
def test_null_class_is_finite_and_float32_at_extreme_logits(side: str) -> None:
    extreme = torch.tensor([[1000.0, -1000, 0], [-1000, 1000, 0]], dtype=torch.bfloat16)
    value = NullClass()(_context(side, real=extreme, fake=extreme))
    assert value.dtype == torch.float32 and bool(value.isfinite())


@pytest.mark.parametrize(("image", "role"), [("fake", "target"), ("sample", "target"), ("self_reconstruction", "source")])
@pytest.mark.parametrize("side", ["generator", "discriminator"])
def test_codes_are_read_off_generated_images(image: str, role: str, side: str) -> None:
    estimate = DiscriminatorOutput(torch.zeros(1, 1), code=torch.tensor([[1.0, 0.0, -1.0, 0.5]]))
    codes = {role: torch.tensor([[0.5, 0.0, 0.0, 0.5]])}
    answers = {"scores": {image: estimate}.__getitem__, "code": codes.__getitem__}
    context = cast(StepContext, SimpleNamespace(side=side, num_classes=2, **answers))
    # Two classes with blocks of two: their means are 0.125 and 0.5.
    assert float(CodeRegression(image)(context)) == pytest.approx(0.25 / 2 + 1 / 2)  # type: ignore[arg-type]  # a parameter


def test_a_code_needs_someone_who_measures_it() -> None:
    assert CodeRegression("cycle").needs("generator") == {"code", "code_estimate", "cycle"}
    context = SimpleNamespace(side="generator", scores=lambda of: DiscriminatorOutput(torch.zeros(1, 1)))
    with pytest.raises(GanzooError, match="promises a code, but its output has none"):
        CodeRegression()(cast(StepContext, context))
    with pytest.raises(GanzooError, match="code_regression reads fake, cycle"):
        CodeRegression("real")  # type: ignore[arg-type]  # what a recipe may hold
