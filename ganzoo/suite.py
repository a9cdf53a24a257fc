"""Suites: recipes × data × seeds in one YAML file, strict, with errors that name the cure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ganzoo.config import LARGEST_SEED, Epochs, Images, Recipe, validated
from ganzoo.errors import GanzooError, in_short, shortened
from ganzoo.overrides import load_preset, refuse_two_lengths, resolve_recipe, with_epochs, with_images
from ganzoo.reading import read_yaml


class Scope(BaseModel):
    """What may be said for a whole suite, and otherwise for one of its entries.

    Attributes:
        data: Datasets, as ``ganzoo run --data`` takes them.
        seeds: Seeds.
        preset: ``quick``, or ``paper`` for a recipe's own settings.
        epochs: Length in passes over the training part; or give ``images``.
        images: Length in training images.
        changes: Under ``set``: changes of the recipe, as ``{key: value}`` or a list of ``key=value``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: tuple[str, ...] | None = Field(None, min_length=1)
    seeds: tuple[Annotated[int, Field(ge=0, le=LARGEST_SEED)], ...] | None = Field(None, min_length=1)
    preset: str | None = Field(None, min_length=1)
    epochs: Epochs | None = None
    images: Images | None = None
    changes: tuple[str, ...] = Field((), alias="set")

    @field_validator("data", mode="before")
    @classmethod
    def _one_name(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("seeds", mode="before")
    @classmethod
    def _a_list(cls, value: Any) -> Any:
        if isinstance(value, int):
            raise ValueError(f"give a list of seeds, such as [{value}] or [0, 1]")
        return value

    @field_validator("data", "seeds")
    @classmethod
    def _each_once(cls, value: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if twice := [item for item, count in Counter(value or ()).items() if count > 1]:
            raise ValueError(f"{in_short(twice[0])} stands there twice")
        return value

    @field_validator("changes", mode="before")
    @classmethod
    def _as_on_the_command_line(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return tuple(f"{key}={json.dumps(setting, default=str)}" for key, setting in value.items())

    @model_validator(mode="after")
    def _one_length(self) -> Scope:
        if self.epochs is not None and self.images is not None:
            raise ValueError("give epochs or images, not both")
        return self


class Entry(Scope):
    """One recipe of a suite; what it says itself goes before what the suite says for all."""

    recipe: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"recipe": value} if isinstance(value, str) else value


class Suite(Scope):
    """A suite as its file states it.

    Attributes:
        description: What it compares, in plain words.
        recipes: Names, recipe files (found beside the suite, or where ``run`` finds them), or entries with settings.
    """

    description: str = ""
    recipes: tuple[Entry, ...] = Field(min_length=1, max_length=1000)


@dataclass(frozen=True)
class Experiment:
    """An entry with everything the suite says for all: one recipe as it is to be run, on which data, from which seeds.

    Attributes:
        place: Where it stands in the suite, for messages.
        recipe: Name or file.
        data: Datasets.
        seeds: Seeds.
        preset: Preset, if any.
        epochs: Length in epochs, if given.
        images: Length in images, if given.
        changes: ``key=value`` changes, the suite's first.
    """

    place: str
    recipe: str
    data: tuple[str, ...]
    seeds: tuple[int, ...]
    preset: str | None
    epochs: float | None
    images: int | None
    changes: tuple[str, ...]

    def resolve(self) -> Recipe:
        """The recipe at its preset's scale, changed, and of the length asked for.

        Raises:
            GanzooError: Unknown recipe, preset or key, a value of the wrong kind, or two lengths.
        """
        for key in ("epochs", "images"):
            if (length := getattr(self, key)) is not None:
                refuse_two_lengths(f"{key}: {length:g}", self.changes)
        recipe = resolve_recipe(self.recipe, load_preset(self.preset) if self.preset else None, self.changes)
        if self.epochs is not None:
            return with_epochs(recipe, self.epochs)
        return recipe if self.images is None else with_images(recipe, self.images)


def load_suite(path: Path) -> Suite:
    """Reads a suite.

    Raises:
        GanzooError: No such file, an unknown key, or a value of the wrong kind; the message names all of them.
    """
    if not path.is_file():
        raise GanzooError(f"There is no suite {path}. A suite is a YAML file, such as benchmarks/synth4.yaml.")
    return validated(Suite, read_yaml(path), str(path), (Suite, Entry))


def experiments(suite: Suite, folder: Path) -> Iterator[Experiment]:
    """The suite's entries in order; recipe files are looked for in ``folder`` first."""
    for number, entry in enumerate(suite.recipes):
        own_length = entry.epochs is not None or entry.images is not None
        length = entry if own_length else suite
        yield Experiment(
            place=f"recipes.{number} ({shortened(entry.recipe)})",
            recipe=_beside(entry.recipe, folder),
            data=entry.data or suite.data or ("synth4",),
            seeds=entry.seeds or suite.seeds or (0,),
            preset=entry.preset or suite.preset,
            epochs=length.epochs,
            images=length.images,
            changes=(*suite.changes, *entry.changes),
        )


def _beside(recipe: str, folder: Path) -> str:
    file = folder / recipe
    return str(file) if file.suffix in (".yaml", ".yml") and file.is_file() else recipe
