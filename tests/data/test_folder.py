from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.data.base import Dataset, load_dataset
from ganzoo.errors import GanzooError


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path_factory.mktemp("cache")))


def pixels(seed: int, size_px: int = 16, channels: int = 0) -> np.ndarray:
    shape = (size_px, size_px, channels) if channels else (size_px, size_px)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def tree(root: Path, folders: tuple[str, ...] = ("train", "val", "test"), each: int = 2, channels: int = 0) -> Path:
    for part_number, folder in enumerate(folders):
        for class_number, class_name in enumerate(("calm", "wild")):
            for number in range(each):
                seed = 1000 * part_number + 100 * class_number + number
                save(root / folder / class_name / f"{number:03d}.png", pixels(seed, channels=channels))
    return root


def load(root: Path, **options: object) -> Dataset:
    return load_dataset(f"folder:{root}", **options)  # type: ignore[arg-type]  # options are spelled out by each test


@pytest.mark.parametrize("val_folder", ["val", "valid", "Validation"])
def test_three_splits_are_read_as_they_stand(tmp_path: Path, val_folder: str) -> None:
    dataset = load(tree(tmp_path, ("train", val_folder, "test")))
    assert dataset.class_names == ("calm", "wild") and dataset.judge_family is None
    for part_number, part in enumerate(("train", "val", "test")):
        split = dataset.splits[part]
        assert split.labels.tolist() == [0, 0, 1, 1]
        expected = [pixels(1000 * part_number + seed) for seed in (0, 1, 100, 101)]
        assert np.array_equal(split.images[:, 0].numpy(), np.stack(expected))
    assert dataset.train.names[0] == "train/calm/000.png"


def test_colour_images_come_in_rgb(tmp_path: Path) -> None:
    dataset = load(tree(tmp_path, channels=3))
    assert dataset.train.images.shape == (4, 3, 16, 16)
    assert np.array_equal(dataset.train.images[0].numpy(), pixels(0, channels=3).transpose(2, 0, 1))


def test_one_colour_image_makes_all_rgb_and_grey_ones_repeat(tmp_path: Path) -> None:
    save(tree(tmp_path) / "test" / "calm" / "colour.png", pixels(5, channels=3))
    dataset = load(tmp_path)
    assert dataset.image_channels == 3
    assert np.array_equal(dataset.train.images[0].numpy(), np.stack([pixels(0)] * 3))


def test_rgb_files_without_colour_are_grey(tmp_path: Path) -> None:
    save(tree(tmp_path) / "train" / "calm" / "000.png", np.repeat(pixels(0)[..., None], 3, axis=2))
    dataset = load(tmp_path)
    assert dataset.image_channels == 1
    assert np.array_equal(dataset.train.images[0, 0].numpy(), pixels(0))


def test_one_held_out_part_is_split_by_pixels(tmp_path: Path) -> None:
    dataset = load(tree(tmp_path, ("train", "test"), each=40))
    assert len(dataset.train) == 80 and len(dataset.val) + len(dataset.test) == 80
    assert 25 < len(dataset.val) < 55
    assert "pixel hash" in dataset.facts["split_rule"]


def test_too_few_held_out_images_to_divide_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="no images of '(calm|wild)' in (val|test)"):
        load(tree(tmp_path, ("train", "test"), each=1))


def test_images_of_other_sizes_are_bad_items_unless_all_are_resized(tmp_path: Path) -> None:
    save(tree(tmp_path) / "train" / "calm" / "odd.png", pixels(5, size_px=20))
    with pytest.raises(GanzooError, match="1 item cannot be used: train/calm/odd.png is 20x20 pixels, not 16x16"):
        load(tmp_path)
    assert load(tmp_path, skip_bad=True).skipped == ("train/calm/odd.png is 20x20 pixels, not 16x16",)
    resized = load(tmp_path, image_size_px=8)
    assert resized.train.images.shape == (5, 1, 8, 8) and resized.skipped == ()


