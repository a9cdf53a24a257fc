from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.evaluation.passages import PASSAGES
from ganzoo.evaluation.translate import there_and_back, translate

LABELS = torch.zeros(10, dtype=torch.int64)


def _images() -> Tensor:
    return torch.randint(0, 256, (10, 3, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


class Constant:
    takes_image = True

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        return torch.full_like(images, self.value)


@pytest.mark.parametrize(("level", "expected"), [(0.4, 0), (0.6, 1), (99.9, 100), (254.6, 255), (300.0, 255), (-9.0, 0)])
def test_rounds_and_clamps_and_never_truncates(level: float, expected: int) -> None:
    faces = translate(Constant(level / 127.5 - 1), _images(), LABELS, LABELS)
    assert faces.dtype == torch.uint8
    assert (faces == expected).all()


def test_a_copy_keeps_every_grey_level(make_translator: Any) -> None:
    images = torch.arange(256).to(torch.uint8).view(4, 1, 8, 8)
    labels = torch.zeros(4, dtype=torch.int64)
    assert torch.equal(translate(make_translator(strength=0), images, labels, labels), images)


def test_neither_batches_nor_picking_by_index_change_the_bytes(make_translator: Any) -> None:
    images, target = _images()[..., :1, :].repeat(1, 1, 8, 2), torch.arange(10) % 3
    whole = translate(make_translator(0.7), images, LABELS, target)
    assert torch.equal(translate(make_translator(0.7), images, LABELS, target, batch_size=3), whole)
    index = torch.tensor([4, 4, 0])
    assert torch.equal(translate(make_translator(0.7), images, LABELS[index], target[index], index=index), whole[index])


def test_says_how_far_it_is() -> None:
    said: list[tuple[str, int, int]] = []
    translate(Constant(0), _images(), LABELS, LABELS, batch_size=4, task="go", progress=lambda *news: said.append(news))
    assert said == [("go", 4, 10), ("go", 8, 10), ("go", 10, 10)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_values_that_are_not_finite(value: float) -> None:
    with pytest.raises(GanzooError, match="diverged"):
        translate(Constant(value), _images(), LABELS, LABELS)


def test_refuses_another_shape() -> None:
    class Cropping(Constant):
        def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
            return images[..., 1:]

    with pytest.raises(GanzooError, match=r"\(10, 3, 4, 3\)"):
        translate(Cropping(0), _images(), LABELS, LABELS)


class InPlace:
    """Inverts faces, writes into all that it is given, and gives every answer in the same place."""

    takes_image = True
    place: Tensor | None = None

    def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        output = images.neg_() + target[:, None, None, None] / 10 - source[:, None, None, None] / 10
        source.zero_(), target.zero_()
        self.place = output if self.place is None else self.place.copy_(output)
        return self.place


def test_a_generator_that_works_in_place_goes_there_and_back_like_another() -> None:
    class Careful(InPlace):
        def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
            return super().__call__(images.clone(), source.clone(), target.clone()).clone()

    images, source = _images(), torch.arange(10) % 3
    untouched, in_place = (
        {
            **there_and_back(made, images, source, (source + 1) % 3, PASSAGES, torch.arange(10), index=torch.arange(10)),
            "there": translate(made, images, source, (source + 1) % 3),
        }
        for made in (Careful(), InPlace())
    )
    assert all(torch.equal(untouched[name], in_place[name]) for name in untouched)
    assert torch.equal(images, _images()) and torch.equal(source, torch.arange(10) % 3)
