"""Terms on latents and label encoders against values worked out by hand."""

from __future__ import annotations

from math import exp, log
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ganzoo.errors import GanzooError
from ganzoo.losses.latent import (
    Diversity,
    LabelEncoding,
    LatentAdversarial,
    LatentConsistency,
    LatentRegression,
    StyleReconstruction,
)
from ganzoo.models.base import GeneratorOutput

ENCODED = {
    "sample": torch.tensor([[1.0, 2.0]]),
    "fake": torch.tensor([[0.0, 3.0]]),
    "real": torch.tensor([[0.5, 1.0]]),
}
CLASSIFIED = {"real": torch.tensor([[1.0, -1.0, 0.0]]), "fake": torch.tensor([[0.0, 0.0, 2.0]])}


def context() -> Any:
    return SimpleNamespace(
        side="generator",
        noise=lambda: torch.tensor([[1.0, 0.0]]),
        encoded=ENCODED.__getitem__,
        classified=CLASSIFIED.__getitem__,
        source_labels=torch.tensor([0]),
        target_labels=torch.tensor([2]),
    )


def test_noise_is_found_again() -> None:
    assert LatentRegression()(context()).item() == pytest.approx((0 + 4) / 2)


def test_an_edit_leaves_the_latent() -> None:
    assert LatentConsistency()(context()).item() == pytest.approx((0.5 + 2) / 2)


def test_latents_play_against_noise() -> None:
    scores = {"real": torch.tensor([[0.0], [2.0]]), "prior": torch.tensor([[1.0], [0.0]])}

    def value(side: str) -> float:
        game: Any = SimpleNamespace(side=side, latent_scores=scores.__getitem__)
        return LatentAdversarial()(game).item()

    assert value("generator") == pytest.approx((log(2) + log(1 + exp(-2))) / 2)
    noise, encoded = (log(1 + exp(-1)) + log(2)) / 2, (log(2) + log(1 + exp(2))) / 2
    assert value("discriminator") == pytest.approx(noise + encoded)
    with pytest.raises(GanzooError, match="Unknown adversarial loss 'rpgan'"):
        LatentAdversarial("rpgan")


def test_labels_of_real_faces() -> None:
    assert LabelEncoding()(context()).item() == pytest.approx(log(exp(1) + exp(-1) + 1) - 1)
    # Wanted: +1, -1, -1.
    assert LabelEncoding(form="squared")(context()).item() == pytest.approx((0 + 0 + 1) / 3)


def test_labels_of_translated_faces_are_the_targets() -> None:
    assert LabelEncoding(image="fake")(context()).item() == pytest.approx(log(2 + exp(2)) - 2)
    assert LabelEncoding(image="fake").needs("generator") == {"label_encoder", "fake"}


def test_other_images_are_refused() -> None:
    with pytest.raises(GanzooError, match="not cycle, cross_entropy"):
        LabelEncoding(image="cycle")  # type: ignore[arg-type]  # what a recipe may hold


def _styled(styled: bool = True) -> Any:
    style = torch.tensor([[1.0, 0.0]]) if styled else None
    outputs = {
        "fake": GeneratorOutput(torch.tensor([0.5, 1.0]), style=style),
        "fake_again": GeneratorOutput(torch.tensor([0.0, 0.0])),
    }
    return SimpleNamespace(side="generator", generated=outputs.__getitem__, style_of={"fake": torch.tensor([[0.5, 1.0]])}.get)


def test_the_style_of_a_face_is_found_again() -> None:
    assert StyleReconstruction()(_styled()).item() == pytest.approx((0.5 + 1) / 2)
    with pytest.raises(GanzooError, match="promises a style"):
        StyleReconstruction()(_styled(styled=False))


def test_styles_should_differ() -> None:
    assert Diversity()(_styled()).item() == pytest.approx(-(0.5 + 1) / 2)
