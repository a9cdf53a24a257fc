"""What a run says before it starts: device, data, sizes, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import torch
from lightning_fabric import Fabric

import ganzoo
from ganzoo.config import Recipe, RunConfig
from ganzoo.data.base import SPLIT_NAMES, Dataset
from ganzoo.devices import describe_device
from ganzoo.errors import DivergedError
from ganzoo.fonts import fonts_for
from ganzoo.models.base import Discriminator, Generator
from ganzoo.models.cost import count_parameters
from ganzoo.reporting import Reporter, duration
from ganzoo.training.trainer import Position, Trainer, create_trainer

LONG_SECONDS = 3 * 3600.0
"""From here on the header names the ways to a shorter run."""


def print_header(
    reporter: Reporter,
    config: RunConfig,
    dataset: Dataset,
    trainer: Trainer,
    folder: Path,
    resumed: bool,
    estimate_seconds: float,
    compilation: str,
) -> None:
    """Prints what will be done, on what, and how long it takes."""
    recipe = config.recipe
    networks = ", ".join(
        f"{component.name} {count_parameters(trainer.networks[role]):,} parameters"
        for role, component in (("generator", recipe.generator), ("discriminator", recipe.discriminator))
    )
    size, channels = dataset.image_size_px, dataset.image_channels
    at = f", going on at step {trainer.position.step:,}" if resumed else ""
    lines = {
        "device": f"{describe_device(trainer.fabric.device)}, precision {config.precision}{_deterministic()}",
        "compile": compilation,
        "data": "; ".join(_counts(dataset, part) for part in SPLIT_NAMES),
        "classes": f"{', '.join(dataset.class_names)}; {size} × {size} × {channels}",
        **dataset.in_words(),
        "pictures": fonts_for(dataset.class_names).remark() or "",
        "skipped": f"{len(dataset.skipped)} bad items, listed in run.json" if dataset.skipped else "",
        "networks": networks,
        "folder": str(folder),
        "work": f"{trainer.total_steps:,} steps, {trainer.total_images:,} images{at}",
        "time": f"about {duration(estimate_seconds)}, scoring included",
    }
    reporter.say(f"ganzoo {ganzoo.__version__}: {recipe.name} on {dataset.name}, seed {config.seed}")
    for name, text in lines.items():
        if text:
            reporter.say(f"  {name:<10}{text}")


def print_advice(reporter: Reporter, estimate_seconds: float, max_minutes: float | None) -> None:
    """Where a run takes many hours and nothing limits it, names the ways out."""
    if estimate_seconds > LONG_SECONDS and (max_minutes is None or max_minutes * 60 > LONG_SECONDS):
        reporter.say(
            f"  This takes about {duration(estimate_seconds)} on this machine. '--preset quick' is done in minutes; "
            "'--max-minutes N' stops in time, scored, and the same command goes on later."
        )


def seconds_per_step(
    recipe: Recipe, dataset: Dataset, fabric: Fabric, make_networks: Callable[[], tuple[Generator, Discriminator]]
) -> float:
    """Times the second cycle of the first stage on networks that are thrown away; the run's random numbers stay as they are."""
    cycle = max(phase.every for phase in recipe.stages[0].phases)
    with torch.random.fork_rng(devices=[fabric.device] if fabric.device.type == "cuda" else []):
        generator, discriminator = make_networks()
        trial = create_trainer(recipe.at_full_work(), generator, discriminator, dataset, fabric, seed=0)
        steps = trial.steps()
        # The first cycle also loads and chooses what the library computes with; a stage may be no longer than that.
        first, second = (_timed(trial, islice(steps, cycle)) for _ in range(2))
        return second or first


def _timed(trial: Trainer, steps: Iterator[Position]) -> float:
    """Mean seconds of some steps, 0 if there are none."""
    began = time.perf_counter()
    done = sum(1 for _ in steps)
    with suppress(DivergedError):  # The run itself will say so, with its step.
        trial.settle()
    return (time.perf_counter() - began) / done if done else 0.0


def _deterministic() -> str:
    return ", deterministic algorithms" if torch.are_deterministic_algorithms_enabled() else ""


def _counts(dataset: Dataset, part: str) -> str:
    counts = dataset.splits[part].class_counts(dataset.num_classes)
    return f"{part} {sum(counts):,} ({' / '.join(f'{count:,}' for count in counts)})"
