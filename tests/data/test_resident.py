from __future__ import annotations

from typing import Any

import pytest
import torch

from ganzoo.data.base import Split
from ganzoo.data.pixels import to_minus1_1
from ganzoo.data.resident import Batch, LoaderBatches, ResidentBatches, make_batches
from ganzoo.errors import GanzooError

CPU = torch.device("cpu")
FIRST_OF_SEED_1 = [3, 9, 15, 16, 22]
"""Places of the first batch of five of 23 images, as version 0.1 drew them: runs made then go on with the same batches."""


@pytest.fixture(scope="module")
def split() -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (23, 1, 4, 4), generator=generator, dtype=torch.uint8)
    return Split(images, torch.randint(0, 3, (23,), generator=generator))


def equal(one: list[Batch], other: list[Batch]) -> bool:
    pairs = [pair for left, right in zip(one, other, strict=True) for pair in zip(left, right, strict=True)]
    return all(a is b is None or (a is not None and b is not None and torch.equal(a, b)) for a, b in pairs)


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


@pytest.mark.parametrize("references", [False, True])
@pytest.mark.parametrize("sampling", ["shuffled", "balanced"])
def test_the_budget_chooses_between_two_kinds_with_equal_bits(split: Split, sampling: Any, references: bool) -> None:
    asked = {"device": CPU, "batch_size": 5, "seed": 3, "sampling": sampling, "references": references}
    resident = make_batches(split, **asked)
    loader = make_batches(split, **asked, memory_budget_bytes=100)
    assert isinstance(resident, ResidentBatches) and isinstance(loader, LoaderBatches)
    assert loader.steps_per_epoch == resident.steps_per_epoch and loader.batch_size == resident.batch_size
    for start in (0, 3, 4):
        assert equal(list(resident.epoch(2, start)), list(loader.epoch(2, start)))


@pytest.mark.parametrize("references", [False, True])
def test_starting_in_mid_epoch_gives_the_batches_from_there(split: Split, references: bool) -> None:
    batches = make_batches(split, device=CPU, batch_size=5, seed=3, references=references)
    rest = list(batches.epoch(7, start=2))
    assert len(rest) == 2 and equal(list(batches.epoch(7))[2:], rest)


def test_shuffled_batches_are_those_of_earlier_versions(split: Split) -> None:
    for references in (False, True):
        batches = make_batches(split, device=CPU, batch_size=5, seed=1, references=references)
        assert next(batches.epoch(0)).indices.tolist() == FIRST_OF_SEED_1


@pytest.fixture(scope="module")
def uneven() -> Split:
    """400 images of class 0, 60 of class 2, one of class 3, none of class 1; each is filled with its number modulo 256."""
    labels = torch.tensor([0] * 400 + [2] * 60 + [3])
    images = torch.arange(461).remainder(256).to(torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2).contiguous()
    return Split(images, labels)


def test_balanced_batches_show_every_class_as_often(uneven: Split) -> None:
    batches = make_batches(uneven, device=CPU, batch_size=46, seed=0, sampling="balanced")
    assert batches.steps_per_epoch == 10
    shown = torch.cat([batch.labels for epoch in range(6) for batch in batches.epoch(epoch)])
    counts = torch.bincount(shown, minlength=4)
    assert counts[1] == 0 and (counts[[0, 2, 3]] - 920).abs().max() < 125  # five standard deviations
    assert all(torch.equal(batch.labels, uneven.labels[batch.indices]) for batch in batches.epoch(0))


def test_references_are_two_different_pictures_of_a_class_drawn_evenly(uneven: Split) -> None:
    batches = make_batches(uneven, device=CPU, batch_size=46, seed=0, flip=False, references=True)
    labels, pairs = [], []
    for batch in (batch for epoch in range(6) for batch in batches.epoch(epoch)):
        assert batch.references is not None and batch.reference_labels is not None
        assert batch.references.shape == (46, 2, 1, 2, 2)
        labels.append(batch.reference_labels)
        pairs.append(((batch.references[:, :, 0, 0, 0] + 1) * 127.5).round().long())
    counts = torch.bincount(torch.cat(labels), minlength=4)
    assert counts[1] == 0 and (counts[[0, 2, 3]] - 920).abs().max() < 125
    drawn, of = torch.cat(pairs), torch.cat(labels)
    assert set(drawn[of == 3].flatten().tolist()) == {460 - 256}  # the only one, twice
    assert set(drawn[of == 2].flatten().tolist()) == {number % 256 for number in range(400, 460)}
    assert (drawn[of == 2][:, 0] != drawn[of == 2][:, 1]).all()
    assert (drawn[of == 0][:, 0] != drawn[of == 0][:, 1]).float().mean() > 0.99  # numbers 0 and 256 look alike


def test_references_are_mirrored_each_for_itself(split: Split) -> None:
    flipped = next(make_batches(split, device=CPU, batch_size=23, seed=1, references=True).epoch(0)).references
    assert flipped is not None
    plain = to_minus1_1(split.images)
    ways = [(flipped[:, :, None] == other).flatten(3).all(3).any(2) for other in (plain, plain.flip(-1))]
    assert (ways[0] ^ ways[1]).all()
    assert len({tuple(row) for row in ways[0].tolist()}) == 4


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
