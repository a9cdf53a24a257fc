from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from ganzoo.errors import GanzooError
from ganzoo.evaluation.frechet import fit_gaussian, frechet_distance


def _features(rows: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=generator, dtype=torch.float64)
    return torch.randn(rows, width, generator=generator, dtype=torch.float64) @ mixing + seed


def _by_scipy(first: Tensor, second: Tensor) -> float:
    a, b = first.numpy(), second.numpy()
    root = np.real(scipy.linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)))
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root))


def _by_svd(first: Tensor, second: Tensor) -> float:
    a, b = first - first.mean(0), second - second.mean(0)
    a, b = a / (len(a) - 1) ** 0.5, b / (len(b) - 1) ** 0.5
    nuclear = torch.linalg.svdvals(a @ b.T).sum()
    return float((first.mean(0) - second.mean(0)).square().sum() + a.square().sum() + b.square().sum() - 2 * nuclear)


def test_closed_form_of_one_dimension() -> None:
    first, second = torch.tensor([[0.0], [2.0], [4.0]]), torch.tensor([[10.0], [11.0], [12.0]])
    assert frechet_distance(first, second) == pytest.approx((11 - 2) ** 2 + (2 - 1) ** 2, rel=1e-12)


def test_closed_form_of_axis_aligned_gaussians() -> None:
    corners = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64) * (3 / 4) ** 0.5
    first, second = corners * torch.tensor([1.0, 2.0]), corners * torch.tensor([4.0, 7.0]) + torch.tensor([3.0, 0.0])
    assert frechet_distance(first, second) == pytest.approx(9 + (1 - 4) ** 2 + (2 - 7) ** 2, rel=1e-10)


@pytest.mark.parametrize(("rows", "others"), [(200, 200), (150, 400), (65, 65)])
def test_full_rank_agrees_with_scipy(rows: int, others: int) -> None:
    first, second = _features(rows, 32, 1), _features(others, 32, 2)
    assert frechet_distance(first, second) == pytest.approx(_by_scipy(first, second), rel=1e-6)


