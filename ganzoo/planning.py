"""What a suite comes to: its runs in order, everything about them checked before the first starts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ganzoo.compatibility import ImageFacts, find_problems
from ganzoo.config import Recipe, RunConfig, ScoredSplit
from ganzoo.data.base import load_dataset
from ganzoo.data.pixels import Fit
from ganzoo.devices import Precision, choose_device, choose_precision
from ganzoo.errors import GanzooError, listed
from ganzoo.evaluation.scoring import check_selection
from ganzoo.experiment import run_config
from ganzoo.planned import PlannedRun
from ganzoo.registry import load_plugin_file
from ganzoo.runs.folder import RunFolder
from ganzoo.session import RunOptions, image_facts, training_fingerprint
from ganzoo.suite import Experiment, experiments, load_suite

_MOST_PROBLEMS = 50
"""Problems that are looked for; fewer are told."""
_MOST_RUNS = 10_000


@dataclass(frozen=True)
class SuiteSettings:
    """What holds for every run of a suite and does not stand in its file; the names are those of ``ganzoo run``."""

    results: Path = Path("results")
    data_root: Path | None = None
    skip_bad: bool = False
    download: bool = False
    image_size_px: int | None = None
    fit: Fit = "crop"
    precision: str = "auto"
    split: ScoredSplit = "test"
    score_precision: Precision = "32"
    select: str | None = None
    plugins: Sequence[Path] = ()


class Problem(NamedTuple):
    """What keeps a run from starting, and the place in the suite it comes from."""

    place: str
    message: str


class _Data(NamedTuple):
    """What planning must know of a dataset."""

    name: str
    content_hash: str
    facts: ImageFacts
    class_names: tuple[str, ...]
    train_images: int
    fit: Fit | None


def plan_suite(
    path: Path, settings: SuiteSettings, options: RunOptions, *, with_conflicts: bool = False
) -> tuple[PlannedRun, ...]:
    """Every run of a suite in the order in which they are run: all entries from their first seeds, then from their second.

    So a suite that is cut short is a whole table already, of fewer seeds.

    Args:
        path: The suite's file.
        settings: What holds for every run.
        options: How runs are carried out.
        with_conflicts: Whether runs whose folders hold another run are planned all the same, for a list of what there is.

    Raises:
        GanzooError: Anything that would keep one of the runs from starting; the message names every problem.
    """
    suite = load_suite(path)
    for plugin in settings.plugins:
        load_plugin_file(plugin)
    check_selection(settings.select, settings.split, settings.score_precision)
    precision = choose_precision(settings.precision, choose_device(options.device))
    planned = list(experiments(suite, path.parent))
    if (count := sum(len(experiment.data) * len(experiment.seeds) for experiment in planned)) > _MOST_RUNS:
        raise GanzooError(f"{path}: these are {count:,} runs, where {_MOST_RUNS:,} are the most.")
    problems: list[Problem] = []
    rounds: list[tuple[int, PlannedRun]] = []
    known: dict[str, _Data | None] = {}
    for experiment in planned:
        if len(problems) >= _MOST_PROBLEMS:
            break
        recipe = _resolved(experiment, problems)
        for name in experiment.data:
            if name not in known:
                known[name] = _loaded(name, settings, problems)
            data = known[name]
            if recipe is None or data is None:
                continue
            found = list(dict.fromkeys(islice(find_problems(recipe, data.facts, data.class_names), _MOST_PROBLEMS)))
            if found:
                problems.append(Problem(experiment.place, f"cannot run on {name}: {listed(found, '; ')}"))
                continue
            for turn, seed in enumerate(experiment.seeds):
                config = run_config(
                    recipe,
                    name,
                    seed,
                    precision,
                    experiment.preset,
                    settings.image_size_px,
                    split=settings.split,
                    score_precision=settings.score_precision,
                    select=settings.select,
                    fit=data.fit,
                )
                rounds.append((turn, _planned(experiment.place, config, data, settings.results, options.extend)))
    runs = tuple(run for _, run in sorted(rounds, key=lambda item: item[0]))
    _refuse(path, [*problems, *_shared_folders(runs), *([] if with_conflicts else _wrong_folders(runs))])
    return runs


def refuse_conflicts(path: Path, runs: Sequence[PlannedRun]) -> None:
    """Refuses runs whose folders hold another run, or a damaged one.

    Raises:
        GanzooError: There are some; the message names all of them.
    """
    _refuse(path, list(_wrong_folders(runs)))


def _resolved(experiment: Experiment, problems: list[Problem]) -> Recipe | None:
    try:
        return experiment.resolve()
    except GanzooError as error:
        problems.append(Problem(experiment.place, str(error)))
        return None


def _loaded(name: str, settings: SuiteSettings, problems: list[Problem]) -> _Data | None:
    try:
        data = load_dataset(
            name,
            root=settings.data_root,
            skip_bad=settings.skip_bad,
            download=settings.download,
            image_size_px=settings.image_size_px,
            fit=settings.fit,
        )
    except GanzooError as error:
        problems.append(Problem("data", str(error)))
        return None
    return _Data(data.name, data.content_hash, image_facts(data), data.class_names, len(data.train), data.fit)


def _planned(place: str, config: RunConfig, data: _Data, results: Path, extend: bool) -> PlannedRun:
    mark = training_fingerprint(config, data.content_hash)
    folder = RunFolder.find(results, data.name, data.content_hash, config.recipe.name, mark, config.seed)
    images = sum(stage.images or (stage.epochs or 0.0) * data.train_images for stage in config.recipe.stages)
    return PlannedRun(place, config, folder, images, extend)


def _shared_folders(runs: Sequence[PlannedRun]) -> Iterator[Problem]:
    first: dict[Path, PlannedRun] = {}
    for run in runs:
        other = first.setdefault(run.folder.path, run)
        if other is not run:
            same = "stands there twice" if other.place == run.place else f"is the same run as in {other.place}"
            yield Problem(run.place, f"{run.name} {same}; length and preset do not tell runs apart")


def _wrong_folders(runs: Sequence[PlannedRun]) -> Iterator[Problem]:
    for run in runs:
        try:
            run.state()
        except GanzooError as error:
            yield Problem(run.place, str(error))


def _refuse(path: Path, problems: Sequence[Problem]) -> None:
    """Raises if there are problems: one by itself, several numbered; what is wrong in several places is told once."""
    places: dict[str, list[str]] = {}
    for problem in problems:
        places.setdefault(problem.message.rstrip("."), []).append(problem.place)
    told = [f"{listed(list(dict.fromkeys(where)))}: {message}." for message, where in places.items()]
    if len(told) == 1:
        raise GanzooError(f"{path}: {told[0]}")
    if told:
        numbered = [f"({number}) {text}" for number, text in enumerate(told, 1)]
        raise GanzooError(f"{path}: {len(told)} problems: {listed(numbered, ' ')}")
