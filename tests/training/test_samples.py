"""Pictures of a run: their layout, the same faces throughout, and nothing of the run disturbed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from ganzoo.data.base import Dataset, Split
from ganzoo.models.base import create_generator
from ganzoo.training.samples import CELL_PX, HEADER_PX, SampleGrid, one_of_each_in_turn
from ganzoo.training.translator import GeneratorTranslator

CLASSES = ("angry", "happy", "sad")


@pytest.fixture
def dataset() -> Dataset:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(256, (12, 1, 32, 32), generator=random, dtype=torch.uint8)
    split = Split(images, torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2]))
    return Dataset("toy", CLASSES, {"train": split, "val": split, "test": split}, "0" * 64)


def translator(name: str) -> GeneratorTranslator:
    torch.manual_seed(0)
    generator = create_generator(name, image_channels=1, image_size_px=32, num_classes=3, width=4)
    return GeneratorTranslator(generator, CLASSES, torch.device("cpu"))


def test_classes_take_turns(dataset: Dataset) -> None:
    chosen = one_of_each_in_turn(dataset.val, 3, 8)
    assert dataset.val.labels[chosen].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


@pytest.mark.parametrize(("name", "columns"), [("stargan", 5), ("cdcgan", 4)])
def test_a_row_is_source_targets_and_cycle(dataset: Dataset, tmp_path: Path, name: str, columns: int) -> None:
    path = SampleGrid(dataset, tmp_path).save(translator(name), 96)
    assert path.name == "images_000000096.png"
    with Image.open(path) as picture:
        assert picture.size == (columns * CELL_PX, HEADER_PX + 8 * CELL_PX)


def test_taking_pictures_disturbs_nothing(dataset: Dataset, tmp_path: Path) -> None:
    made = translator("stargan")
    made.generator.train()
    before = torch.get_rng_state()
    SampleGrid(dataset, tmp_path).save(made, 0)
    assert torch.equal(torch.get_rng_state(), before) and made.generator.training


@pytest.mark.parametrize("name", ["stargan", "cdcgan"])
def test_the_same_generator_gives_the_same_picture(dataset: Dataset, tmp_path: Path, name: str) -> None:
    grid, made = SampleGrid(dataset, tmp_path), translator(name)
    first = grid.save(made, 0).read_bytes()
    made(torch.zeros(5, 1, 32, 32), torch.zeros(5, dtype=torch.int64), torch.zeros(5, dtype=torch.int64))
    assert grid.save(made, 0).read_bytes() == first


def test_timeline_shows_translations_to_another_class(dataset: Dataset, tmp_path: Path) -> None:
    grid = SampleGrid(dataset, tmp_path)
    assert all(target != int(label) for target, label in zip(grid._timeline_targets(), grid.labels, strict=True))
    pictures = [grid.save(translator("stargan"), seen) for seen in (0, 80, 160)]
    with Image.open(grid.save_timeline(pictures)) as timeline:
        assert timeline.size == (4 * CELL_PX, HEADER_PX + 8 * CELL_PX)
        with Image.open(pictures[-1]) as last:
            target = grid._timeline_targets()[0]
            box = (CELL_PX * (1 + target), HEADER_PX, CELL_PX * (2 + target), HEADER_PX + CELL_PX // 2)
            place = (CELL_PX * 3, HEADER_PX, CELL_PX * 4, HEADER_PX + CELL_PX // 2)
            assert last.convert("RGB").crop(box).tobytes() == timeline.crop(place).tobytes()


def test_intensities_of_a_continuous_generator(dataset: Dataset, tmp_path: Path) -> None:
    grid = SampleGrid(dataset, tmp_path)
    assert grid.save_intensities(translator("stargan")) is None
    path = grid.save_intensities(translator("ganimation"))
    assert path == tmp_path / "intensity.png"
    with Image.open(path) as picture:
        assert picture.size == (6 * CELL_PX, HEADER_PX + 8 * CELL_PX)
