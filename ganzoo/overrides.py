"""Changes to a recipe before it runs: the scale of a preset, a length in epochs, and ``--set key=value``."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ganzoo.config import MOST_EPOCHS, Phase, Recipe, Stage, configs_folder, flat, load_recipe, parse_recipe, validated
from ganzoo.errors import GanzooError, did_you_mean, in_short, listed, shortened
from ganzoo.reading import read_yaml, yaml_value
from ganzoo.registry import DISCRIMINATORS, GENERATORS

NETWORKS = ("generator", "discriminator")


def takes_width(role: str, name: str) -> bool:
    """Whether the network that ``name`` stands for has a width to set; loads it."""
    network = (GENERATORS if role == "generator" else DISCRIMINATORS).get(name)
    return "width" in inspect.signature(network).parameters


class Preset(BaseModel):
    """A scale at which any recipe can be run; it changes size and length, never losses, model family or metrics.

    Attributes:
        width: Width of every network that has one.
        batch_size: Images per batch.
        every: Batches per generator step, where a recipe takes more than one.
        start: Share of each stage after which such a generator begins: the lead of its discriminator.
        lr: Learning rate.
        discriminator_lr: That of the discriminator, where it is another (two time scales, arXiv:1706.08500).
        linear_decay_from: Share of each stage after which learning rates fall linearly to zero.
        images: Training images in all, shared by the stages as their lengths.
        max_sources: Source images scored.
        inception: Whether FID and LPIPS are computed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int | None = Field(None, gt=0)
    batch_size: int | None = Field(None, gt=0)
    every: int | None = Field(None, gt=0)
    start: float | None = Field(None, ge=0, lt=1)
    lr: float | None = Field(None, gt=0)
    discriminator_lr: float | None = Field(None, gt=0)
    linear_decay_from: float | None = Field(None, ge=0, le=1)
    images: int | None = Field(None, gt=0)
    max_sources: int | None = Field(None, gt=0)
    inception: bool = True


def resolve_recipe(
    name: str,
    preset: Preset | None = None,
    changes: Iterable[str] = (),
    has_width: Callable[[str, str], bool] = takes_width,
) -> Recipe:
    """Reads a recipe by name or file, exchanges its networks, applies a preset, then all other ``key=value`` changes.

    Args:
        name: Name of a recipe, or a YAML file.
        preset: Scale; None for the recipe's own.
        changes: As ``--set`` takes them.
        has_width: Answers, for (role, network name), whether the network has a width that a preset may set.

    Raises:
        GanzooError: Unknown recipe or key, or a value of the wrong kind.
    """
    changes = list(changes)
    exchanges = [change for change in changes if change.partition("=")[0] in NETWORKS]
    recipe = with_changes(load_recipe(name), exchanges)
    if preset is not None:
        recipe = _with_arguments(apply_preset(recipe, preset, has_width), exchanges)
    return with_changes(recipe, [change for change in changes if change not in exchanges])


def _with_arguments(recipe: Recipe, exchanges: Iterable[str]) -> Recipe:
    """The recipe with the arguments that networks were exchanged with, which go before those of a preset."""
    record = recipe.model_dump(mode="json")
    for role, _, text in (change.partition("=") for change in exchanges):
        value = yaml_value(text)
        if isinstance(value, dict) and value.get("name") == record[role]["name"]:
            record[role].update(value)
    return parse_recipe(record, "--set")


def overwritten_by_preset(name: str, preset: str, before: Recipe, after: Recipe) -> str | None:
    """What a preset replaces of what a user's own recipe file says, in one line; None if nothing.

    Args:
        name: Of the recipe; a shipped one is meant to be scaled.
        preset: What it is called.
        before: The recipe as it would be run without the preset.
        after: As it is run.
    """
    if Path(name).suffix not in (".yaml", ".yml"):
        return None
    written = flat(load_recipe(name).model_dump(mode="json", exclude_unset=True))
    values, now = flat(before.model_dump(mode="json")), flat(after.model_dump(mode="json"))
    replaced = []
    for place, value in written.items():
        if values.get(place) == value != now.get(place):
            key = f"{place.removesuffix('epochs')}images"
            new = f"{now[key]} images" if place.endswith(".epochs") and now.get(place) is None else in_short(now.get(place))
            replaced.append(f"{place} {in_short(value)} by {new}")
    if not replaced:
        return None
    return f"--preset {preset} replaces values of {shortened(name)}: {listed(replaced)}. A value given with --set stays."


