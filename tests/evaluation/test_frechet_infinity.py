from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from ganzoo.evaluation.frechet import fit_gaussian, frechet_distance
from ganzoo.evaluation.frechet_infinity import POINTS, frechet_infinity, sample_sizes

WIDTH = 12


def _draw(rows: int, seed: int) -> Tensor:
    return torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_samples_grow_evenly_from_a_tenth_to_all() -> None:
    sizes = sample_sizes(300)
    assert len(sizes) == POINTS and (sizes[0], sizes[-1]) == (30, 300)
    assert {second - first for first, second in pairwise(sizes)} <= {19, 20}
    assert (sample_sizes(20)[0], sample_sizes(20)[-1]) == (2, 20)


def test_takes_out_most_of_the_bias_of_small_samples() -> None:
    """Between a Gaussian and its like, twice as wide and moved, whose distance is known."""
    truth = WIDTH * (2 - 1) ** 2 + 1.0
    reference = fit_gaussian(_draw(50_000, 0))
    labels = torch.arange(200) % 4
    plain, extrapolated = [], []
    for seed in range(1, 31):
        fakes = 2 * _draw(200, seed)
        fakes[:, 0] += 1
        plain.append(frechet_distance(fakes, reference) - truth)
        extrapolated.append(frechet_infinity(fakes, labels, reference) - truth)
    bias, left = sum(plain) / 30, sum(extrapolated) / 30
    assert bias > 0.15
    assert abs(left) < bias / 2


def test_is_seeded_and_leaves_the_random_state_alone() -> None:
    fakes, labels, reference = 2 * _draw(120, 2), torch.arange(120) % 3, fit_gaussian(_draw(500, 3))
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = frechet_infinity(fakes, labels, reference)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert frechet_infinity(fakes, labels, reference) == first


def test_a_distance_that_does_not_fall_with_the_number_stays_what_it_is() -> None:
    corners = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    far = fit_gaussian(corners * 1e-9 + 100)
    same = torch.zeros(80, 1, dtype=torch.float64)
    assert frechet_infinity(same, torch.arange(80) % 2, far) == pytest.approx(100**2, rel=1e-9)