def test_a_split_does_not_depend_on_the_size_asked_for(tmp_path: Path) -> None:
    tree(tmp_path, ("train", "test"), each=20)
    assert load(tmp_path).val.names == load(tmp_path, image_size_px=8).val.names


def test_bad_pictures_are_named_or_skipped(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "test" / "wild" / "broken.JPG").write_bytes(b"no picture")
    Image.fromarray(pixels(1).astype(np.uint16)).save(tmp_path / "test" / "wild" / "deep.png")
    with pytest.raises(GanzooError, match="2 items .*broken.JPG is not a readable picture; .*deep.png has more than 8 bits"):
        load(tmp_path)
    dataset = load(tmp_path, skip_bad=True)
    assert len(dataset.skipped) == 2 and len(dataset.test) == 4


def test_classes_that_differ_between_splits_are_named(tmp_path: Path) -> None:
    save(tree(tmp_path) / "train" / "sleepy" / "0.png", pixels(1))
    with pytest.raises(GanzooError, match="different classes: val lacks 'sleepy'; test lacks 'sleepy'"):
        load(tmp_path)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    before = load(tree(tmp_path))
    assert load(tmp_path).content_hash == before.content_hash
    save(tmp_path / "train" / "calm" / "000.png", pixels(99))
    after = load(tmp_path)
    assert after.content_hash != before.content_hash
    assert torch.equal(after.train.images[0, 0], torch.from_numpy(pixels(99)))


def test_what_is_no_such_tree_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="absent does not exist"):
        load(tmp_path / "absent")
    (tmp_path / "file").write_bytes(io.BytesIO().getvalue())
    with pytest.raises(GanzooError, match="file is a file, not a folder"):
        load(tmp_path / "file")
    with pytest.raises(GanzooError, match="no pictures"):
        load(tmp_path)
    with pytest.raises(GanzooError, match="only 'train' has pictures"):
        load(tree(tmp_path, ("train",)))
    with pytest.raises(GanzooError, match="needs a path"):
        load_dataset("folder:")


def test_relative_paths_start_at_the_data_root(tmp_path: Path) -> None:
    tree(tmp_path / "mine")
    assert len(load_dataset("folder:mine", root=tmp_path).train) == 4


def test_an_empty_class_folder_is_named(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        (tree(tmp_path) / part / "sad").mkdir()
    with pytest.raises(GanzooError, match="no pictures in 'sad'. Add them or remove the class."):
        load(tmp_path)


def test_a_link_to_nothing_is_a_bad_item(tmp_path: Path) -> None:
    (tree(tmp_path) / "train" / "calm" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(GanzooError, match=r"1 item cannot be used: train/calm/gone.png cannot be read \(No such file"):
        load(tmp_path)
    assert load(tmp_path, skip_bad=True).skipped == ("train/calm/gone.png cannot be read (No such file or directory)",)


def test_linked_class_folders_are_read(tmp_path: Path) -> None:
    root = tree(tmp_path / "real")
    for part in ("train", "val", "test"):
        for name in ("calm", "wild"):
            (tmp_path / "linked" / part).mkdir(parents=True, exist_ok=True)
            (tmp_path / "linked" / part / name).symlink_to(root / part / name)
    assert load(tmp_path / "linked").content_hash == load(root).content_hash


def test_one_class_is_refused(tmp_path: Path) -> None:
    tree(tmp_path)
    for part in ("train", "val", "test"):
        shutil.rmtree(tmp_path / part / "wild")
    with pytest.raises(GanzooError, match="has one class, 'calm'; translation needs at least 2"):
        load(tmp_path)


@pytest.mark.parametrize("size_px", [0, 7, 100_000])
def test_absurd_sizes_are_refused(tmp_path: Path, size_px: int) -> None:
    with pytest.raises(GanzooError, match=f"Images can be 8 to 512 pixels a side, not {size_px}"):
        load(tree(tmp_path), image_size_px=size_px)
