from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganzoo.evaluation.features import Faces, FeatureStore, Pool


class Mean:
    name = "mean"

    def __init__(self, identity: str = "1") -> None:
        self.identity = identity
        self.batches: list[int] = []

    def __call__(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        return images.float().mean(dim=(2, 3))


IMAGES = torch.arange(10).to(torch.uint8).view(10, 1, 1, 1).expand(10, 2, 3, 3).contiguous()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path))


def test_asks_about_each_image_once() -> None:
    backbone = Mean()
    store = FeatureStore(backbone, Pool(IMAGES, fixed=False), batch_size=2)
    assert store.get(torch.tensor([3, 1, 3, 5])).tolist() == [[3, 3], [1, 1], [3, 3], [5, 5]]
    assert store.get(torch.tensor([5, 6])).tolist() == [[5, 5], [6, 6]]
    assert backbone.batches == [2, 1, 1]


def test_features_of_fixed_images_are_kept_on_disk_by_content() -> None:
    everything = torch.arange(10)
    first, second, other = Mean(), Mean(), Mean("2")
    FeatureStore(first, Pool(IMAGES, fixed=True)).get(everything)
    assert FeatureStore(second, Pool(IMAGES.clone(), fixed=True)).get(everything)[7].tolist() == [7, 7]
    assert (first.batches, second.batches) == ([10], [])
    FeatureStore(other, Pool(IMAGES, fixed=True)).get(everything)
    assert FeatureStore(second, Pool(IMAGES + 1, fixed=True)).get(everything)[7].tolist() == [8, 8]
    assert (other.batches, second.batches) == ([10], [10])


def test_precision_counts_and_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    everything, backbone = torch.arange(10), Mean()
    for precision in ("32", "bf16"):
        FeatureStore(backbone, Pool(IMAGES, fixed=True), precision=precision).get(everything)
    assert backbone.batches == [10, 10]
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:-7])
    for _ in range(2):
        assert FeatureStore(backbone, Pool(IMAGES, fixed=True)).get(everything)[7].tolist() == [7, 7]
    assert backbone.batches == [10, 10, 10]
    assert {file.suffix for file in tmp_path.iterdir()} == {".safetensors"}


@pytest.mark.parametrize(("fixed", "cache"), [(False, True), (True, False)])
def test_generated_faces_are_not_kept(fixed: bool, cache: bool, tmp_path: Path) -> None:
    FeatureStore(Mean(), Pool(IMAGES, fixed=fixed), cache=cache).get(torch.arange(10))
    assert not list(tmp_path.iterdir())


def test_faces_pick_from_their_pool() -> None:
    faces = Faces(Pool(IMAGES, fixed=True), torch.tensor([4, 4, 9]), torch.tensor([0, 1, 2])).take(torch.tensor([2, 1]))
    assert faces.images[:, 0, 0, 0].tolist() == [9, 4]
    assert faces.targets.tolist() == [2, 1]
