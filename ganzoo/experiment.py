"""The composition root: wires one run from a recipe, a dataset and a seed, trains it and scores it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from ganzoo.compatibility import check_compatible, check_terms
from ganzoo.config import SCORING_CHOICES, Recipe, RunConfig, ScoredSplit, check_scoring, check_seed
from ganzoo.data.base import DataNotFoundError, load_dataset
from ganzoo.data.pixels import Fit
from ganzoo.devices import Precision, choose_device, choose_precision, create_fabric
from ganzoo.errors import GanzooError, did_you_mean
from ganzoo.evaluation.scoring import Scorer, check_selection, check_weight_files
from ganzoo.overrides import Preset, load_preset, overwritten_by_preset, refuse_two_lengths, resolve_recipe, with_epochs
from ganzoo.registry import load_plugin_file
from ganzoo.reporting import Reporter
from ganzoo.reproduction import named_data_root
from ganzoo.runs.folder import RunFolder, write_yaml
from ganzoo.runs.journal import RunJournal
from ganzoo.runs.schema import MetricsFile
from ganzoo.saved import load_run
from ganzoo.session import RunOptions, RunResult, RunSession, image_facts

__all__ = ["RunOptions", "RunResult", "evaluate_run", "run"]


def run(
    recipe: str | Path | Recipe,
    data: str = "synth4",
    *,
    seed: int = 0,
    preset: str | None = None,
    epochs: float | None = None,
    changes: Sequence[str] = (),
    split: ScoredSplit = "test",
    score_precision: Precision = "32",
    select: str | None = None,
    results: str | Path = "results",
    data_root: str | Path | None = None,
    skip_bad: bool = False,
    download: bool = False,
    image_size_px: int | None = None,
    fit: Fit = "crop",
    precision: str = "auto",
    plugins: Sequence[str | Path] = (),
    options: RunOptions | None = None,
    reporter: Reporter | None = None,
    **more_options: Any,
) -> RunResult:
    """Trains a recipe on a dataset and scores it; a run that exists is resumed.

    Args:
        recipe: Name, YAML file, or a resolved recipe.
        data: Dataset name, or ``folder:PATH``.
        seed: Seed of everything random.
        preset: ``quick``, or ``paper`` for the recipe's own settings.
        epochs: Length in passes over the training part; the recipe's own where left out.
        changes: ``key=value`` changes of the recipe, as ``--set`` takes them.
        split: Part that is scored: ``test``, or ``val`` for choosing between settings.
        score_precision: ``32`` or ``bf16``, of generator and judges while scoring; scores of one are not ranked
            with those of the other.
        select: Metric by whose value on ``val`` the state to score is chosen, at ten points of training; None for the last.
        results: Where run folders go.
        data_root: Where to look for data.
        skip_bad: Leave out unreadable items.
        download: Fetch the data where its loader can.
        image_size_px: Resize (or render) images to this side.
        fit: How pictures that are not square are made so: ``crop``, ``pad`` or ``stretch``.
        precision: ``auto``, ``32`` or ``bf16``.
        plugins: Python files that register parts.
        options: How it is carried out; or give its fields as keywords.
        reporter: Who tells the user; silent from Python where left out.

    Returns:
        Folder, status and scores.

    Raises:
        GanzooError: Bad input, found before training starts.
        DivergedError: A loss became infinite or not a number.
    """
    options = _options(options, more_options)
    reporter = reporter or Reporter(quiet=True)
    for plugin in plugins:
        load_plugin_file(plugin)
    scale = None if preset is None else load_preset(preset)
    resolved = _resolve(recipe, changes, scale, epochs)
    check_terms(resolved)
    if scale is not None and not isinstance(recipe, Recipe):
        note = overwritten_by_preset(str(recipe), str(preset), _resolve(recipe, changes, None, epochs), resolved)
        if note is not None:
            reporter.say(note)
    device = choose_device(options.device)
    chosen_precision = choose_precision(precision, device)
    check_seed(seed)
    check_scoring(split, score_precision)
    check_selection(select, split, score_precision)
    check_minutes(options.max_minutes)
    check_weight_files(options.inception_weights, options.dinov2_weights)
    try:
        dataset = load_dataset(data, root=data_root, skip_bad=skip_bad, download=download, image_size_px=image_size_px, fit=fit)
    except DataNotFoundError as error:
        raise DataNotFoundError(f"{error}{_runs_kept(Path(results), data)}") from error
    check_compatible(resolved, image_facts(dataset), dataset.class_names)
    config = run_config(
        resolved, data, seed, chosen_precision, preset, image_size_px, split, score_precision, select, dataset.fit
    )
    scorer = Scorer.prepare(dataset, config, torch.device(device), options.inception_weights, options.dinov2_weights, reporter)
    return RunSession(config, dataset, create_fabric(device, chosen_precision), Path(results), options, scorer, reporter).run()


def check_minutes(minutes: float | None) -> None:
    """Says in words where a time limit is none.

    Raises:
        GanzooError: It is not positive, or not finite.
    """
    if minutes is not None and not 0 < minutes < math.inf:
        raise GanzooError(f"--max-minutes must be positive and finite, not {minutes:g}.")


def run_config(
    recipe: Recipe,
    data: str,
    seed: int,
    precision: Precision,
    preset: str | None = None,
    image_size_px: int | None = None,
    split: ScoredSplit = "test",
    score_precision: Precision = "32",
    select: str | None = None,
    fit: Fit | None = None,
) -> RunConfig:
    """All that decides what a run of a resolved recipe computes; the preset says how it is scored."""
    scale = None if preset is None else load_preset(preset)
    return RunConfig(
        recipe=recipe,
        data=data,
        image_size_px=image_size_px,
        fit=None if fit == "stretch" else fit,
        seed=seed,
        precision=precision,
        preset=preset,
        split=split,
        score_precision=score_precision,
        select=select,
        max_sources=scale.max_sources if scale else None,
        inception=scale.inception if scale else True,
    )


def evaluate_run(
    folder: str | Path,
    *,
    data_root: str | Path | None = None,
    skip_bad: bool = False,
    plugins: Sequence[str | Path] = (),
    device: str = "auto",
    inception_weights: Path | None = None,
    dinov2_weights: Path | None = None,
    split: ScoredSplit | None = None,
    score_precision: Precision | None = None,
    max_sources: int | None = None,
    reporter: Reporter | None = None,
) -> MetricsFile:
    """Scores a trained run again, without training.

    Args:
        folder: The run's folder.
        data_root: Where to look for data; where the run's command looked, if left out and still there.
        skip_bad: Leave out unreadable items, as the run did.
        plugins: Python files that register parts.
        device: Where to compute.
        inception_weights: File of the Inception weights.
        dinov2_weights: File of DINOv2's weights.
        split: Part that is scored, ``test`` or ``val``; as the run was made where left out; it counts as
            made so from then on.
        score_precision: ``32`` or ``bf16``, likewise.
        max_sources: Source images scored; 0 for all; as the run was made where left out.
        reporter: Who tells the user.

    Raises:
        GanzooError: Not a trained run, or the data is not what it was trained on.
    """
    reporter = reporter or Reporter(quiet=True)
    saved = load_run(folder, device=choose_device(device), plugins=plugins)
    config = saved.config
    check_scoring(split, score_precision)
    if split is not None:
        config = config.model_copy(update={"split": split})
    if score_precision is not None:
        config = config.model_copy(update={"score_precision": score_precision})
    if config.select and (config.split != "test" or config.score_precision != "32"):
        raise GanzooError(
            f"{folder} was made with --select {config.select}, which chooses its state on val, in float32: "
            "score it on test (scores on val would flatter), with --score-precision 32."
        )
    if max_sources is not None:
        config = config.model_copy(update={"max_sources": max_sources or None})
    if inception_weights is not None:
        config = config.model_copy(update={"inception": True})
    root = named_data_root(saved.info) if data_root is None else data_root
    fit = config.fit or "stretch"
    try:
        dataset = load_dataset(config.data, root=root, skip_bad=skip_bad, image_size_px=config.image_size_px, fit=fit)
    except DataNotFoundError as error:
        raise DataNotFoundError(
            f"{error} {folder} and its scores stay as they are. If its data have moved: "
            f"'ganzoo evaluate {folder} --data-root PLACE', with the folder in which they lie now."
        ) from error
    if dataset.content_hash != saved.info.data.content_hash:
        raise GanzooError(
            f"{folder} was trained on other images: its data has content {saved.info.data.content_hash[:12]}, "
            f"'{config.data}' here has {dataset.content_hash[:12]}. Name the right place with --data-root."
        )
    place = RunFolder(Path(folder))
    kept = {name: getattr(config, name) for name in SCORING_CHOICES}
    before = {name: getattr(saved.config, name) for name in SCORING_CHOICES}
    if kept != before and place.is_scored():
        reporter.say(f"Its scores ({_choices(before)}) are replaced by new ones ({_choices(kept)}).")
    saved.translator.precision = config.score_precision
    scorer = Scorer.prepare(dataset, config, saved.translator.device, inception_weights, dinov2_weights, reporter)
    seconds = scorer.score(saved.translator, place)
    RunJournal(place, saved.info).note(**saved.info.once_scored(seconds))
    if kept != before:
        write_yaml(place.config, saved.config.model_copy(update=kept))
    return place.read_metrics()


def _runs_kept(results: Path, data: str) -> str:
    """Says of runs on data that are no longer there that they are, if there are any."""
    folder, count = RunFolder.count(results, data)
    if not count:
        return ""
    runs = f"{count} run{'s' if count > 1 else ''} on these data"
    return (
        f" {folder} keeps {runs}: 'ganzoo compare' shows them without the data, and with the data in another place the same "
        "command finds them again (the same pictures are the same data)."
    )


def _choices(kept: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in kept.items())


def _options(options: RunOptions | None, more: Mapping[str, Any]) -> RunOptions:
    """Options with those that were given by keyword.

    Raises:
        GanzooError: A keyword is none of theirs.
    """
    own = [field.name for field in fields(RunOptions)]
    if unknown := [name for name in more if name not in own]:
        known = [*(name for name in signature(run).parameters if name != "more_options"), *own]
        raise GanzooError(f"ganzoo.run takes no '{unknown[0]}'.{did_you_mean(unknown[0], known)}")
    return replace(options or RunOptions(), **more)


def _resolve(recipe: str | Path | Recipe, changes: Sequence[str], scale: Preset | None, epochs: float | None) -> Recipe:
    if epochs is not None:
        refuse_two_lengths(f"--epochs {epochs:g}", changes)
    resolved = recipe if isinstance(recipe, Recipe) else resolve_recipe(str(recipe), scale, changes)
    return resolved if epochs is None else with_epochs(resolved, epochs)