def load_preset(name: str) -> Preset | None:
    """The preset called ``name``; ``paper`` changes nothing and is None.

    Raises:
        GanzooError: No such preset.
    """
    known = {"paper", *(file.stem for file in (configs_folder() / "presets").glob("*.yaml"))}
    if name not in known:
        raise GanzooError(f"Unknown preset '{shortened(name)}'.{did_you_mean(name, known)} Known: {', '.join(sorted(known))}.")
    if name == "paper":
        return None
    return validated(Preset, read_yaml(configs_folder() / "presets" / f"{name}.yaml"), f"preset {name}")


def apply_preset(recipe: Recipe, preset: Preset, has_width: Callable[[str, str], bool] = takes_width) -> Recipe:
    """The recipe at the preset's scale."""
    record = recipe.model_dump(mode="json")
    for role in NETWORKS:
        if preset.width is not None and has_width(role, record[role]["name"]):
            record[role]["width"] = preset.width
    if preset.discriminator_lr is not None:
        record["optimizers"].setdefault("discriminator", dict(record["optimizer"]))
    for part, settings in {"": record["optimizer"], **record["optimizers"]}.items():
        rate = preset.discriminator_lr if part.startswith("discriminator") else preset.lr
        settings["lr"] *= (rate or preset.lr or recipe.optimizer.lr) / recipe.optimizer.lr
    total = sum(stage.epochs or stage.images or 0.0 for stage in recipe.stages)
    for stage, original in zip(record["stages"], recipe.stages, strict=True):
        stage["batch_size"] = preset.batch_size or stage["batch_size"]
        if preset.linear_decay_from is not None:
            stage["linear_decay_from"] = preset.linear_decay_from
        if preset.images is not None:
            share = (original.epochs or original.images or 0.0) / total
            stage.update(images=round(preset.images * share), epochs=None)
        for phase in stage["phases"]:
            if phase["every"] > 1:
                phase["every"] = preset.every or phase["every"]
                phase["start"] = phase["start"] if preset.start is None else preset.start
    return parse_recipe(record, "preset")


def with_images(recipe: Recipe, images: int) -> Recipe:
    """The recipe for ``images`` training images in all, shared by its stages as their lengths."""
    lengths = [stage.epochs or stage.images or 0.0 for stage in recipe.stages]
    stages = tuple(
        stage.model_copy(update={"images": max(1, round(images * length / sum(lengths))), "epochs": None})
        for stage, length in zip(recipe.stages, lengths, strict=True)
    )
    return recipe.model_copy(update={"stages": stages})


def with_epochs(recipe: Recipe, epochs: float) -> Recipe:
    """The recipe for ``epochs`` passes in all, shared by its stages as their lengths.

    Raises:
        GanzooError: ``epochs`` is not positive and finite, or absurdly large.
    """
    if not 0 < epochs < math.inf:
        raise GanzooError(f"--epochs must be positive and finite, not {epochs:g}.")
    if epochs > MOST_EPOCHS:
        raise GanzooError(f"--epochs must be at most {MOST_EPOCHS:,}, not {epochs:g}.")
    lengths = [stage.epochs or stage.images or 0.0 for stage in recipe.stages]
    stages = tuple(
        stage.model_copy(update={"epochs": epochs * length / sum(lengths), "images": None})
        for stage, length in zip(recipe.stages, lengths, strict=True)
    )
    return recipe.model_copy(update={"stages": stages})


def refuse_two_lengths(length: str, changes: Iterable[str]) -> None:
    """Refuses changes of the length of a recipe beside a length for all of it, such as ``--epochs 3``.

    Raises:
        GanzooError: One of the changes is of ``epochs`` or ``images``.
    """
    for change in changes:
        if change.partition("=")[0].split(".")[-1] in ("epochs", "images"):
            raise GanzooError(f"{length} and --set {shortened(change)} both say how long to train: give one of them.")


def with_changes(recipe: Recipe, changes: list[str]) -> Recipe:
    """The recipe after ``key=value`` changes.

    Raises:
        GanzooError: Unknown key, or a value of the wrong kind.
    """
    return parse_recipe(_changed(recipe.model_dump(mode="json"), changes), "--set") if changes else recipe


