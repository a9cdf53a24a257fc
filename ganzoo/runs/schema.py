"""The files of a run as typed models: ``run.json`` and ``metrics.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Status = Literal["running", "stopped", "finished", "diverged", "failed"]
"""``running`` also means *killed* when no process is left; ``stopped``: by ``--max-minutes`` or a signal (Ctrl-C, SIGTERM,
SIGHUP; its message then is ``interrupted``), resumable; ``failed``: by an error, or a disk that took no more, resumable too."""


ASPECTS = ("distribution", "expression", "identity")
"""What a working model must be good at, all at once: a table's Pareto front takes one metric for each."""


Count = Annotated[int, Field(ge=0, lt=2**63)]
"""A number of things, or a size in bytes."""
LARGEST_NUMBER = 1e100
Number = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
"""A finite number of a size whose sums and squares are finite too; NaN is none."""
Amount = Annotated[float, Field(ge=0, le=LARGEST_NUMBER)]
"""A duration, a rate or a share of an epoch."""
Name = Annotated[str, Field(min_length=1, max_length=1000)]


def _one_by_one(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("a name stands twice")
    return names


ClassNames = Annotated[list[Name], Field(max_length=10_000), AfterValidator(_one_by_one)]


class _Record(BaseModel):
    """What ganzoo has written, and anybody may have changed since: whoever reads one may rely on what its fields say."""

    model_config = ConfigDict(extra="forbid")


class DataFacts(_Record):
    """Which images a run saw.

    Attributes:
        name: Dataset as asked for, such as ``fer4``.
        content_hash: SHA-256 over pixels, labels and class names.
        class_names: Expression of each label.
        image_shape: Channels, height, width.
        counts: Part -> images per class, in class order.
        facts: What the loader says about itself (source form, expected counts and whether they hold, ...).
        skipped: Items left out with ``--skip-bad``.
    """

    name: Name
    content_hash: str
    class_names: ClassNames
    image_shape: list[Annotated[int, Field(gt=0, le=2**16)]] = Field(default_factory=list)
    counts: dict[str, list[Count]]
    facts: dict[str, Any] = Field(default_factory=dict)
    skipped: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _shape_of_images(self) -> DataFacts:
        if self.image_shape and len(self.image_shape) != 3:
            raise ValueError("image_shape must be channels, height and width")
        return self


class Environment(_Record):
    """What a run ran on.

    Attributes:
        ganzoo: Package version.
        python: Python version.
        packages: Library -> version.
        plugins: Plugin distribution or file -> version or SHA-256.
        device: Device in words.
        precision: ``32`` or ``bf16``, as resolved.
        compiled: Whether training was compiled, all of it or a part.
        deterministic: Whether a GPU was to give the same bits each time, from beginning to end.
        threads: CPU threads of one process.
        git_commit: Commit of the checkout the package runs from, with ``+dirty`` where it has changes; None when installed.
        command: The command line, or ``python``.
    """

    ganzoo: str
    python: str
    packages: dict[str, str]
    plugins: dict[str, str] = Field(default_factory=dict)
    device: str
    precision: str
    compiled: bool = False
    deterministic: bool = False
    threads: int
    git_commit: str | None = None
    command: str


class Progress(_Record):
    """How far a run has come.

    Attributes:
        steps: Batches seen.
        images_seen: Training images seen, counted once per batch.
        updates: Network (or part of one, such as ``generator.decoder``) -> optimiser steps.
        epochs: Passes over the training part.
        train_seconds: Time in training steps, over all sessions of the run.
        images_per_second: ``images_seen / train_seconds``.
    """

    steps: Count = 0
    images_seen: Count = 0
    updates: dict[str, Count] = Field(default_factory=dict)
    epochs: Amount = 0.0
    train_seconds: Amount = 0.0
    images_per_second: Amount = 0.0

    @property
    def generator_updates(self) -> int:
        """Optimiser steps of the generator: of its most trained part, where its parts are trained in turn."""
        return max((count for part, count in self.updates.items() if part.split(".")[0] == "generator"), default=0)


class Selected(_Record):
    """The state of a run that is scored, where it was selected on the validation part.

    Attributes:
        metric: By which it was the best.
        value: Its score there.
        step: Batches it had seen.
        images: Training images it had seen.
    """

    metric: str
    value: Number
    step: Count
    images: Count


class RunInfo(_Record):
    """``run.json``: status and provenance of one run.

    Attributes:
        recipe: Name of the recipe.
        fingerprint: Training fingerprint: recipe, precision, data and plugins, without seed and length.
        seed: Seed of the run.
        status: See :data:`Status`.
        message: Why it stopped, where it did not finish; why it has no scores, where scoring it failed.
        started: UTC time, ISO 8601.
        ended: UTC time, ISO 8601.
        preset: ``quick``, ``paper`` or None.
        parameters: Network -> number of trainable parameters.
        macs_per_image: Multiply-accumulates of one generator forward pass for one image.
        progress: How far it has come.
        selected: The state that is scored, where it was selected (``--select``); None for the last.
        weights: File of weights, as a path under the run's folder -> SHA-256 (hex) that it may have: its own and, while it is
            being replaced, that of the file before it too. Empty in runs that did not note any.
        evaluation_seconds: Time the last scoring took.
        peak_memory_bytes: Most memory in use at once up to the end of training: of a CUDA device, what its tensors took; else
            of the whole process, images included. None in runs that did not note it.
    """

    format: Literal["ganzoo-run/1"] = "ganzoo-run/1"
    recipe: Name
    fingerprint: str
    seed: Count
    status: Status
    message: str | None = None
    started: str
    ended: str | None = None
    preset: str | None = None
    data: DataFacts
    environment: Environment
    parameters: dict[str, Count] = Field(default_factory=dict)
    macs_per_image: Count | None = None
    progress: Progress = Field(default_factory=Progress)
    selected: Selected | None = None
    weights: dict[str, list[str]] = Field(default_factory=dict)
    evaluation_seconds: Amount | None = None
    peak_memory_bytes: Count | None = None

    def once_scored(self, seconds: float) -> dict[str, Any]:
        """What changes once scoring, which took so long, has succeeded; of a finished run there is no more to tell."""
        return {"evaluation_seconds": round(seconds, 2), "message": None if self.status == "finished" else self.message}


class MetricInfo(_Record):
    """What a metric is, so that tables need no code to show it.

    Attributes:
        label: Column heading, such as ``FID``.
        direction: ``lower`` or ``higher`` is better; ``none`` for descriptive ones.
        ranked: Whether it decides an order between models.
        beats: The control row that a working model must beat, if any.
        unit: Unit or range, in words.
        aspect: Which of :data:`ASPECTS` it measures; empty for others. The first such columns make the Pareto front.
        headline: Whether every table shows it; the others stand in ``metrics.json`` and the CSV files, and in tables where all
            metrics are asked for.
        takes_from: The metric whose value is this much worse under the disturbance that this one measures, if any.
        stays_below: The control whose value no working model reaches, if any: where one does, the headlines of the same aspect
            are in doubt.
    """

    label: str
    direction: Literal["lower", "higher", "none"]
    ranked: bool
    beats: str | None = None
    unit: str = ""
    aspect: Literal["distribution", "expression", "identity", ""] = ""
    headline: bool = True
    takes_from: str | None = None
    stays_below: str | None = None

    def is_better(self, one: float, other: float) -> bool:
        """Whether ``one`` is better than ``other``; of a metric without a direction nothing is."""
        return one > other if self.direction == "higher" else self.direction == "lower" and one < other


class Confusion(_Record):
    """Target × predicted counts of the off-diagonal grid; rows are targets, both in class order."""

    class_names: ClassNames
    counts: list[list[Count]]

    @model_validator(mode="after")
    def _is_square(self) -> Confusion:
        _refuse_unless_square(self.counts, self.class_names, "counts")
        return self


class SourceTargetAccuracy(_Record):
    """Accuracy by source (rows) and target class (columns), both in class order; null where a class has no face to score.

    The diagonal is that of faces asked to keep their class, which no other accuracy counts; null where there are none.
    """

    class_names: ClassNames
    values: list[list[Number | None]]

    @model_validator(mode="after")
    def _is_square(self) -> SourceTargetAccuracy:
        _refuse_unless_square(self.values, self.class_names, "values")
        return self


def _refuse_unless_square(rows: Sequence[Sequence[object]], names: Sequence[str], field: str) -> None:
    if not names or len(rows) != len(names) or any(len(row) != len(names) for row in rows):
        raise ValueError(f"{field} must have a row and a column for each of the {len(names)} class names")


class MetricsFile(_Record):
    """``metrics.json``: the scores of one run.

    Attributes:
        protocol: Everything that must be equal for two scores to be comparable.
        fingerprint: SHA-256 of the canonical JSON of ``protocol``.
        metrics: Metric -> value, null where not applicable or not available. The only numbers that may be read as NaN or
            infinite: whoever compares leaves such a value out, and the others count.
        reasons: Metric -> why it is null.
        controls: Control row (``real``, ``no-edit``, ``oracle``, ...) -> metric -> value.
        intervals: Metric -> [low, high], 95 % bootstrap over source images; only metrics that are means over images.
        per_class: Metric -> target class -> value.
        per_judge: Judge -> ``acc`` by that judge alone.
        details: Further values, such as ``acc_floor``, ``acc_ceiling``, ``acc_calibrated``, ``acc_min_judge``.
        confusion: Target × predicted.
        source_target: Accuracy by source × target.
        info: Metric -> what it is.
        judge_note: Said of the judges where it matters (for instance that they may not rank).
        sources: Number of source images scored.
        translations: Number of translated images scored.
        scored: UTC time, ISO 8601.
    """

    format: Literal["ganzoo-metrics/1"] = "ganzoo-metrics/1"
    protocol: dict[str, Any]
    fingerprint: str
    metrics: dict[str, float | None]
    reasons: dict[str, str] = Field(default_factory=dict)
    controls: dict[str, dict[str, Number | None]] = Field(default_factory=dict)
    intervals: dict[str, tuple[Number, Number]] = Field(default_factory=dict)
    per_class: dict[str, dict[str, Number | None]] = Field(default_factory=dict)
    per_judge: dict[str, Number] = Field(default_factory=dict)
    details: dict[str, Number | None] = Field(default_factory=dict)
    confusion: Confusion | None = None
    source_target: SourceTargetAccuracy | None = None
    info: dict[str, MetricInfo] = Field(default_factory=dict)
    judge_note: str | None = None
    sources: Count = 0
    translations: Count = 0
    scored: str = ""

    def headline_scores(self) -> dict[str, float]:
        """The scores that every table shows, where they have a value."""
        shown = {name for name, info in self.info.items() if info.headline}
        return {name: value for name, value in self.metrics.items() if name in shown and value is not None}
