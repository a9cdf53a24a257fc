"""The command that makes a run again, rebuilt from its ``config.yaml`` and ``run.json``; loads no network."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from ganzoo.config import Phase, Recipe, RunConfig, load_recipe, read_run_config
from ganzoo.errors import GanzooError
from ganzoo.overrides import NETWORKS, Preset, load_preset, resolve_recipe, with_changes
from ganzoo.reading import yaml_text
from ganzoo.runs.folder import RunFolder
from ganzoo.runs.schema import RunInfo

CARRIED_OPTIONS = ("--data-root", "--plugin", "--inception-weights")
"""Places of files, which only the command as it was typed knows."""


@dataclass(frozen=True)
class Reproduction:
    """How to make a run again.

    Attributes:
        command: A ``ganzoo run`` command line, quoted for a POSIX shell.
        notes: What the command cannot say.
    """

    command: str
    notes: tuple[str, ...] = ()


def reproduce(folder: RunFolder, info: RunInfo, seeds: Sequence[int] = ()) -> Reproduction:
    """The command that makes a run, or several seeds of it, again.

    Args:
        folder: The run's folder.
        info: Its ``run.json``.
        seeds: Seeds to train; the run's own where left out.

    Raises:
        GanzooError: Its ``config.yaml`` is missing or damaged, or names a preset that is no more.
    """
    config = read_run_config(folder.config)
    preset = load_preset(config.preset) if config.preset else None
    name, changes = _recipe_and_changes(folder, config, preset)
    words = ["ganzoo", "run", name, "--data", config.data]
    words += ["--preset", config.preset] if config.preset else []
    words += [word for change in changes for word in ("--set", change)]
    words += ["--image-size", str(config.image_size_px)] if config.image_size_px else []
    words += ["--fit", fit] if (fit := config.fit or _squeezed(info)) else []
    words += ["--precision", config.precision]
    words += ["--compile", "on"] if info.environment.compiled else []
    words += ["--deterministic"] if info.environment.deterministic else []
    words += ["--split", config.split] if config.split != "test" else []
    words += ["--score-precision", config.score_precision] if config.score_precision != "32" else []
    words += ["--select", config.select] if config.select else []
    words += [word for seed in seeds or [config.seed] for word in ("--seed", str(seed))]
    words += ["--skip-bad"] if info.data.skipped else []
    words += _carried(info.environment.command)
    return Reproduction(shlex.join(words), tuple(_notes(info, words)))


def _squeezed(info: RunInfo) -> str | None:
    """``stretch`` where pictures that are not square were squeezed: square ones need no word."""
    return "stretch" if "--fit stretch" in str(info.data.facts.get("changed", "")) else None


def named_data_root(info: RunInfo) -> Path | None:
    """Where the command that made a run said its data lie, if it did, and that place is there."""
    typed = _carried(info.environment.command)
    roots = [Path(value) for option, value in zip(typed[::2], typed[1::2], strict=True) if option == "--data-root"]
    return next((root for root in reversed(roots) if root.is_dir()), None)


def _recipe_and_changes(folder: RunFolder, config: RunConfig, preset: Preset | None) -> tuple[str, list[str]]:
    """A recipe and the ``--set`` changes that make it the run's: by name where that works, else the run's own file."""
    for name in (config.recipe.name, str(folder.config)):
        try:
            changes = _changes_to(config.recipe, name, preset)
        except GanzooError:
            continue
        if changes is not None:
            return name, changes
    raise GanzooError(f"No command line makes the recipe in {folder.config}; its settings are there.")


def _changes_to(recipe: Recipe, name: str, preset: Preset | None) -> list[str] | None:
    """Changes that turn the recipe called ``name`` into ``recipe``; None where changes of single settings cannot."""
    wanted = _record(recipe)
    start = _record(load_recipe(name))
    changes = [f"{role}={wanted[role]['name']}" for role in NETWORKS if wanted[role]["name"] != start[role]["name"]]

    def has_width(role: str, _: str) -> bool:
        # A preset sets the width of every network that has one, so the resolved recipe tells which do.
        return "width" in wanted[role]

    reached = resolve_recipe(name, preset, changes, has_width)
    while missing := dict(_differences(_record(reached), wanted)):
        step = _step(reached, wanted, missing)
        if step is None:
            return None
        change, reached = step
        changes.append(change)
    # Changes of networks are made first, whatever their place, so the order in which they were found proves nothing.
    return changes if _record(resolve_recipe(name, preset, changes, has_width)) == wanted else None


def _step(reached: Recipe, wanted: dict[str, Any], missing: dict[str, Any]) -> tuple[str, Recipe] | None:
    """A change after which less is missing and nothing new, and the recipe after it; short keys are tried first."""
    for place, value in missing.items():
        for key in _keys(place):
            change = f"{key}={_as_yaml(value)}"
            try:
                changed = with_changes(reached, [change])
            except GanzooError:
                continue
            if dict(_differences(_record(changed), wanted)).keys() < missing.keys():
                return change, changed
    return None


def _record(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain data, without its name and words, which change nothing it computes."""
    return recipe.model_dump(mode="json", exclude={"name", "description"})


def _differences(there: Any, wanted: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Places, as dotted keys, and their wanted values; a mapping that has to lose a key is replaced as a whole."""
    if isinstance(there, dict) and isinstance(wanted, dict) and there.keys() <= wanted.keys():
        for key, value in wanted.items():
            yield from _differences(there.get(key, _ABSENT), value, f"{place}.{key}" if place else str(key))
    elif isinstance(there, list) and isinstance(wanted, list) and len(there) == len(wanted) and _holds_mappings(wanted):
        for index, (one, other) in enumerate(zip(there, wanted, strict=True)):
            yield from _differences(one, other, f"{place}.{index}")
    elif there != wanted:
        yield place, wanted


_ABSENT = object()


def _holds_mappings(items: list[Any]) -> bool:
    return all(isinstance(item, dict) for item in items)


def _keys(place: str) -> list[str]:
    """Keys of ``--set`` that reach a place, the shortest first: ``terms.cycle.weight`` reaches it in every phase."""
    parts = place.split(".")
    keys = [place]
    if parts[0] == "stages" and len(parts) > 2:
        keys.insert(0, ".".join(parts[2:]))
        if parts[2] == "phases" and len(parts) > 4 and parts[4] in Phase.model_fields:
            keys[0] = ".".join(parts[4:])
    return keys


def _as_yaml(value: Any) -> str:
    """A value on one line, as ``--set`` reads it."""
    return yaml_text(value, default_flow_style=True, width=inf).removesuffix("...\n").strip()


def _carried(command: str) -> list[str]:
    """Options of the typed command that name files."""
    try:
        typed = shlex.split(command)
    except ValueError:
        return []
    found: list[str] = []
    for at, word in enumerate(typed):
        option, equals, value = word.partition("=")
        if option in CARRIED_OPTIONS and (equals or at + 1 < len(typed)):
            found += [option, value if equals else typed[at + 1]]
    return found


def _notes(info: RunInfo, words: Sequence[str]) -> Iterator[str]:
    if info.status != "finished":
        yield f"The run ended early ({info.status} after {info.progress.epochs:.4g} epochs); the command goes all the way."
    if info.environment.plugins and "--plugin" not in words:
        yield f"It needs parts that are not ganzoo's own: {', '.join(sorted(info.environment.plugins))}."
