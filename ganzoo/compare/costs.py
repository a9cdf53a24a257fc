"""What the rows of a table cost: one amount for each heading, as it is shown and as it sorts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import NamedTuple

from ganzoo.compare.groups import ScoredRun, plain
from ganzoo.runs.schema import RunInfo

MISSING = "–"
COST_LEGEND = (
    "Mean over seeds; parameters and multiply-accumulates per image of the generator, training time, peak memory, "
    "generator updates"
)


class Amount(NamedTuple):
    """A number as it is shown and as it sorts; None where it is not known."""

    text: str
    value: float | str | None


def costs(runs: Sequence[ScoredRun]) -> tuple[Amount, ...]:
    """What a row cost, means over its seeds, in the order of ``COST_HEADINGS``."""
    presets = " / ".join(dict.fromkeys(plain(run.info.preset) if run.info.preset else MISSING for run in runs))
    return (Amount(presets, presets), *(_mean(runs, value, shown) for value, shown in _NUMBERS.values()))


def _mean(runs: Sequence[ScoredRun], value: Callable[[RunInfo], float | None], shown: Callable[[float], str]) -> Amount:
    known = [number for run in runs if (number := value(run.info)) is not None]
    return Amount(shown(fmean(known)), fmean(known)) if known else Amount(MISSING, None)


def _scaled(number: float) -> str:
    """Three digits with k, M or G."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.0f}"


def _duration(seconds: float) -> str:
    """Hours, minutes and seconds as ``h:mm:ss``, hours only where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


_NUMBERS: dict[str, tuple[Callable[[RunInfo], float | None], Callable[[float], str]]] = {
    "params": (lambda info: info.parameters.get("generator"), _scaled),
    "MACs": (lambda info: info.macs_per_image, _scaled),
    "time": (lambda info: info.progress.train_seconds, _duration),
    "images/s": (lambda info: info.progress.images_per_second, lambda rate: f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"),
    "memory": (lambda info: info.peak_memory_bytes, lambda size: f"{_scaled(size)}B"),
    "updates": (lambda info: info.progress.generator_updates, lambda count: f"{count:,.0f}"),
    "images": (lambda info: info.progress.images_seen, lambda count: f"{count:,.0f}"),
    "epochs": (lambda info: info.progress.epochs, lambda epochs: f"{epochs:.4g}"),
}
COST_HEADINGS = ("preset", *_NUMBERS)