_ALWAYS_DUE: Mapping[str, tuple[float, str]] = {"every": (1, "runs on every batch"), "start": (0, "runs from the first batch")}
"""Key of a phase -> its value where the phase is always due, and that in words."""


def _changed(record: dict[str, Any], changes: Iterable[str]) -> dict[str, Any]:
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key:
            raise GanzooError(f"--set takes key=value, not '{shortened(change)}'.")
        try:
            value = yaml_value(text)
        except GanzooError as error:
            raise GanzooError(f"--set {shortened(key)}: {error}") from error
        shown, composite = shortened(key), False
        for holder, last in _places(record, key.split("."), shown):
            composite |= isinstance(value, dict | list) or isinstance(_held(holder, last), dict | list)
            _put(holder, last, value, shown)
        if composite:  # Short forms become long ones, and what is no recipe any more is told now: other keys may point into it.
            record = parse_recipe(record, "--set").model_dump(mode="json")
    return record


def _places(record: dict[str, Any], parts: list[str], key: str) -> list[tuple[Any, str]]:
    """Where a key points to; ``batch_size`` and ``terms.cycle.weight`` point into every stage and phase that has them."""
    if parts[0] in Phase.model_fields:
        phases = _phases_with(parts, [phase for stage in record["stages"] for phase in stage["phases"]], key)
        return [place for phase in phases for place in _walk(phase, parts, key)]
    if parts[0] in Stage.model_fields and parts[0] not in Recipe.model_fields:
        return [place for stage in record["stages"] for place in _walk(stage, parts, key)]
    if parts[0] == "optimizers" and len(parts) == 3:
        record["optimizers"].setdefault(parts[1], dict(record["optimizer"]))
    return _walk(record, parts, key)


def _phases_with(parts: list[str], phases: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """The phases a key speaks of: those that have the term, or that are not due on every batch, or not from the first, anyway."""
    if parts[0] in _ALWAYS_DUE:
        ordinary, what = _ALWAYS_DUE[parts[0]]
        found = [phase for phase in phases if phase[parts[0]] > ordinary]
        if not found:
            raise GanzooError(f"--set {key}: every phase {what}; say which one: stages.0.phases.1.{parts[0]}=…")
        return found
    if parts[0] != "terms" or len(parts) == 1:
        return phases
    found = [phase for phase in phases if parts[1] in phase["terms"]]
    if not found:
        names = {name for phase in phases for name in phase["terms"]}
        raise GanzooError(f"--set {key}: no phase has a term '{shortened(parts[1])}'.{did_you_mean(parts[1], names)}")
    return found


def _walk(holder: Any, parts: list[str], key: str) -> list[tuple[Any, str]]:
    for part in parts[:-1]:
        try:
            holder = holder[_index(part)] if isinstance(holder, list) else holder[part]
        except (KeyError, ValueError, IndexError, TypeError):
            raise GanzooError(f"--set {key}: there is no '{shortened(part)}'.{did_you_mean(part, _keys(holder))}") from None
    return [(holder, parts[-1])]


def _held(holder: Any, last: str) -> Any:
    """What stands at a place; None for nothing."""
    try:
        return holder[_index(last)] if isinstance(holder, list) else holder.get(last)
    except (ValueError, IndexError, AttributeError):
        return None


def _index(part: str) -> int:
    """A place in a list, counted from its start."""
    if not (part.isascii() and part.isdigit() and len(part) < 10):
        raise ValueError(part)
    return int(part)


def _keys(holder: Any) -> list[str]:
    if isinstance(holder, list):
        return [str(index) for index in range(len(holder))]
    return list(holder) if isinstance(holder, dict) else []


def _put(holder: Any, last: str, value: Any, key: str) -> None:
    if isinstance(holder, list):
        try:
            holder[_index(last)] = value
        except (ValueError, IndexError):
            raise GanzooError(f"--set {key}: a list of {len(holder)} has no item '{shortened(last)}'.") from None
    elif isinstance(holder, dict):
        if last in ("epochs", "images") and "phases" in holder:
            holder.update(epochs=None, images=None)
        holder[last] = value
    else:
        raise GanzooError(f"--set {key}: '{shortened(last)}' cannot be set inside the value {in_short(holder)}.")
