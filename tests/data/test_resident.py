from __future__ import annotations

import pytest
import torch

from ganzoo.data.base import Split
from ganzoo.data.pixels import to_minus1_1
from ganzoo.data.resident import Batch, LoaderBatches, ResidentBatches, make_batches
from ganzoo.errors import GanzooError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def split() -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (23, 1, 4, 4), generator=generator, dtype=torch.uint8)
    return Split(images, torch.randint(0, 3, (23,), generator=generator))


def equal(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True)
    )


def test_batches_hold_the_images_at_their_indices_mirrored_or_not(split: Split) -> None:
    batches = make_batches(split, device=CPU, batch_size=5, seed=1)
    mirrored = 0
    for batch in (batch for epoch in range(10) for batch in batches.epoch(epoch)):
        assert batch.images.dtype == torch.float32 and batch.images.shape == (5, 1, 4, 4)
        assert torch.equal(batch.labels, split.labels[batch.indices])
        plain = to_minus1_1(split.images[batch.indices])
        is_plain = (batch.images == plain).flatten(1).all(1)
        is_mirrored = (batch.images == plain.flip(-1)).flatten(1).all(1)
        assert (is_plain ^ is_mirrored).all()
        mirrored += int(is_mirrored.sum())
    assert 70 < mirrored < 130  # of 200


def test_an_epoch_shows_no_image_twice_and_drops_the_rest(split: Split) -> None:
    batches = make_batches(split, device=CPU, batch_size=5, seed=1)
    assert batches.steps_per_epoch == 4
    indices = torch.cat([batch.indices for batch in batches.epoch(0)])
    assert len(indices) == len(indices.unique()) == 20


def test_a_split_smaller_than_a_batch_is_one_batch(split: Split) -> None:
    batches = make_batches(split, device=CPU, batch_size=64, seed=1)
    assert (batches.batch_size, batches.steps_per_epoch) == (23, 1)
    (batch,) = batches.epoch(0)
    assert sorted(batch.indices.tolist()) == list(range(23))


def test_the_budget_chooses_between_two_kinds_with_equal_bits(split: Split) -> None:
    resident = make_batches(split, device=CPU, batch_size=5, seed=3)
    loader = make_batches(split, device=CPU, batch_size=5, seed=3, memory_budget_bytes=100)
    assert isinstance(resident, ResidentBatches) and isinstance(loader, LoaderBatches)
    assert loader.steps_per_epoch == resident.steps_per_epoch and loader.batch_size == resident.batch_size
    for start in (0, 3, 4):
        assert equal(list(resident.epoch(2, start)), list(loader.epoch(2, start)))


def test_starting_in_mid_epoch_gives_the_batches_from_there(split: Split) -> None:
    whole = list(make_batches(split, device=CPU, batch_size=5, seed=3).epoch(7))
    rest = list(make_batches(split, device=CPU, batch_size=5, seed=3).epoch(7, start=2))
    assert len(rest) == 2 and equal(whole[2:], rest)


def test_seeds_and_epochs_give_different_orders(split: Split) -> None:
    orders = {
        tuple(next(make_batches(split, device=CPU, batch_size=23, seed=seed).epoch(epoch)).indices.tolist())
        for seed in (0, 1, 2)
        for epoch in (0, 1, 2)
    }
    assert len(orders) == 9


def test_without_flip_images_are_as_they_are(split: Split) -> None:
    for batch in make_batches(split, device=CPU, batch_size=5, seed=1, flip=False).epoch(0):
        assert torch.equal(batch.images, to_minus1_1(split.images[batch.indices]))


@pytest.mark.parametrize("budget", [None, 0])
def test_the_global_random_stream_is_left_alone(split: Split, budget: int | None) -> None:
    before = torch.get_rng_state()
    list(make_batches(split, device=CPU, batch_size=5, seed=1, memory_budget_bytes=budget).epoch(0))
    assert torch.equal(before, torch.get_rng_state())


def test_what_cannot_be_cut_into_batches_is_refused(split: Split) -> None:
    with pytest.raises(GanzooError, match="The batch size is 0"):
        make_batches(split, device=CPU, batch_size=0, seed=1)
    with pytest.raises(GanzooError, match="no training images"):
        make_batches(Split(split.images[:0], split.labels[:0]), device=CPU, batch_size=1, seed=1)
