"""One experiment with several seeds: runs what is missing, past seeds that diverge, within one time limit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ganzoo import experiment
from ganzoo.config import Recipe, check_seed
from ganzoo.errors import DivergedError, GanzooError
from ganzoo.reporting import Reporter
from ganzoo.session import EARLY_MARGIN, RunOptions, RunResult


@dataclass
class SeedsOutcome:
    """What became of the seeds.

    Attributes:
        results: Of seeds that were trained, or found finished, in order.
        diverged: Seed -> what went wrong; the seeds after it were run all the same.
        left: Seeds that are not done, because the time was used up or a user stopped them.
        interrupted: Whether Ctrl-C ended it.
    """

    results: list[RunResult] = field(default_factory=list)
    diverged: dict[int, str] = field(default_factory=dict)
    left: list[int] = field(default_factory=list)
    interrupted: bool = False


def chosen_seeds(seeds: int | None, named: Sequence[int]) -> list[int]:
    """The seeds that ``--seeds`` or ``--seed`` ask for; 0 where neither does.

    Args:
        seeds: How many, counted from 0.
        named: Each by itself.

    Raises:
        GanzooError: Both are given, or a seed is out of range.
    """
    for seed in named:
        check_seed(seed)
    if seeds is not None and named:
        raise GanzooError(
            f"Give --seeds {seeds} for seeds 0 to {seeds - 1}, or --seed once for each seed of your choice, not both."
        )
    return list(range(seeds)) if seeds is not None else list(dict.fromkeys(named)) or [0]


def run_seeds(
    seeds: Sequence[int], recipe: str | Recipe, data: str, *, options: RunOptions, reporter: Reporter, **settings: Any
) -> SeedsOutcome:
    """Trains and scores one run after another; finished ones are found and left alone, unfinished ones go on.

    Args:
        seeds: In the order in which they are run.
        recipe: As for `ganzoo.experiment.run`, with everything in ``settings``.
        data: Dataset.
        options: How runs are carried out; ``max_minutes`` is the time for all of them together.
        reporter: Tells the user.

    Raises:
        GanzooError: Bad input.
        DivergedError: A loss became infinite or not a number, and this is the only seed.
    """
    began, outcome = time.monotonic(), SeedsOutcome()
    for number, seed in enumerate(seeds):
        if len(seeds) > 1:
            reporter.say(f"[{number + 1}/{len(seeds)}] seed {seed}")
        present = _in_the_time_left(options, began)
        try:
            result = experiment.run(recipe, data, seed=seed, options=present, reporter=reporter, **settings)
        except DivergedError as error:
            if len(seeds) == 1:
                raise
            outcome.diverged[seed] = str(error)
            reporter.say(f"Seed {seed} diverged: {error}")
            continue
        outcome.results.append(result)
        stopped = result.info.status == "stopped" and present.if_exists != "skip"
        outcome.interrupted = stopped and result.info.message == "interrupted"
        if stopped or not _has_time(options, began, outcome):
            outcome.left = [*([seed] if stopped else []), *seeds[number + 1 :]]
            break
    return outcome


def _in_the_time_left(options: RunOptions, began: float) -> RunOptions:
    if options.max_minutes is None or not options.max_minutes > 0:
        return options
    return replace(options, max_minutes=max(options.max_minutes - (time.monotonic() - began) / 60, 1 / 60))


def _has_time(options: RunOptions, began: float, outcome: SeedsOutcome) -> bool:
    """Whether another seed can still be scored after some training."""
    if options.max_minutes is None:
        return True
    scoring = max(result.info.evaluation_seconds or 0.0 for result in outcome.results)
    return time.monotonic() - began + EARLY_MARGIN * scoring < 60 * options.max_minutes
