"""What ``ganzoo profile`` prints: where a training step's time goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ganzoo.compatibility import check_compatible
from ganzoo.data.base import load_dataset
from ganzoo.devices import choose_device, choose_precision, create_fabric, describe_device
from ganzoo.models.base import create_discriminator, create_generator
from ganzoo.overrides import load_preset, resolve_recipe
from ganzoo.registry import load_plugin_file
from ganzoo.session import image_facts
from ganzoo.training.profiling import StepProfile, profile_steps
from ganzoo.training.trainer import create_trainer

OPERATORS_SHOWN = 8


def print_profile(
    recipe: str,
    data: str = "synth4",
    preset: str | None = None,
    changes: Sequence[str] = (),
    *,
    data_root: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    windows: int = 5,
    plugins: Sequence[Path] = (),
    console: Console | None = None,
) -> StepProfile:
    """Trains a few steps on networks that are thrown away and prints where their time went.

    Args:
        recipe: Name or YAML file.
        data: Dataset; of its images only number of classes, size and channels matter to the speed.
        preset: ``quick``, ``paper`` or None.
        changes: ``key=value`` changes of the recipe, as ``--set`` takes them.
        data_root: Where the data lies.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``32`` or ``bf16``.
        windows: Timed cycles of the recipe's phases.
        plugins: Python files that register parts.
        console: Where it goes; standard output where left out.

    Raises:
        GanzooError: Something of this does not exist, or does not fit together.
    """
    for plugin in plugins:
        load_plugin_file(plugin)
    settings = resolve_recipe(recipe, load_preset(preset) if preset else None, changes)
    chosen = choose_device(device)
    number_format = choose_precision(precision, chosen)
    dataset = load_dataset(data, root=data_root)
    facts = image_facts(dataset)
    check_compatible(settings, facts, dataset.class_names)
    trainer = create_trainer(
        settings.at_full_work(),
        create_generator(settings.generator.name, **facts._asdict(), **settings.generator.arguments),
        create_discriminator(settings.discriminator.name, **facts._asdict(), **settings.discriminator.arguments),
        dataset,
        create_fabric(chosen, number_format),
        seed=0,
    )
    result = profile_steps(trainer, windows)
    console = console or Console(highlight=False)
    batch, where = settings.stages[0].batch_size, describe_device(trainer.fabric.device)
    console.print(f"{settings.name}, batch {batch}, precision {number_format}, {where}", markup=False)
    _print(result, console)
    return result


def _print(result: StepProfile, console: Console) -> None:
    steps = "a step" if result.steps == 1 else f"{result.steps} steps"
    speed = result.flops / result.seconds
    console.print(f"{result.images / result.seconds:,.1f} images/s; {1000 * result.seconds:,.1f} ms for {steps}:\n")
    console.print(_phases(result))
    console.print("\nterm, forward; an image that several ask for counts for the first")
    console.print(_ranking(result.terms, result.seconds))
    top = dict(sorted(result.operators.items(), key=lambda item: -item[1])[:OPERATORS_SHOWN])
    console.print("\noperator")
    console.print(_ranking(top, result.seconds))
    share = f"{speed / result.ceiling:.0%} of" if speed <= result.ceiling else "more than"
    console.print(f"\n{result.flops / result.images / 1e9:.2f} GFLOP for each image")
    console.print(f"{_rate(speed)}, {share} a large matrix product's {_rate(result.ceiling)}")
    launches = f", {result.launches / result.steps:,.0f} launches" if result.launches else ""
    console.print(f"{result.kernels / result.steps:,.0f} operators that compute{launches} for each step")


def _phases(result: StepProfile) -> Table:
    """Parts down, phases across."""
    phases = sorted(result.shares, key=lambda phase: (not phase.split("-")[0].startswith("discriminator"), phase))
    phases = [phase for phase in phases if sum(result.shares[phase].values()) >= 0.0005]
    totals = {phase: sum(result.shares[phase].values()) for phase in phases}
    parts = dict.fromkeys(part for phase in phases for part in result.shares[phase])
    table = Table("ms", box=None, pad_edge=False, show_footer=True)
    table.columns[0].footer = "all"
    for phase in phases:
        table.add_column(phase, _cell(totals[phase], result.seconds), justify="right", overflow="fold")
    table.add_column("all", _cell(sum(totals.values()), result.seconds), justify="right")
    for part in sorted(parts, key=lambda part: (part == "rest", part == "optimizer", part)):
        shares = [result.shares[phase].get(part, 0.0) for phase in phases]
        table.add_row(part, *(_cell(share, result.seconds) for share in (*shares, sum(shares))))
    return table


def _ranking(shares: Mapping[str, float], seconds: float) -> Table:
    table = Table("", "ms", box=None, pad_edge=False, show_header=False)
    table.columns[1].justify = "right"
    for name, share in sorted(shares.items(), key=lambda item: -item[1]):
        table.add_row(name, _cell(share, seconds))
    return table


def _cell(share: float, seconds: float) -> str:
    return f"{1000 * seconds * share:,.1f} {share:4.0%}" if share else ""


def _rate(operations_per_second: float) -> str:
    tera = operations_per_second / 1e12
    return f"{tera:.1f} TFLOP/s" if tera >= 1 else f"{1000 * tera:.0f} GFLOP/s"
