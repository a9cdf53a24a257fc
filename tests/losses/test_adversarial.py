"""Adversarial forms and matching-aware pairs against values worked out by hand."""

from __future__ import annotations

from math import exp, log
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from ganzoo.errors import GanzooError
from ganzoo.losses.adversarial import FORMS, RELATIVISTIC, Adversarial, MatchingAware
from ganzoo.losses.base import StepContext
from ganzoo.models.base import DiscriminatorOutput


def _context(side: str, **scores: Any) -> StepContext:
    """A context whose discriminator gives the scores named; others are not to be asked for."""
    answers = {name: DiscriminatorOutput(torch.as_tensor(value)) for name, value in scores.items()}
    return cast(
        StepContext,
        SimpleNamespace(
            side=side,
            scores=answers.__getitem__,
            real_and_generated_scores=lambda of: (answers["real"], answers[of]),
        ),
    )


def _softplus(value: float) -> float:
    return log(1 + exp(value))


@pytest.mark.parametrize(
    ("form", "discriminator", "generator"),
    [
        ("minimax", _softplus(-2) + _softplus(-0.5), -_softplus(-0.5)),
        ("non_saturating", _softplus(-2) + _softplus(-0.5), _softplus(0.5)),
        ("least_squares", 0.5 * 1 + 0.5 * 0.25, 0.5 * 2.25),
        ("wgan", -0.5 - 2, 0.5),
        ("hinge", 0 + 0.5, 0.5),
    ],
)
def test_each_form_at_a_real_score_of_2_and_a_fake_one_of_minus_half(form: str, discriminator: float, generator: float) -> None:
    real, fake = torch.full((3, 1, 2, 2), 2.0), torch.full((3, 1, 2, 2), -0.5)
    term = Adversarial(loss=form)
    assert float(term(_context("discriminator", real=real, fake=fake))) == pytest.approx(discriminator)
    assert float(term(_context("generator", fake=fake))) == pytest.approx(generator)


def test_minimax_is_equation_1_in_logits() -> None:
    real, fake = 0.7, 0.2  # what the discriminator takes for the probability of being real
    logit = {"real": [[log(real / (1 - real))]], "fake": [[log(fake / (1 - fake))]]}
    value = Adversarial(loss="minimax")(_context("discriminator", **logit))
    assert float(value) == pytest.approx(-(log(real) + log(1 - fake)))
    assert float(Adversarial(loss="minimax")(_context("generator", fake=logit["fake"]))) == pytest.approx(log(1 - fake))


@pytest.mark.parametrize("form", ["hinge", "least_squares"])
def test_scores_are_judged_one_by_one_and_then_averaged(form: str) -> None:
    real, fake = torch.tensor([[0.0], [3.0]]), torch.tensor([[-3.0], [1.0]])
    expected = {"hinge": (1 + 0) / 2 + (0 + 2) / 2, "least_squares": 0.5 * (1 + 4) / 2 + 0.5 * (9 + 1) / 2}
    assert float(Adversarial(loss=form)(_context("discriminator", real=real, fake=fake))) == pytest.approx(expected[form])


@pytest.mark.parametrize("form", sorted(FORMS))
def test_gradients_push_the_right_way(form: str) -> None:
    real, fake = torch.zeros(2, 1, requires_grad=True), torch.zeros(2, 1, requires_grad=True)
    Adversarial(loss=form)(_context("discriminator", real=real, fake=fake)).backward()
    assert real.grad is not None and (real.grad < 0).all(), "the discriminator raises real scores"
    assert fake.grad is not None and (fake.grad >= 0).all(), "and does not raise generated ones"
    fake = torch.zeros(2, 1, requires_grad=True)
    Adversarial(loss=form)(_context("generator", fake=fake)).backward()
    assert fake.grad is not None and (fake.grad < 0).all(), "the generator raises them"


@pytest.mark.parametrize("form", sorted(FORMS))
def test_extreme_scores_stay_finite(form: str) -> None:
    for sign in (-1, 1):
        scores = torch.full((2, 1), sign * 1000.0)
        assert Adversarial(loss=form)(_context("discriminator", real=scores, fake=scores)).isfinite()


def test_the_generated_part_can_be_weighed_less() -> None:
    context = _context("discriminator", real=[[2.0]], fake=[[3.0]])
    assert float(Adversarial(loss="wgan", fake_weight=0.5)(context)) == pytest.approx(0.5 * 3 - 2)


