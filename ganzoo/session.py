"""One run from its folder to its scores: new, resumed, extended or already done."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from lightning_fabric import Fabric
from safetensors.torch import save

import ganzoo
from ganzoo.compatibility import ImageFacts
from ganzoo.config import SCORING_CHOICES, Recipe, RunConfig, differences, read_run_config
from ganzoo.data.base import SPLIT_NAMES, Dataset
from ganzoo.devices import (
    describe_device,
    deterministic_algorithms,
    peak_memory_bytes,
    reason_against_compiling,
    reset_peak_memory,
)
from ganzoo.errors import DivergedError, GanzooError, is_interrupt
from ganzoo.evaluation.scoring import Scorer
from ganzoo.faults import reason_in_words
from ganzoo.header import print_advice, print_header, seconds_per_step
from ganzoo.interruption import INTERRUPTED, Interrupted
from ganzoo.loggers import create_logger
from ganzoo.models.base import Discriminator, Generator, create_discriminator, create_generator
from ganzoo.models.cost import count_parameters, macs_per_image
from ganzoo.registry import DISCRIMINATORS, GENERATORS, LOSSES, METRICS
from ganzoo.reporting import Reporter
from ganzoo.runs.claiming import empty, locked, made
from ganzoo.runs.fingerprint import fingerprint
from ganzoo.runs.folder import RunFolder, describe_run, write_yaml
from ganzoo.runs.journal import RunJournal, check_weights
from ganzoo.runs.provenance import command_line, git_commit, package_versions, plugin_hashes, python_version
from ganzoo.runs.schema import DataFacts, Environment, MetricsFile, RunInfo, Selected, Status
from ganzoo.runs.writing import remove_leftovers
from ganzoo.saved import load_generator
from ganzoo.training.checkpoint import checkpoint_path
from ganzoo.training.compilation import COMPILE_SECONDS, Compilation, CompileChoice, check_compile, decide
from ganzoo.training.loop import CHECKPOINT_SECONDS, TrainingLoop
from ganzoo.training.samples import SampleGrid
from ganzoo.training.seeding import derived_seed, random_state, restore_random_state, seed_everything
from ganzoo.training.selection import LOOKS_PER_RUN, Selection
from ganzoo.training.trainer import create_trainer
from ganzoo.training.translator import GeneratorTranslator

IfExists = Literal["resume", "skip", "overwrite"]
EARLY_MARGIN = 1.25
"""Scoring gets this many times its estimated length out of ``--max-minutes``."""


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; none of it changes what is computed.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        if_exists: What to do with a run that is already there.
        extend: Train a finished run further, to the length now asked for.
        max_minutes: Stop in time, scoring included; None for no limit.
        inception_weights: File of the Inception weights; None looks in torch's cache.
        dinov2_weights: File of DINOv2's weights; what needs it is left out without.
        logger: ``tensorboard``, ``wandb`` or None.
        deterministic: Whether a GPU is to give the same bits each time, more slowly; a processor does anyway.
        compile: ``auto``, ``on`` or ``off``; see :func:`ganzoo.training.compilation.decide`.
        checkpoint_seconds: Time between checkpoints.
    """

    device: str = "auto"
    if_exists: IfExists = "resume"
    extend: bool = False
    max_minutes: float | None = None
    inception_weights: Path | None = None
    dinov2_weights: Path | None = None
    logger: str | None = None
    deterministic: bool = False
    compile: CompileChoice = "auto"
    checkpoint_seconds: float = CHECKPOINT_SECONDS

    def __post_init__(self) -> None:
        if self.if_exists not in get_args(IfExists):
            raise GanzooError(f"Unknown choice '{self.if_exists}' for if_exists. Known: {', '.join(get_args(IfExists))}.")
        check_compile(self.compile)


@dataclass(frozen=True, repr=False)
class RunResult:
    """What a run left behind.

    Attributes:
        folder: The run's folder.
        info: Its status and provenance.
        metrics: Its scores, where it was scored.
    """

    folder: Path
    info: RunInfo
    metrics: MetricsFile | None

    def __repr__(self) -> str:
        return f"<RunResult {describe_run(self.folder, self.info, self.metrics)}>"


def image_facts(dataset: Dataset) -> ImageFacts:
    """What networks must know of a dataset."""
    return ImageFacts(dataset.image_channels, dataset.image_size_px, dataset.num_classes)


