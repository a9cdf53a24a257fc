"""How far a score would move with other source faces: bootstrap intervals of metrics that are means over faces."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

RESAMPLES = 2000
LEVEL = 0.95
SEED = 0
_AT_ONCE = 8_000_000


def bootstrap_intervals(
    per_image: pd.DataFrame, scores: Mapping[str, float | None], macro: Collection[str] = ()
) -> dict[str, tuple[float, float]]:
    """Percentile intervals from a bootstrap over source faces.

    A source is drawn with all faces made from it, since those hang together, and sources are drawn within their classes, so
    that every resample has the classes' numbers (Davison and Hinkley, Bootstrap Methods and Their Application, 1997, 3.2 and
    5.3). They tell what other faces would change, and nothing of what another seed of training would.

    Args:
        per_image: One row per face: ``source_index``, ``source``, ``target``, and columns that bear the names of metrics.
        scores: Metric -> value. A metric gets an interval if it is the mean of its column over the grid (``source`` and
            ``target`` differ) or, where the column is empty there, over the faces asked to keep their class. Distances
            between distributions are no such means, and a percentile bootstrap of them would be biased.
        macro: Metrics that are means over target classes of the classes' means.

    Returns:
        Metric -> (low, high), 95 %, for metrics with a column that gives their value, unless it holds so few faces that a
        resample may be without any; the same input gives the same bits.
    """
    sources, labels = _sources(per_image)
    whole, parts = np.ones((1, len(sources))), {}
    for name, value in scores.items():
        if value is not None and name in per_image and per_image[name].notna().any():
            part = _sums(per_image, name, sources, name in macro)
            if np.allclose(_means(whole, *part), value, rtol=1e-6, atol=1e-9):
                parts[name] = part
    draws: dict[str, list[Floats]] = {name: [] for name in parts}
    for weights in _resamples(labels) if parts else ():
        for name, part in parts.items():
            draws[name].append(_means(weights, *part))
    tail = (1 - LEVEL) / 2
    drawn = {name: np.concatenate(values) for name, values in draws.items()}
    return {name: _quantiles(values, tail) for name, values in drawn.items() if not np.isnan(values).any()}


def _sources(per_image: pd.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The source faces and the class of each, class by class."""
    each = per_image[["source_index", "source"]].drop_duplicates().sort_values(["source", "source_index"])
    return each["source_index"].to_numpy(np.int64), each["source"].to_numpy(np.int64)


def _sums(per_image: pd.DataFrame, name: str, sources: npt.NDArray[np.int64], macro: bool) -> tuple[Floats, Floats]:
    """Sum and number of a metric's values by source and, where it is macro, by target: each ``(S, groups)``."""
    of_grid = per_image["source"] != per_image["target"]
    values = per_image.loc[of_grid if per_image.loc[of_grid, name].notna().any() else ~of_grid]
    values = values.loc[values[name].notna(), ["source_index", "target", name]].astype({name: float})
    values = values if macro else values.assign(target=0)
    found = values.groupby(["source_index", "target"])[name].agg(["sum", "count"]).unstack(fill_value=0).reindex(sources)
    found = found.fillna(0)
    return found["sum"].to_numpy(np.float64), found["count"].to_numpy(np.float64)


def _means(weights: Floats, sums: Floats, counts: Floats) -> Floats:
    """The score of each resample, ``(B,)``, from how often it has each source, ``(B, S)``; NaN where it has no face to score."""
    with np.errstate(invalid="ignore"):
        of_groups = (weights @ sums) / (weights @ counts)
    means, scored = np.full(len(weights), np.nan), ~np.isnan(of_groups).all(axis=1)
    means[scored] = np.nanmean(of_groups[scored], axis=1)
    return means


def _resamples(labels: npt.NDArray[np.int64]) -> Iterator[Floats]:
    """How often each source is drawn: ``(resamples, S)``, a few resamples at once; sources stand class by class."""
    rng, sizes = np.random.default_rng(SEED), np.unique(labels, return_counts=True)[1]
    step = max(1, _AT_ONCE // len(labels))
    for start in range(0, RESAMPLES, step):
        count = min(step, RESAMPLES - start)
        yield np.concatenate([_multinomial(rng, int(size), count) for size in sizes], axis=1)


def _multinomial(rng: np.random.Generator, size: int, count: int) -> Floats:
    """``count`` draws of ``size`` out of ``size``, as numbers of each: ``(count, size)``."""
    drawn = rng.integers(size, size=(count, size)) + size * np.arange(count)[:, None]
    return np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size).astype(np.float64)


def _quantiles(values: Floats, tail: float) -> tuple[float, float]:
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
