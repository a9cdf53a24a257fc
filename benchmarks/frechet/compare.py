"""Fréchet distances at the sizes of FID: time and agreement of ganzoo's and torchmetrics', as a table.

python benchmarks/frechet/compare.py --repeats 3
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import numpy as np
import scipy.linalg
import torch
import typer
from torch import Tensor
from torchmetrics.image.fid import _compute_fid

from ganzoo.cli import carry_out
from ganzoo.evaluation.frechet import frechet_distance

WIDTH = 2048
SIZES = ((300, 300), (595, 595), (595, 7140), (2380, 7140), (7140, 7140))
"""Rows of the two sets: faces of one class of a test part, of several, and of all."""


def features(rows: int, seed: int, steepness: float) -> Tensor:
    """Correlated features whose standard deviations fall as ``rank^-steepness``, float64 ``(rows, 2048)``."""
    generator = torch.Generator().manual_seed(seed)
    scales = torch.arange(1, WIDTH + 1, dtype=torch.float64) ** -steepness
    mixing = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    return (torch.randn(rows, WIDTH, generator=generator, dtype=torch.float64) * scales) @ mixing + 0.1 * seed * scales


def by_torchmetrics(first: Tensor, second: Tensor) -> float:
    """What `FrechetInceptionDistance.compute` does with its sums, and the covariances before it."""
    return float(_compute_fid(first.mean(0), first.T.cov(), second.mean(0), second.T.cov()))


def by_scipy(first: Tensor, second: Tensor) -> float:
    """The published implementation: the matrix square root itself."""
    first_covariance, second_covariance = first.T.cov().numpy(), second.T.cov().numpy()
    root = np.real(scipy.linalg.sqrtm(first_covariance @ second_covariance))
    offset = (first.mean(0) - second.mean(0)).square().sum()
    return float(offset + np.trace(first_covariance + second_covariance - 2 * root))


def by_svd(first: Tensor, second: Tensor) -> float:
    """The reference below full rank: the nuclear norm by singular values, in float64."""
    a, b = ((rows - rows.mean(0)) / (len(rows) - 1) ** 0.5 for rows in (first, second))
    offset = (first.mean(0) - second.mean(0)).square().sum()
    return float(offset + a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum())


def timed(distance: Callable[[Tensor, Tensor], float], first: Tensor, second: Tensor, repeats: int) -> tuple[float, float]:
    """Value, and the shortest of several times in seconds."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        value = distance(first, second)
        seconds.append(time.perf_counter() - began)
    return value, min(seconds)


def main(
    repeats: Annotated[int, typer.Option(min=1, help="The shortest time of so many is shown.")] = 3,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all where left out.")] = None,
    scipy_too: Annotated[bool, typer.Option("--scipy", help="Time scipy's sqrtm as well, about ten seconds a time.")] = False,
) -> None:
    """Prints one row for each pair of sizes and kind of spectrum."""
    if threads:
        torch.set_num_threads(threads)
    print(f"{WIDTH} features, float64, {torch.get_num_threads()} threads, torch {torch.__version__}; all times from features.")
    heads = ("rows", "spectrum", "ganzoo s", "torchmetrics s", "faster", "difference", *(["scipy s"] if scipy_too else []))
    print("".join(f"{head:>15}" for head in heads))
    for rows, others in SIZES:
        for steepness in (0.0, 0.5, 1.0):
            first, second = features(rows, 1, steepness), features(others, 2, steepness)
            ours, own_seconds = timed(frechet_distance, first, second, repeats)
            theirs, their_seconds = timed(by_torchmetrics, first, second, repeats)
            # Below full rank torchmetrics is off by parts in ten thousand; singular values are not.
            truth = theirs if min(rows, others) > WIDTH else by_svd(first, second)
            cells = [f"{rows} / {others}", f"rank^-{steepness:g}", f"{own_seconds:.3f}", f"{their_seconds:.3f}"]
            cells += [f"{their_seconds / own_seconds:.1f}x", f"{abs(ours - truth) / truth:.0e}"]
            cells += [f"{timed(by_scipy, first, second, 1)[1]:.2f}"] if scipy_too else []
            print("".join(f"{cell:>15}" for cell in cells), flush=True)
    print("difference: relative, from torchmetrics' value; below full rank from singular values.")


if __name__ == "__main__":
    carry_out(lambda: typer.run(main))