def training_fingerprint(config: RunConfig, content_hash: str) -> str:
    """What makes two runs the same experiment: recipe, networks, precision, data, plugins, selection; not seed or length."""
    revisions = {
        f"{role} {component.name}": registry.get(component.name).spec.revision
        for role, registry, component in (
            ("generator", GENERATORS, config.recipe.generator),
            ("discriminator", DISCRIMINATORS, config.recipe.discriminator),
        )
    }
    revised = {name: revision for name, revision in revisions.items() if revision > 1}
    return fingerprint(
        {
            "recipe": config.recipe.identity(),
            "precision": config.precision,
            "data": content_hash,
            "plugins": plugin_hashes(_parts(config)),
            **({"select": config.select} if config.select else {}),
            **({"revisions": revised} if revised else {}),
        }
    )


class OtherSettingsError(GanzooError):
    """A folder holds a run of other settings.

    Attributes:
        changed: What differs, in words.
    """

    def __init__(self, folder: RunFolder, changed: Sequence[str], way_out: str) -> None:
        super().__init__(f"{folder.path} was made with other settings: {'; '.join(changed)}. {way_out}")
        self.changed = tuple(changed)


def earlier_run(folder: RunFolder, config: RunConfig, extend: bool = False) -> RunInfo | None:
    """What an earlier session left, once it is clear that going on from there is right.

    Raises:
        OtherSettingsError: The folder holds a run of other settings.
        GanzooError: It holds a damaged one.
    """
    if not os.path.lexists(folder.info):
        return None
    info = folder.read_info()
    if folder.config.is_file():
        changed = differences_to(folder, config)
        if extend:
            changed = [change for change in changed if not _is_length(change)]
        if changed:
            raise OtherSettingsError(folder, changed, _way_out(changed, config.recipe, info))
    return info


def differences_to(folder: RunFolder, config: RunConfig) -> list[str]:
    """Settings in which the run in a folder differs from another, in words; that the same pictures have moved is none.

    Raises:
        GanzooError: Its settings cannot be read.
    """
    kept = read_run_config(folder.config)
    if kept.data.startswith("folder:") and config.data.startswith("folder:"):  # Folders of runs tell the content of the data.
        kept = kept.model_copy(update={"data": config.data})
    return differences(kept, config)


