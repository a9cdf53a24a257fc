"""Precision, recall, density and coverage of a set of features, by nearest neighbours.

Sources: Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing Generative Models" (arXiv 1904.06991),
eqs. 1 and 2; Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models" (arXiv 2002.09797), eqs. 3 to 5.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ganzoo.errors import GanzooError

NEIGHBOURS = 5
_AT_ONCE = 512


class NeighbourScores(NamedTuple):
    """How two sets of features lie among each other; higher is better.

    Attributes:
        precision: Share of fakes within the neighbourhood of some real, 0 to 1.
        recall: Share of reals within the neighbourhood of some fake, 0 to 1.
        density: Mean number of neighbourhoods of reals that a fake lies in, over k; about 1 for equal distributions, and
            not bounded by it.
        coverage: Share of reals with some fake in their neighbourhood, 0 to 1.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def neighbour_scores(fakes: Tensor, reals: Tensor, k: int = NEIGHBOURS, *, real_radii: Tensor | None = None) -> NeighbourScores:
    """Scores of fakes against reals; the neighbourhood of a feature reaches to its k-th nearest of its own set.

    All four depend on both numbers of rows: only values at equal numbers are comparable.

    Args:
        fakes: Any float ``(N, D)``, N > k.
        reals: Any float ``(M, D)``, M > k.
        k: Which neighbour, not counting the feature itself.
        real_radii: `neighbour_radii` of the reals, where they are known already.

    Raises:
        GanzooError: Too few rows.
    """
    # Near the origin, products in float32 leave distances five digits.
    centre = reals.mean(dim=0)
    fakes, reals = (fakes - centre).float(), (reals - centre).float()
    fake_radii = neighbour_radii(fakes, k)
    radii = neighbour_radii(reals, k) if real_radii is None else real_radii
    around = torch.zeros(len(fakes), dtype=torch.int64)
    recalled = torch.empty(len(reals), dtype=torch.bool)
    covered = torch.empty(len(reals), dtype=torch.bool)
    for part in torch.arange(len(reals)).split(_AT_ONCE):
        distances = torch.cdist(reals[part], fakes)
        near = distances <= radii[part, None]
        around += near.sum(dim=0)
        covered[part] = near.any(dim=1)
        recalled[part] = (distances <= fake_radii).any(dim=1)
    shares = ((around > 0), recalled, around / k, covered)
    return NeighbourScores(*(float(share.double().mean()) for share in shares))


def neighbour_radii(features: Tensor, k: int = NEIGHBOURS) -> Tensor:
    """Distance of each row of ``(N, D)`` from its k-th nearest other row, float32 ``(N,)``.

    Raises:
        GanzooError: There are not more than k rows.
    """
    if len(features) <= k:
        raise GanzooError(f"{k} nearest neighbours need more than {k} features, not {len(features)}.")
    rows = (features - features.mean(dim=0)).float()
    # The nearest of all is the row itself.
    nearest = [torch.cdist(block, rows).topk(k + 1, dim=1, largest=False).values for block in rows.split(_AT_ONCE)]
    return torch.cat(nearest)[:, k]
