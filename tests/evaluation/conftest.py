"""A toy world in which every score is known: the left half of a face is its identity, the right half its expression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from pydantic import BaseModel
from torch import Tensor

from ganzoo.data.base import Dataset, Split
from ganzoo.data.cache import content_hash

CLASSES = ("angry", "happy", "sad")
LEVELS = torch.tensor([40, 120, 200])
SIZE = 8


def _split(counts: tuple[int, ...], seed: int) -> Split:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=generator)]
    images = torch.randint(0, 256, (len(labels), 1, SIZE, SIZE), generator=generator)
    images[:, :, :, SIZE // 2 :] = images[:, :, :, SIZE // 2 :] % 20 + LEVELS[labels][:, None, None, None]
    return Split(images.to(torch.uint8), labels)


class CardOfFakes(BaseModel):
    temperature: float = 1.0


class FakeJudges:
    """Reads the right half; the second voter confuses the first two classes."""

    def __init__(self) -> None:
        self.card: BaseModel = CardOfFakes()
        self.class_names = CLASSES
        self.weight_hashes = {"sharp": "aa", "blurred": "bb", "features": "cc"}
        self.voter_names = ("sharp", "blurred")
        self.images_judged = 0

    def each(self, images: Tensor) -> Tensor:
        self.images_judged += len(images)
        shown = images[..., SIZE // 2 :].double().mean(dim=(1, 2, 3)) - 10
        sharp = (-(shown[:, None] - LEVELS).abs() / 10).softmax(dim=1)
        blurred = (-(shown[:, None] - LEVELS.sort(descending=True).values).abs() / 1000).softmax(dim=1)
        return torch.stack([sharp, blurred]).float()

    def features(self, images: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(images.float(), 2).flatten(1) / 255


@dataclass
class ToyTranslator:
    """Moves the right half towards the target's level by ``strength``: 0 copies, 1 gives the true answer."""

    strength: float = 1.0
    offset: float = 0.0
    takes_image: bool = True
    images_made: int = 0

    def __call__(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        self.images_made += len(images)
        output = images.clone()
        step = (LEVELS[target] - LEVELS[source]) * (self.strength * 2 / 255)
        output[..., SIZE // 2 :] += step[:, None, None, None]
        return output + self.offset * 2 / 255


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A dataset that knows the true answers, with uneven classes in ``test``: 6, 9 and 12 faces."""
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    splits = {"train": _split((40, 50, 60), 0), "val": _split((4, 4, 4), 1), "test": _split((6, 9, 12), 2)}

    def counterfactual(split: str, indices: Tensor, targets: Tensor) -> Tensor:
        images, labels = splits[split].images[indices].to(torch.int64), splits[split].labels[indices]
        images[..., SIZE // 2 :] += (LEVELS[targets] - LEVELS[labels])[:, None, None, None]
        return images.to(torch.uint8)

    return Dataset("toy", CLASSES, splits, content_hash(splits, CLASSES), counterfactual=counterfactual)


@pytest.fixture
def plain_toy(toy: Dataset) -> Dataset:
    """The same without true answers."""
    return replace(toy, counterfactual=None)


@pytest.fixture
def judges() -> FakeJudges:
    return FakeJudges()


@pytest.fixture
def make_translator() -> type[ToyTranslator]:
    return ToyTranslator
