from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.evaluation.neighbours import NeighbourScores, neighbour_radii, neighbour_scores


def _features(rows: int, width: int, seed: int, shift: float = 0.0) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)) + shift


def _by_scikit_learn(fakes: Tensor, reals: Tensor, k: int) -> NeighbourScores:
    """The definitions, by the ball trees of another library."""

    def radii(points: np.ndarray) -> np.ndarray:
        return NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors(points)[0][:, k]

    fake, real = fakes.double().numpy(), reals.double().numpy()
    distances = np.linalg.norm(real[:, None] - fake[None], axis=2)
    in_real, in_fake = distances <= radii(real)[:, None], distances <= radii(fake)[None]
    density = in_real.sum(axis=0).mean() / k
    return NeighbourScores(in_real.any(axis=0).mean(), in_fake.any(axis=1).mean(), density, in_real.any(axis=1).mean())


@pytest.mark.parametrize(("fakes", "reals", "shift", "k"), [(200, 700, 0.3, 5), (300, 150, 0.0, 3), (520, 530, 1.0, 5)])
def test_agrees_with_neighbours_by_scikit_learn(fakes: int, reals: int, shift: float, k: int) -> None:
    first, second = _features(fakes, 6, 1, shift), _features(reals, 6, 2)
    assert tuple(neighbour_scores(first, second, k)) == pytest.approx(_by_scikit_learn(first, second, k), rel=1e-6)


def test_agrees_with_the_authors_package() -> None:
    prdc = pytest.importorskip("prdc", reason="pip install prdc")
    first, second = 0.8 * _features(200, 10, 3) + 0.2, _features(400, 10, 4)
    theirs = prdc.compute_prdc(real_features=second.numpy(), fake_features=first.numpy(), nearest_k=5)
    ours = neighbour_scores(first, second)._asdict()
    assert ours == {name: pytest.approx(theirs[name], rel=1e-6) for name in ours}


def test_by_hand() -> None:
    reals = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
    assert neighbour_radii(reals, 1).tolist() == pytest.approx([1, 1, 1, 8])
    fakes = torch.tensor([[0.5], [1.2], [100.0], [102.0]])
    scores = neighbour_scores(fakes, reals, 1)
    # 0.5 lies within 0, 1; 1.2 within 1, 2; both not within 10 +- 8. Fakes reach 0.7, 0.7, 2, 2: they hold 0, 1.
    assert tuple(scores) == pytest.approx((2 / 4, 2 / 4, (2 + 2) / 4, 3 / 4))


def test_equal_sets_are_perfect_and_order_does_not_matter() -> None:
    fakes, reals = _features(150, 5, 5, 0.5), _features(600, 5, 6)
    same = neighbour_scores(reals, reals.flip(0))
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    assert neighbour_scores(fakes.flip(0), reals.flip(0)) == pytest.approx(neighbour_scores(fakes, reals))


def test_a_single_mode_is_precise_and_covers_little_and_noise_is_neither() -> None:
    reals = torch.cat([_features(300, 8, 7), _features(300, 8, 8, shift=8.0)])
    fair = neighbour_scores(torch.cat([_features(150, 8, 9), _features(150, 8, 10, shift=8.0)]), reals)
    one_mode = neighbour_scores(_features(300, 8, 11), reals)
    noise = neighbour_scores(20 * _features(300, 8, 12), reals)
    assert one_mode.precision > 0.8 and one_mode.recall < 0.6 and one_mode.coverage < 0.6
    assert fair.recall > 0.8 and fair.coverage > 0.75 and fair.density == pytest.approx(1, abs=0.25)
    assert noise.precision < 0.05 and noise.density < 0.05 and noise.coverage < 0.05


def test_far_from_the_origin_it_is_the_same() -> None:
    fakes, reals = _features(200, 6, 13, 0.2), _features(300, 6, 14)
    assert neighbour_scores(fakes.double() + 1e4, reals.double() + 1e4) == pytest.approx(neighbour_scores(fakes, reals))


def test_too_few_are_refused() -> None:
    with pytest.raises(GanzooError, match="more than 5 features, not 5"):
        neighbour_scores(_features(5, 3, 0), _features(20, 3, 1))
