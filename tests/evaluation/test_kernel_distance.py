from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.kid import KernelInceptionDistance

from ganzoo.errors import GanzooError
from ganzoo.evaluation.kernel_distance import kernel_distance, mean_kernel


def _features(rows: int, width: int, seed: int, shift: float = 0.0) -> Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)) + shift


def test_by_hand() -> None:
    fakes, reals = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0], [3.0]])
    # (0 * 1 + 1)^3 among the fakes; 3^3, 4^3 and 7^3 among the reals; 1 and 2^3, 3^3, 4^3 across.
    expected = 1 + (27 + 64 + 343) / 3 - 2 * (3 * 1 + 8 + 27 + 64) / 6
    assert kernel_distance(fakes, reals).value == pytest.approx(expected, rel=1e-6)
    assert mean_kernel(reals) == pytest.approx((27 + 64 + 343) / 3, rel=1e-6)


def test_agrees_with_torchmetrics_and_torch_fidelity() -> None:
    fakes, reals = _features(700, 24, 0, shift=0.3), _features(700, 24, 1)

    class Identity(torch.nn.Module):
        num_features = 24

        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)

    theirs = KernelInceptionDistance(feature=Identity(), subsets=1, subset_size=700)
    theirs.inception.eval()
    theirs.fake_features, theirs.real_features = [fakes.double()], [reals.double()]
    by_torchmetrics = float(theirs.compute()[0])
    fidelity = kid_features_to_metric(fakes.double(), reals.double(), kid_subsets=1, kid_subset_size=700, verbose=False)
    ours = kernel_distance(fakes, reals).value
    assert ours == pytest.approx(by_torchmetrics, rel=1e-5)
    assert ours == pytest.approx(fidelity["kernel_inception_distance_mean"], rel=1e-5)


def test_full_sample_of_unequal_numbers_is_the_mean_over_all_pairs() -> None:
    fakes, reals = _features(90, 8, 2).double(), _features(1300, 8, 3, shift=0.2).double()

    def kernel(first: Tensor, second: Tensor) -> Tensor:
        return (first @ second.T / 8 + 1) ** 3

    different = [kernel(each, each)[~torch.eye(len(each), dtype=torch.bool)].mean() for each in (fakes, reals)]
    expected = float(different[0] + different[1] - 2 * kernel(fakes, reals).mean())
    assert kernel_distance(fakes.float(), reals.float()).value == pytest.approx(expected, abs=1e-6)
    known = kernel_distance(fakes, reals, real_mean=mean_kernel(reals))
    assert known.value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("shift", "least", "most"), [(0.6, 0.85, 1.2), (0.0, 1.0, 1.6)])
def test_standard_error_is_that_of_many_draws_and_never_too_small(shift: float, least: float, most: float) -> None:
    """Four fakes of each source are alike; where the distributions are equal, the jackknife is known to err upward, by √2."""
    reals, clusters = _features(1000, 6, 4), torch.arange(40).repeat_interleave(4)
    among_reals, values, errors = mean_kernel(reals), [], []
    for seed in range(200):
        fakes = 0.8 * _features(40, 6, 100 + seed)[clusters] + 0.6 * _features(160, 6, 1000 + seed) + shift
        value, error = kernel_distance(fakes, reals, clusters, real_mean=among_reals)
        values.append(value)
        errors.append(error)
    ratio = float(torch.tensor(errors).square().mean().sqrt() / torch.tensor(values).std())
    assert least < ratio < most


def test_few_fakes_are_not_farther_than_many() -> None:
    reals, many = _features(1000, 6, 4), _features(200 * 30, 6, 5).view(200, 30, 6)
    among_reals = mean_kernel(reals)
    few = torch.tensor([kernel_distance(fakes, reals, real_mean=among_reals).value for fakes in many])
    expected = kernel_distance(many.flatten(0, 1), reals, real_mean=among_reals).value
    assert float(few.mean()) == pytest.approx(expected, abs=4 * float(few.std()) / 200**0.5)


def test_faces_of_one_source_tell_less_than_as_many_sources() -> None:
    reals = _features(500, 6, 5)
    fakes = _features(40, 6, 6).repeat_interleave(4, dim=0) + 0.1 * _features(160, 6, 7)
    clustered = kernel_distance(fakes, reals, torch.arange(40).repeat_interleave(4)).standard_error
    apart = kernel_distance(fakes, reals).standard_error
    assert clustered is not None and apart is not None
    assert clustered > 1.5 * apart


def test_jackknife_is_the_spread_of_what_is_left() -> None:
    fakes, reals = _features(12, 3, 8), _features(30, 3, 9)
    clusters = torch.tensor([7, 7, 7, 2, 2, 5, 5, 5, 5, 9, 9, 9])
    without = torch.tensor([kernel_distance(fakes[clusters != c], reals).value for c in (7, 2, 5, 9)], dtype=torch.float64)
    expected = float((3 / 4 * (without - without.mean()).square().sum()).sqrt())
    assert kernel_distance(fakes, reals, clusters).standard_error == pytest.approx(expected, rel=1e-4)
    assert kernel_distance(fakes, reals, clusters % 2).standard_error is None


def test_order_and_the_random_state_do_not_matter() -> None:
    fakes, reals = _features(600, 8, 10), _features(1100, 8, 11, shift=0.5)
    torch.manual_seed(1)
    first, state = kernel_distance(fakes, reals), torch.get_rng_state()
    torch.manual_seed(2)
    again = kernel_distance(fakes.flip(0), reals.flip(0))
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)
    assert again.value == pytest.approx(first.value, rel=1e-5)
    assert again.standard_error == pytest.approx(first.standard_error, rel=1e-5)


def test_refuses_what_it_cannot_measure() -> None:
    with pytest.raises(GanzooError, match="at least 2 features of one width, not \\(1, 4\\)"):
        kernel_distance(_features(1, 4, 0), _features(5, 4, 0))
    with pytest.raises(GanzooError, match="one width"):
        kernel_distance(_features(5, 3, 0), _features(5, 4, 0))