def test_the_reconstruction_can_play_instead() -> None:
    term = Adversarial(loss="wgan", image="self_reconstruction")
    assert float(term(_context("generator", self_reconstruction=[[3.0]]))) == -3
    assert float(term(_context("discriminator", real=[[1.0]], self_reconstruction=[[3.0]]))) == 2
    assert term.needs("generator") == {"scores", "self_reconstruction"}
    assert Adversarial().needs("discriminator") == {"scores", "fake"}


def test_half_precision_scores_are_judged_in_float32() -> None:
    value = Adversarial(loss="wgan")(_context("generator", fake=torch.ones(2, 1, dtype=torch.bfloat16)))
    assert value.dtype == torch.float32


@pytest.mark.parametrize(
    ("form", "expected"), [("non_saturating", _softplus(2)), ("least_squares", 2.0), ("hinge", 3.0), ("wgan", 2.0)]
)
def test_a_mismatched_pair_counts_as_generated(form: str, expected: float) -> None:
    term = MatchingAware(loss=form)
    assert float(term(_context("discriminator", mismatched=[[2.0], [2.0]]))) == pytest.approx(expected)
    assert term.needs("discriminator") == {"scores", "condition"}
    assert term.sides == {"discriminator"}


@pytest.mark.parametrize("term", [Adversarial, MatchingAware])
def test_an_unknown_form_is_refused(term: type[Adversarial] | type[MatchingAware]) -> None:
    with pytest.raises(GanzooError, match=r"Unknown adversarial loss 'wgan-gp'\. Did you mean 'wgan'\? Known: minimax, "):
        term(loss="wgan-gp")


def _labelled(side: str, source: list[int], target: list[int], **scores: Any) -> Any:
    context: Any = _context(side, **scores)
    context.source_labels, context.target_labels = torch.tensor(source), torch.tensor(target)
    return context


def _pairs(side: str, **settings: Any) -> float:
    """Reals of class 0, 1 score 1, 3; generated images that should be of class 1, 0 score 2, 0."""
    scores = {"real": [[1.0], [3.0]], settings.get("image", "fake"): [[2.0], [0.0]]}
    return float(Adversarial(**settings)(_labelled(side, [0, 1], [1, 0], **scores)))


def test_rpgan_pairs_images_of_one_class() -> None:
    # Class 0: real 1, generated 0; class 1: real 3, generated 2; both differences are 1.
    assert _pairs("discriminator", loss="rpgan") == pytest.approx(_softplus(-1))
    assert _pairs("generator", loss="rpgan") == pytest.approx(_softplus(1))


def test_a_reconstruction_meets_the_class_of_its_source() -> None:
    # In the order of the batch the differences are 1 - 2 and 3 - 0.
    value = _pairs("discriminator", loss="rpgan", image="self_reconstruction")
    assert value == pytest.approx((_softplus(1) + _softplus(-3)) / 2)


def test_ragan_compares_with_the_average_of_the_others() -> None:
    # The generated scores average 1, the real ones 2.
    discriminator = (_softplus(0) + _softplus(-2)) / 2 + (_softplus(0) + _softplus(-2)) / 2
    generator = (_softplus(0) + _softplus(2)) / 2 + (_softplus(0) + _softplus(2)) / 2
    assert _pairs("discriminator", loss="ragan") == pytest.approx(discriminator)
    assert _pairs("generator", loss="ragan") == pytest.approx(generator)


@pytest.mark.parametrize("form", sorted(RELATIVISTIC))
def test_patches_are_averaged_before_scores_are_compared(form: str) -> None:
    real, fake = torch.tensor([[[[3.0, -1.0]]]]), torch.tensor([[[[0.0, 4.0]]]])  # averages 1 and 2
    term = Adversarial(loss=form)
    expected = _softplus(1) * (2 if form == "ragan" else 1)
    assert float(term(_labelled("discriminator", [0], [0], real=real, fake=fake))) == pytest.approx(expected)


@pytest.mark.parametrize("form", sorted(RELATIVISTIC))
def test_relativistic_gradients_push_the_right_way(form: str) -> None:
    for side, sign in (("discriminator", 1), ("generator", -1)):
        real, fake = torch.zeros(2, 1, requires_grad=True), torch.zeros(2, 1, requires_grad=True)
        Adversarial(loss=form)(_labelled(side, [0, 1], [1, 0], real=real, fake=fake)).backward()
        assert real.grad is not None and fake.grad is not None
        assert (sign * real.grad < 0).all() and (sign * fake.grad > 0).all()


def test_a_relativistic_form_has_no_generated_part_to_weigh() -> None:
    with pytest.raises(GanzooError, match="'rpgan' compares real and generated scores; fake_weight has no meaning"):
        Adversarial(loss="rpgan", fake_weight=0.5)