class RunSession:
    """One run, with everything it needs at hand.

    Args:
        config: All that decides what it computes.
        dataset: The data, found compatible with the recipe.
        fabric: Device and precision.
        results: Where run folders go.
        options: How it is carried out.
        scorer: Scores its generator.
        reporter: Tells the user.
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: Dataset,
        fabric: Fabric,
        results: Path,
        options: RunOptions,
        scorer: Scorer,
        reporter: Reporter,
    ) -> None:
        self.config, self.dataset, self.fabric, self.options = config, dataset, fabric, options
        self.scorer, self.reporter = scorer, reporter
        self.plugin_hashes = plugin_hashes(_parts(config))
        self.fingerprint = training_fingerprint(config, dataset.content_hash)
        self.folder = RunFolder.find(
            results, dataset.name, dataset.content_hash, config.recipe.name, self.fingerprint, config.seed
        )
        self.started = time.monotonic()
        self._anew = options.if_exists == "overwrite"

    def run(self) -> RunResult:
        """Trains, or goes on training, and scores.

        Raises:
            GanzooError: The folder holds a run of other settings, or is in use.
            DivergedError: A loss is not finite.
        """
        if self.folder.info.is_file() and self.options.if_exists == "skip":
            self.reporter.say(f"{self.folder.path} exists; skipped.")
            return self._result()
        with made(self.folder.path), locked(self.folder):
            before = None if self._anew else earlier_run(self.folder, self.config, self.options.extend)
            begun_so = before is not None and before.environment.deterministic
            try:
                with deterministic_algorithms(self.options.deterministic or begun_so):
                    return self._run(before)
            except KeyboardInterrupt:
                self._note_interruption()
                raise

    def _note_interruption(self) -> None:
        """A run that was killed once, and is interrupted before it goes on, is under way no more."""
        with suppress(GanzooError, OSError):
            journal = RunJournal(self.folder, self.folder.read_info())
            if journal.info.status == "running":
                journal.note_end(status="stopped", message=INTERRUPTED)

    def _run(self, before: RunInfo | None) -> RunResult:
        remove_leftovers(self.folder.path)
        if before is not None and before.status == "finished" and not self._is_longer() and self._is_whole(before):
            moved = f" (on the same pictures, as {before.data.name})" if before.data.name != self.dataset.name else ""
            self.reporter.say(f"{self.folder.path} is finished already{moved}.")
            if not self.folder.is_scored():
                self._score(RunJournal(self.folder, before))
            return self._result()
        seed_everything(self.config.seed)
        loop = self._prepare()
        if before is not None and checkpoint_path(self.folder).is_file():
            anew = "'--if-exists overwrite' starts the run anew."
            check_weights(self.folder, before, checkpoint_path(self.folder), anew)
        resumed = not self._anew and loop.resume()
        if loop.trainer.position.step > loop.trainer.total_steps:
            raise GanzooError(
                f"{self.folder.path} has gone {loop.trainer.position.step:,} steps, further than the "
                f"{loop.trainer.total_steps:,} asked for: --extend only makes a run longer. "
                "Use --if-exists overwrite to start anew, or another --results."
            )
        seconds = (loop.trainer.total_steps - loop.trainer.position.step) * seconds_per_step(
            self.config.recipe, self.dataset, self.fabric, self._networks
        )
        compilation = self._compile(loop, seconds, before)
        journal = RunJournal(self.folder, self._info(loop, "running", before))
        loop.write_weights = journal.write_weights
        looks = LOOKS_PER_RUN if loop.selection else 0
        if loop.selection is not None:
            loop.selection.score()  # What has no value is told before hours of training.
        estimate = seconds + self.scorer.estimate_seconds(loop.translator, looks)
        estimate += COMPILE_SECONDS if compilation.compiled else 0.0
        print_header(
            self.reporter, self.config, self.dataset, loop.trainer, self.folder.path, resumed, estimate, compilation.reason
        )
        print_advice(self.reporter, estimate, self.options.max_minutes)
        self.reporter.expect(estimate)
        if self._anew:  # Only now: what cannot start must not cost the run that is there.
            empty(self.folder)
        write_yaml(self.folder.config, self.config)
        journal.note()
        reset_peak_memory(self.fabric.device)  # Only now: what timed the steps beforehand is not the run's.
        return self._train(loop, journal)

    def _is_longer(self) -> bool:
        return self.options.extend and bool(differences_to(self.folder, self.config))

    def _is_whole(self, info: RunInfo) -> bool:
        """Whether the trained generator is there as it was written, or cannot be made again from a checkpoint."""
        if not checkpoint_path(self.folder).is_file():
            return True
        try:
            check_weights(self.folder, info, self.folder.generator, "It is made again from the checkpoint.")
        except GanzooError as error:
            self.reporter.say(str(error))
            return False
        return self.folder.generator.is_file()

    def _prepare(self) -> TrainingLoop:
        generator, discriminator = self._networks()
        trainer = create_trainer(self.config.recipe, generator, discriminator, self.dataset, self.fabric, self.config.seed)
        translator = self._translator(trainer.scored_generator())
        return TrainingLoop(
            trainer,
            self.folder,
            SampleGrid(self.dataset, self.folder.samples),
            translator,
            self.reporter,
            checkpoint_seconds=self.options.checkpoint_seconds,
            log_metrics=self._metrics_logger(),
            selection=self._selection(translator),
        )

    def _compile(self, loop: TrainingLoop, seconds: float, before: RunInfo | None) -> Compilation:
        device, as_before = self.fabric.device, before.environment.compiled if before else None
        against = reason_against_compiling(device, has_plugins=bool(self.plugin_hashes))
        compilation = decide(self.options.compile, device, seconds, against, as_before)
        if compilation.compiled:
            loop.trainer.compile()
        return compilation

    def _selection(self, translator: GeneratorTranslator) -> Selection | None:
        metric = self.config.select
        if metric is None:
            return None

        def score() -> float:
            before = random_state()
            translator.restart_noise()
            value = self.scorer.on_validation(translator, metric)
            restore_random_state(before)  # Training goes on as if nobody had looked.
            return value

        return Selection(metric, score, METRICS.get(metric).info.is_better)

    def _networks(self) -> tuple[Generator, Discriminator]:
        recipe, facts = self.config.recipe, image_facts(self.dataset)._asdict()
        torch.manual_seed(derived_seed(self.config.seed, "generator"))
        generator = create_generator(recipe.generator.name, **facts, **recipe.generator.arguments)
        torch.manual_seed(derived_seed(self.config.seed, "discriminator"))
        discriminator = create_discriminator(recipe.discriminator.name, **facts, **recipe.discriminator.arguments)
        return generator, discriminator

    def _translator(self, generator: Generator) -> GeneratorTranslator:
        return GeneratorTranslator(generator, self.dataset.class_names, self.fabric.device, self.config.score_precision)

    def _train(self, loop: TrainingLoop, journal: RunJournal) -> RunResult:
        deadline = None
        if self.options.max_minutes is not None:
            reserve = EARLY_MARGIN * self.scorer.estimate_seconds(loop.translator)
            deadline = self.started + max(60 * self.options.max_minutes - reserve, 1.0)
        try:
            reason = loop.train(deadline)
            self._save(loop, journal)
        except BaseException as error:
            if loop.wishes and isinstance(error, OSError):  # A terminal that is gone takes no words: no failure of the run.
                error = Interrupted()
            self._end_early(loop, journal, error)
            raise error
        self._close(journal, loop, "stopped" if reason else "finished", reason)
        if reason:
            self.reporter.say(f"Stopped after step {loop.trainer.position.step}: {reason}. {self._way_on}")
        if reason == INTERRUPTED:
            return self._result()
        self._score(journal, loop.translator, loop.wishes)
        return self._result()

    @property
    def _way_on(self) -> str:
        return f"The same command {'without --if-exists overwrite ' if self._anew else ''}goes on from there."

    def _end_early(self, loop: TrainingLoop, journal: RunJournal, error: BaseException) -> None:
        """Writes down why training ended."""
        if isinstance(error, KeyboardInterrupt):
            error.add_note(self._way_on)
            self._close(journal, loop, "stopped", INTERRUPTED)
        elif isinstance(error, DivergedError):
            self._close(journal, loop, "diverged", str(error))
        else:
            self._close(journal, loop, "failed", reason_in_words(error))

    def _score(self, journal: RunJournal, translator: GeneratorTranslator | None = None, wishes: Sequence[str] = ()) -> None:
        translator = translator or self._translator(load_generator(self.folder.path).to(self.fabric.device))
        translator.restart_noise()
        try:
            if wishes:  # It came with the last step.
                raise Interrupted
            seconds = self.scorer.score(translator, self.folder)
        except BaseException as error:  # also what a part of somebody else's raises to end the program
            if is_interrupt(error):
                error.add_note(self._way_on)
                if journal.info.status == "finished":  # A run that stopped keeps why it did.
                    journal.note_end(message=f"{INTERRUPTED} while scoring")
                raise
            status = "diverged" if isinstance(error, DivergedError) else journal.info.status
            journal.note_end(status=status, message=reason_in_words(error))
            raise
        journal.note(**journal.info.once_scored(seconds))

    def _result(self) -> RunResult:
        metrics = self.folder.read_metrics() if self.folder.metrics.is_file() else None
        return RunResult(self.folder.path, self.folder.read_info(), metrics)

    def _close(self, journal: RunJournal, loop: TrainingLoop, status: Status, message: str | None) -> None:
        memory, info = peak_memory_bytes(self.fabric.device), journal.info
        journal.note_end(
            status=status,
            message=message,
            ended=_now(),
            progress=loop.progress(),
            selected=_selected(loop) if status in ("finished", "stopped") else info.selected,
            peak_memory_bytes=max(memory or 0, info.peak_memory_bytes or 0) or None,
        )

    def _save(self, loop: TrainingLoop, journal: RunJournal) -> None:
        """Writes what training has made: the generator, and pictures of the whole way."""
        self.folder.metrics.unlink(missing_ok=True)  # Scores of an earlier stop are not those of this generator.
        if loop.selection is not None:
            loop.selection.restore(loop.trainer.scored_generator())
        content = _as_safetensors(loop.trainer.scored_generator())
        journal.write_weights(self.folder.generator, lambda file: file.write_bytes(content))
        loop.samples.save_timeline(sorted(self.folder.samples.glob("images_*.png")))
        loop.samples.save_intensities(loop.translator)

    def _info(self, loop: TrainingLoop, status: Status, before: RunInfo | None) -> RunInfo:
        recipe, facts = self.config.recipe, image_facts(self.dataset)
        return RunInfo(
            recipe=recipe.name,
            fingerprint=self.fingerprint,
            seed=self.config.seed,
            status=status,
            started=before.started if before else _now(),
            preset=self.config.preset,
            peak_memory_bytes=before.peak_memory_bytes if before else None,
            data=data_facts(self.dataset),
            environment=self._environment(loop.trainer.is_compiled, before),
            parameters={name: count_parameters(network) for name, network in loop.trainer.networks.items()},
            macs_per_image=macs_per_image(recipe.generator.name, recipe.generator.arguments, facts),
            progress=loop.progress(),
            selected=_selected(loop),
            weights=before.weights if before else {},
        )

    def _environment(self, is_compiled: bool, before: RunInfo | None) -> Environment:
        return Environment(
            ganzoo=ganzoo.__version__,
            python=python_version(),
            packages=package_versions(),
            plugins=self.plugin_hashes,
            device=describe_device(self.fabric.device),
            precision=self.config.precision,
            compiled=is_compiled or (before is not None and before.environment.compiled),
            deterministic=torch.are_deterministic_algorithms_enabled() and (before is None or before.environment.deterministic),
            threads=torch.get_num_threads(),
            git_commit=git_commit(),
            command=command_line(),
        )

    def _metrics_logger(self) -> Any:
        if self.options.logger is None:
            return None
        return create_logger(self.options.logger, self.folder.path).log_metrics


def _as_safetensors(generator: Generator) -> bytes:
    # Copies, for the format takes no tensors that share memory, as tied weights do.
    return save(
        {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in generator.state_dict().items()
        }
    )


def data_facts(dataset: Dataset) -> DataFacts:
    """A dataset's entry in the provenance of a run."""
    return DataFacts(
        name=dataset.name,
        content_hash=dataset.content_hash,
        class_names=list(dataset.class_names),
        image_shape=[dataset.image_channels, dataset.image_size_px, dataset.image_size_px],
        counts={part: dataset.splits[part].class_counts(dataset.num_classes) for part in SPLIT_NAMES},
        facts={**dataset.facts, **dataset.in_words()},
        skipped=list(dataset.skipped),
    )