def test_full_rank_agrees_with_torchmetrics() -> None:
    class Identity(torch.nn.Module):
        num_features = 12

        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1).float()

    images = torch.randint(0, 256, (2, 60, 3, 2, 2), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    images[1] //= 2
    theirs = FrechetInceptionDistance(feature=Identity(), input_img_size=(3, 2, 2))
    theirs.update(images[0], real=True)
    theirs.update(images[1], real=False)
    first, second = images.flatten(2).double()
    assert frechet_distance(first, second) == pytest.approx(float(theirs.compute()), rel=1e-5)


@pytest.mark.parametrize(("rows", "others"), [(20, 20), (20, 300), (300, 20), (64, 64)])
def test_below_full_rank_agrees_with_the_nuclear_norm(rows: int, others: int) -> None:
    first, second = _features(rows, 64, 3), _features(others, 64, 4)
    assert frechet_distance(first, second) == pytest.approx(_by_svd(first, second), rel=1e-6)


@pytest.mark.parametrize("steepness", [0, 1, 3])
@pytest.mark.parametrize("rows", [40, 95, 97, 300])
def test_close_sets_of_steep_spectra_and_with_copies_agree_with_singular_values(rows: int, steepness: int) -> None:
    """Where eigenvalues of squares keep half of the digits and a small distance is the rest of large sums."""
    scales = torch.arange(1, 97, dtype=torch.float64) ** -steepness
    first = torch.randn(rows, 96, generator=torch.Generator().manual_seed(13), dtype=torch.float64) * scales
    copies = torch.cat([first[: rows // 2], first[: rows - rows // 2]])
    for one in (first, copies):
        near = one + 0.01 * one.std() * _features(rows, 96, 14) / 10
        assert frechet_distance(one, near) == pytest.approx(_by_svd(one, near), rel=1e-6)


@pytest.mark.parametrize("steepness", [1.0, 1.5])
@pytest.mark.parametrize("constant", [0, 40])
@pytest.mark.parametrize("falling", [True, False])
def test_many_rows_need_neither_singular_values_nor_an_orthogonal_factor(
    falling: bool, constant: int, steepness: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take twice as long; the smallest eigenvalues keep their digits whichever features vary least, or not at all."""
    scales = torch.arange(1, 385, dtype=torch.float64) ** -steepness
    scales[-constant or 384 :] = 0
    first, second = (
        torch.randn(rows, 384, generator=torch.Generator().manual_seed(rows), dtype=torch.float64)
        * (scales if falling else scales.flip(0))
        for rows in (700, 1400)
    )
    expected = _by_svd(first, second)
    monkeypatch.delattr(torch.linalg, "svdvals")
    monkeypatch.delattr(torch.linalg, "qr")
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("rows", [50, 300])
def test_other_features_may_be_constant_in_each_set(rows: int) -> None:
    first, second = _features(rows, 96, 3), _features(2 * rows, 96, 4)
    first[:, :5], second[:, 3:20], second[:, 90] = 1.0, 0.0, 7.0
    assert frechet_distance(first, second) == pytest.approx(_by_svd(first, second), rel=1e-8)
    still = torch.full_like(first, 2.0)
    assert frechet_distance(still, second) == pytest.approx(_by_svd(still, second), rel=1e-8)


def test_half_precision_features_are_measured_in_float64() -> None:
    first, second = _features(60, 8, 15).half(), _features(60, 8, 16).half()
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(first.double(), second.double()), rel=1e-12)


def test_a_fitted_gaussian_serves_for_its_features() -> None:
    first, second = _features(50, 12, 17), _features(9, 12, 18)
    fitted = fit_gaussian(first)
    torch.testing.assert_close(fitted.factor.T @ fitted.factor, first.T.cov())
    assert frechet_distance(fitted, fit_gaussian(second)) == frechet_distance(first, second)


def test_a_constant_feature_does_not_break_the_full_rank_form() -> None:
    first, second = _features(200, 16, 5), _features(200, 16, 6)
    first[:, 3] = second[:, 3] = 0.0
    kept = [column for column in range(16) if column != 3]
    assert frechet_distance(first, second) == pytest.approx(frechet_distance(first[:, kept], second[:, kept]), rel=1e-8)


@pytest.mark.parametrize("rows", [20, 200])
def test_equal_sets_are_at_distance_zero_and_order_does_not_matter(rows: int) -> None:
    first, second = _features(rows, 32, 7), _features(rows, 32, 8)
    shuffled = torch.randperm(rows, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6 * float(first.var(0).sum()))
    assert frechet_distance(first[shuffled], second) == pytest.approx(frechet_distance(second, first), rel=1e-8)


@pytest.mark.parametrize("rows", [20, 200])
def test_shift_and_scale(rows: int) -> None:
    first, second = _features(rows, 32, 9), _features(rows, 32, 10)
    distance = frechet_distance(first, second)
    assert frechet_distance(3 * first + 1, 3 * second + 1) == pytest.approx(9 * distance, rel=1e-6)
    assert frechet_distance(first, first + 2) == pytest.approx(32 * 4, rel=1e-6)


def test_grows_with_noise() -> None:
    first = _features(200, 16, 11)
    noise = torch.randn(first.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    distances = [frechet_distance(first, first + level * noise) for level in (0.0, 1.0, 3.0, 9.0)]
    assert distances == sorted(distances)
    assert distances[1] > 0.01


def test_refuses_what_it_cannot_measure() -> None:
    good = _features(5, 4, 12)
    with pytest.raises(GanzooError, match="one width"):
        frechet_distance(good, good[:, :3])
    with pytest.raises(GanzooError, match="at least 2 rows"):
        frechet_distance(good, good[:1])
    with pytest.raises(GanzooError, match="not finite"):
        frechet_distance(good, good * float("nan"))
