"""Typed recipes: read from YAML, changed by a preset and by ``--set``, strict, with errors that name the cure."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    field_validator,
    model_serializer,
    model_validator,
)

from ganzoo import validation
from ganzoo.errors import GanzooError, did_you_mean, in_one_line, shortened
from ganzoo.reading import read_yaml
from ganzoo.surroundings import expanded

RECIPE_GROUP = "ganzoo.recipes"
LARGEST_SEED = 2**63 - 1
"""What the random generators of torch take."""

Model = TypeVar("Model", bound=BaseModel)
DecayRate = Annotated[float, Field(ge=0, lt=1)]
MOST_EPOCHS, MOST_IMAGES = 100_000, 10**9
"""Of a stage, and of a whole recipe; a processor core of today sees as many images in a year."""
LARGEST_BATCH, LARGEST_IMAGE_PX = 4096, 1024
MOST_ARGUMENTS = 100
Weight = Annotated[float, Field(ge=-1e9, le=1e9)]
"""Of a loss term; below 0 for those alone that declare it. What is beyond float32 is far beyond these bounds."""
Epochs = Annotated[float, Field(gt=0, le=MOST_EPOCHS)]
Images = Annotated[int, Field(gt=0, le=MOST_IMAGES)]
BatchSize = Annotated[int, Field(gt=0, le=LARGEST_BATCH)]
Every = Annotated[int, Field(ge=1, le=10_000)]
LearningRate = Annotated[float, Field(gt=0, le=1e30)]
ImageSize = Annotated[int, Field(gt=0, le=LARGEST_IMAGE_PX)]
ScoredSplit = Literal["test", "val"]
"""Part that scores may come from."""
ScorePrecision = Literal["32", "bf16"]
SCORING_CHOICES = ("split", "score_precision")
"""Fields of a `RunConfig` that scoring again may change; the run counts as made so from then on."""


UNNAMED_AT_DEFAULT = "unnamed at its default"
"""Marks a setting that recipes of earlier versions do not have: at its default it leaves their fingerprints what they were."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_serializer(mode="wrap")
    def _named(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        record: dict[str, Any] = serialize(self)
        for name, field in type(self).model_fields.items():
            if UNNAMED_AT_DEFAULT in field.metadata and getattr(self, name) == field.default:
                record.pop(name, None)
        return record


class _Part(_Settings):
    """Names a registered part; keys other than its fields are the part's own arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @model_validator(mode="after")
    def _few_arguments(self) -> _Part:
        if (count := len(self.arguments)) > MOST_ARGUMENTS:
            raise ValueError(f"it has {count:,} arguments, where {MOST_ARGUMENTS} are the most")
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """The part's own keyword arguments."""
        return dict(self.model_extra or {})


class Component(_Part):
    """A registered network and its own arguments: ``{name: stargan, width: 64}``, or just ``stargan``."""

    name: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Schedule(_Settings):
    """A weight that moves linearly from ``start`` to ``end`` over the stage's first ``over`` (a share of its length)."""

    start: Weight
    end: Weight
    over: float = Field(1.0, gt=0, le=1)

    def at(self, progress: float) -> float:
        """Value at ``progress`` in [0, 1] of the stage."""
        return self.start + (self.end - self.start) * min(progress / self.over, 1.0)


def _kind_of_weight(value: Any) -> str:
    return "a schedule" if isinstance(value, Mapping | Schedule) else "a number"


class Term(_Part):
    """A weighted loss term; keys other than ``loss_term`` and ``weight`` are its own arguments.

    Attributes:
        loss_term: Registered name; the key it stands under where left out (it is needed to use one term twice).
        weight: Constant or schedule.
    """

    loss_term: str | None = None
    weight: Annotated[
        Annotated[Weight, Tag("a number")] | Annotated[Schedule, Tag("a schedule")], Discriminator(_kind_of_weight)
    ] = 1.0

    def weight_at(self, progress: float) -> float:
        """Weight at ``progress`` in [0, 1] of the stage."""
        return self.weight.at(progress) if isinstance(self.weight, Schedule) else self.weight

    @property
    def least_weight(self) -> float:
        """The smallest weight it ever has."""
        return min(self.weight.start, self.weight.at(1.0)) if isinstance(self.weight, Schedule) else self.weight


class Optimizer(_Settings):
    """Settings of the optimiser of each network.

    Attributes:
        name: Only Adam and its decoupled-decay form are in use in the field.
        lr: Learning rate at the start.
        betas: Decay rates of the moments.
        eps: Term in the denominator.
        weight_decay: Decay (L2 for Adam, decoupled for AdamW).
    """

    name: Literal["adam", "adamw"] = "adam"
    lr: LearningRate = 1e-4
    betas: tuple[DecayRate, DecayRate] = (0.5, 0.999)
    eps: float = Field(default=1e-8, ge=1e-30, le=1)
    weight_decay: float = Field(default=0.0, ge=0, le=1000)


class Phase(_Settings):
    """Which networks one optimiser step updates, how often, and by which terms.

    Attributes:
        update: Network, or part of one (``generator.decoder``), or several; all else is frozen in this phase.
        every: Runs on every so many batches; 5 on the generator's phase is n_critic = 5.
        start: Share of the stage after which this phase begins. A discriminator that has a lead (the first steps of
            arXiv:1701.07875, section 3, train it to optimality) tells the generator which way is up.
        terms: Name -> weighted term.
        clip_gradient_norm: Largest norm of the phase's gradient; None for no limit.
        style: Where a generator that works with styles takes those of the targets: ``noise``, or ``reference``, the two pictures
            of the target's class that come with each image under ``targets: reference``.
    """

    update: tuple[str, ...] = Field(min_length=1)
    every: Every = 1
    start: float = Field(0.0, ge=0, lt=1)
    terms: dict[str, Term] = Field(min_length=1, max_length=100)
    clip_gradient_norm: float | None = Field(None, gt=0, le=1e9)
    style: Literal["noise", "reference"] = "noise"

    @field_validator("update", mode="before")
    @classmethod
    def _one_name(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("update")
    @classmethod
    def _each_once(cls, update: tuple[str, ...]) -> tuple[str, ...]:
        """A network, or a part of it, that stood there twice would be stepped twice by one gradient."""
        for number, part in enumerate(update):
            if twice := [
                other
                for other in update[number + 1 :]
                if f"{part}.".startswith(f"{other}.") or f"{other}.".startswith(f"{part}.")
            ]:
                said = (
                    f"'{shortened(part)}' stands there twice"
                    if twice[0] == part
                    else f"'{shortened(part)}' and '{shortened(twice[0])}' overlap"
                )
                raise ValueError(f"{said}: a phase updates each part once")
        return update

    @field_validator("terms", mode="before")
    @classmethod
    def _bare_terms(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {key: _bare_term(term) for key, term in value.items()}

    @property
    def networks(self) -> frozenset[str]:
        """Networks that have parameters in this phase."""
        return frozenset(part.split(".")[0] for part in self.update)

    @property
    def side(self) -> Literal["generator", "discriminator"]:
        """The player it trains."""
        return "discriminator" if "discriminator" in self.networks else "generator"


def _bare_term(value: Any) -> Any:
    if value is None:
        return {}
    return {"weight": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


class Stage(_Settings):
    """Phases for a number of epochs or images.

    Attributes:
        epochs: Passes over the training part; or give ``images``.
        images: Training images to see.
        batch_size: Images per batch.
        phases: Run in this order on every batch.
        linear_decay_from: Share of the stage after which learning rates fall linearly to zero; 1 keeps them constant.
        lr_factor: Factor of all learning rates in this stage; 0.1 in a second stage is a drop to a tenth.
        flip: Mirror training images at random in this stage; None for what the recipe says.
        simultaneous: All phases that are due learn from the weights that the batch found: every gradient is computed before
            any step is taken. Otherwise a phase sees the steps of those before it.
        fresh_optimizers: Optimizers of the stage's phases forget what earlier stages left in them (Adam: moments and step
            counts), as when every stage is a program of its own; otherwise they go on.
    """

    epochs: Epochs | None = None
    images: Images | None = None
    batch_size: BatchSize
    phases: tuple[Phase, ...] = Field(min_length=1, max_length=100)
    linear_decay_from: float = Field(1.0, ge=0, le=1)
    lr_factor: float = Field(1.0, gt=0, le=1000)
    flip: Annotated[bool | None, UNNAMED_AT_DEFAULT] = None
    simultaneous: Annotated[bool, UNNAMED_AT_DEFAULT] = False
    fresh_optimizers: Annotated[bool, UNNAMED_AT_DEFAULT] = False

    @model_validator(mode="after")
    def _one_length(self) -> Stage:
        if (self.epochs is None) == (self.images is None):
            raise ValueError("give either epochs or images")
        return self

    @model_validator(mode="after")
    def _one_gradient_each(self) -> Stage:
        """Of simultaneous phases two that share parameters would add up their gradients and step twice."""
        parts = sorted(part for phase in self.phases for part in phase.update)
        for part, other in pairwise(parts) if self.simultaneous else ():
            if part == other or other.startswith(f"{part}."):
                raise ValueError(f"simultaneous phases must not share parameters, as '{part}' and '{other}' do")
        return self

    @property
    def parts(self) -> frozenset[str]:
        """Networks, or parts of networks, that its phases update."""
        return frozenset(part for phase in self.phases for part in phase.update)

    def steps(self, steps_per_epoch: int, batch_size: int) -> int:
        """Number of batches, given how many make an epoch."""
        if self.images is not None:
            return max(1, round(self.images / batch_size))
        return max(1, round((self.epochs or 0.0) * steps_per_epoch))


class Recipe(_Settings):
    """Everything that defines a system: networks, stages, optimisers. A "model" on the command line is one.

    Attributes:
        name: What it is called in tables.
        description: What it is, whose settings it has and where it differs, in plain words.
        generator: Network that makes faces.
        discriminator: Network that judges them.
        targets: How the wanted expressions of a batch are drawn. ``reference``: with every image come two different pictures of a
            class that is drawn evenly among all, and that class is the target.
        sampling: ``shuffled``, every image once an epoch; or ``balanced``, drawn anew for each place, every class as often.
        flip: Mirror training images at random.
        dequantize: Spread the grey levels of training images evenly over the width of a level
            (:func:`ganzoo.data.pixels.dequantized`).
        optimizer: Settings for every network; ``optimizers`` overrides them by network or part (``generator.decoder``).
        ema: Decay of an exponential moving average of the generator (with a warm-up), which then is scored; None for none.
        stages: What is trained, in order.
    """

    name: str = Field(min_length=1, max_length=200)
    description: str = ""
    generator: Component
    discriminator: Component
    targets: Literal["permute", "uniform", "uniform_other", "all_other", "own", "reference"] = "permute"
    sampling: Annotated[Literal["shuffled", "balanced"], UNNAMED_AT_DEFAULT] = "shuffled"
    flip: bool = True
    dequantize: Annotated[bool, UNNAMED_AT_DEFAULT] = False
    optimizer: Optimizer = Optimizer()
    optimizers: dict[str, Optimizer] = Field(default_factory=dict, max_length=100)
    ema: float | None = Field(None, gt=0, lt=1)
    stages: tuple[Stage, ...] = Field(min_length=1, max_length=100)

    def optimizer_for(self, part: str) -> Optimizer:
        """Settings of the optimiser of a network, or of a part of one; a part without its own has those of its network."""
        return self.optimizers.get(part) or self.optimizers.get(part.split(".")[0], self.optimizer)

    def at_full_work(self) -> Recipe:
        """The recipe with every phase running from the start of its stage: what a trial of a few batches has to show."""
        stages = (
            stage.model_copy(update={"phases": tuple(phase.model_copy(update={"start": 0.0}) for phase in stage.phases)})
            for stage in self.stages
        )
        return self.model_copy(update={"stages": tuple(stages)})

    def identity(self) -> dict[str, Any]:
        """The resolved recipe without its length and words: what makes two runs the same experiment."""
        record = self.model_dump(mode="json", exclude={"description"})
        for stage in record["stages"]:
            stage.pop("epochs")
            stage.pop("images")
        return record


class RunConfig(_Settings):
    """``config.yaml``: all that decides what a run computes.

    Attributes:
        recipe: Resolved recipe.
        data: Dataset as asked for.
        image_size_px: Side that images are resized (or rendered) to; None for the dataset's own.
        fit: How pictures that are not square were made so; None: squeezed by resizing, which leaves square ones as they are.
        seed: Seed of everything random.
        precision: ``32`` or ``bf16``.
        preset: Preset the recipe was scaled by.
        split: Part that is scored: ``test``, or ``val`` for choosing between settings.
        score_precision: ``32`` or ``bf16``, of generator and judges while scoring; backbones always work in float32.
        select: Metric by whose value on ``val`` the state to score is chosen; None for the last state.
        max_sources: Source images scored; None for all.
        inception: Whether FID and LPIPS are computed.
    """

    recipe: Recipe
    data: str
    image_size_px: ImageSize | None = None
    fit: Literal["crop", "pad"] | None = None
    seed: int = Field(ge=0, le=LARGEST_SEED)
    precision: Literal["32", "bf16"]
    preset: str | None = None
    split: ScoredSplit = "test"
    score_precision: ScorePrecision = "32"
    select: str | None = None
    max_sources: int | None = Field(None, gt=0)
    inception: bool = True


def check_seed(seed: int) -> None:
    """Says in words where a seed is out of range.

    Raises:
        GanzooError: It is negative, or larger than random generators take.
    """
    if seed < 0:
        raise GanzooError(f"--seed must not be negative, not {seed}.")
    if seed > LARGEST_SEED:
        raise GanzooError(f"--seed must be below 2**63, not {seed}.")


def check_scoring(split: str | None, score_precision: str | None) -> None:
    """Says in words where a run cannot be scored so; None is left to the run.

    Raises:
        GanzooError: Scores cannot come from this part of the data, or not in this precision.
    """
    for option, value, known in (("--split", split, ScoredSplit), ("--score-precision", score_precision, ScorePrecision)):
        if value is not None and value not in get_args(known):
            raise GanzooError(f"{option} is {' or '.join(get_args(known))}, not '{value}'.")


def configs_folder() -> Path:
    """Where the shipped recipes and presets are: beside the package in a checkout, inside it when installed."""
    inside = Path(__file__).parent / "configs"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "configs"


def recipe_names() -> list[str]:
    """Names of all shipped recipes and those of installed packages, sorted."""
    return sorted({*_shipped_names(), *_plugin_recipes()})


def recipe_file(name: str) -> Path:
    """The YAML file of a recipe name or path.

    Raises:
        GanzooError: No such recipe.
    """
    shipped = configs_folder() / f"{name}.yaml"
    if "/" not in name and shipped.is_file():
        return shipped
    path = expanded(name)
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise GanzooError(f"Recipe file {shortened(name)} {'is no file' if path.exists() else 'does not exist'}.")
    if name in _plugin_recipes():
        return _plugin_recipe(name, _plugin_recipes()[name])
    raise GanzooError(f"Unknown recipe '{shortened(name)}'.{did_you_mean(name, recipe_names())} 'ganzoo list recipes' shows all.")


def _shipped_names() -> set[str]:
    return {file.stem for file in configs_folder().glob("*.yaml")}


def _plugin_recipes() -> dict[str, str]:
    """Entry points of recipes; a name that is taken already is left out with a warning."""
    found: dict[str, str] = {}
    for point in entry_points(group=RECIPE_GROUP):
        if point.name in _shipped_names() or found.get(point.name, point.value) != point.value:
            owner = point.dist.name if point.dist else point.value
            warnings.warn(f"{owner} offers a recipe called '{point.name}', a name already taken; it is ignored.", stacklevel=2)
            continue
        found[point.name] = point.value
    return found


def _plugin_recipe(name: str, value: str) -> Path:
    """Entry points of recipes read ``package:file.yaml`` (or ``package`` for ``<name>.yaml``)."""
    from importlib.resources import files

    package, _, file = value.partition(":")
    try:
        path = Path(str(files(package) / (f"{file}.yaml" if file and not file.endswith(".yaml") else file or f"{name}.yaml")))
    except Exception as error:
        raise GanzooError(f"The recipe '{name}' cannot be loaded from '{value}': {in_one_line(error)}") from error
    if not path.is_file():
        raise GanzooError(f"The recipe '{name}' names {value}, which is not there.")
    return path


def load_recipe(name: str) -> Recipe:
    """Reads a recipe by name or file; of a run's ``config.yaml``, the recipe in it.

    Raises:
        GanzooError: Unknown recipe or key, or a value of the wrong kind.
    """
    path = recipe_file(name)
    record = read_yaml(path)
    if isinstance(record.get("recipe"), dict):
        record = record["recipe"]
    return parse_recipe({"name": path.stem, **record}, str(path))


def read_run_config(path: Path) -> RunConfig:
    """Reads the ``config.yaml`` of a run.

    Raises:
        GanzooError: Not a run's configuration.
    """
    return validated(RunConfig, read_yaml(path), str(path))


def differences(before: RunConfig, now: RunConfig) -> list[str]:
    """Settings that differ, in words: ``recipe.stages.0.epochs: 3.0, now 5.0``."""
    old, new = flat(before.model_dump(mode="json")), flat(now.model_dump(mode="json"))
    return [
        f"{key}: {old.get(key)}, now {new.get(key)}"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key) and not key.endswith(".description")
    ]


def flat(record: Any, prefix: str = "") -> dict[str, Any]:
    """Every value in a record by its dotted place."""
    if isinstance(record, dict):
        items: Iterable[tuple[Any, Any]] = record.items()
    elif isinstance(record, list):
        items = enumerate(record)
    else:
        return {prefix: record}
    return {key: leaf for name, value in items for key, leaf in flat(value, f"{prefix}.{name}" if prefix else str(name)).items()}


def parse_recipe(record: Mapping[str, Any], source: str) -> Recipe:
    """Validates a recipe.

    Raises:
        GanzooError: An unknown key or a value of the wrong kind; the message names all of them.
    """
    return validated(Recipe, record, source)


def validated(model: type[Model], record: Any, source: str, records: Sequence[type[BaseModel]] = ()) -> Model:
    """Builds a record, or says in words all that is wrong with it; keys of ``records`` may be meant by unknown ones.

    Raises:
        GanzooError: An unknown key or a value of the wrong kind.
    """
    return validation.validated(model, record, source, records or _RECORDS)


_RECORDS: tuple[type[BaseModel], ...] = (RunConfig, Recipe, Stage, Phase, Term, Schedule, Optimizer)