def _selected(loop: TrainingLoop) -> Selected | None:
    return loop.selection.best if loop.selection else None


def _parts(config: RunConfig) -> Iterator[object]:
    """All parts that decide what a run computes before it is scored."""
    recipe = config.recipe
    if config.select:
        yield METRICS.get(config.select)
    yield GENERATORS.get(recipe.generator.name)
    yield DISCRIMINATORS.get(recipe.discriminator.name)
    for stage in recipe.stages:
        for phase in stage.phases:
            yield from (LOSSES.get(settings.loss_term or name) for name, settings in phase.terms.items())


def _way_out(changed: Sequence[str], wanted: Recipe, info: RunInfo) -> str:
    """What to do about a run of other settings; training it further helps where only its length differs, and is too short."""
    anew = "'ganzoo run --if-exists overwrite' to start anew, or another --results."
    names = [change.split(":")[0] for change in changed]
    if all(name in SCORING_CHOICES for name in names):
        options = " and ".join(f"--{name.replace('_', '-')}" for name in names)
        return f"Use 'ganzoo evaluate' with {options} to score it so, {anew}"
    if not all(map(_is_length, changed)):
        return f"Use {anew}"
    if _is_passed(wanted, info):
        return f"It has gone further than is asked for: use {anew}"
    return f"Use --extend to train it further, {anew}"


def _is_passed(wanted: Recipe, info: RunInfo) -> bool:
    """Whether a run has seen more than a recipe asks for, which is in images or in epochs, or in both where stages differ."""
    images = sum(stage.images or 0 for stage in wanted.stages)
    epochs = sum(stage.epochs or 0.0 for stage in wanted.stages)
    seen = info.progress
    return seen.epochs > epochs if not images else seen.images_seen > images and not epochs


def _is_length(change: str) -> bool:
    return change.split(":")[0].endswith((".epochs", ".images"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
