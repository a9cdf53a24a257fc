from __future__ import annotations

import torch

from ganzoo.evaluation.grid import class_counts, content_ranks, first_of_each_class, off_diagonal_grid


def test_grid_holds_every_other_class_once() -> None:
    grid = off_diagonal_grid(torch.tensor([2, 0]), 3)
    assert list(zip(grid.position.tolist(), grid.source.tolist(), grid.target.tolist(), strict=True)) == [
        (0, 2, 0), (0, 2, 1), (1, 0, 1), (1, 0, 2),
    ]  # fmt: skip


def test_choice_follows_the_pixels_and_not_the_order() -> None:
    images = torch.randint(0, 256, (30, 1, 4, 4), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    labels, mixed = torch.arange(30) % 3, torch.randperm(30, generator=torch.Generator().manual_seed(1))
    chosen = first_of_each_class(labels, content_ranks(images, "a"), 4, 3)
    again = first_of_each_class(labels[mixed], content_ranks(images[mixed], "a"), 4, 3)
    assert torch.equal(images[chosen], images[mixed][again])
    assert class_counts(labels[chosen], 3) == [4, 4, 4]
    other = first_of_each_class(labels, content_ranks(images, "b"), 4, 3)
    assert set(chosen.tolist()) != set(other.tolist())


def test_smaller_choices_are_part_of_larger_ones() -> None:
    labels, ranks = torch.tensor([0, 0, 0, 1, 0]), torch.tensor([4, 1, 3, 2, 0])
    assert first_of_each_class(labels, ranks, 2, 2).tolist() == [4, 1, 3]
    assert first_of_each_class(labels, ranks, 3, 2).tolist() == [4, 1, 2, 3]
