"""The command line: parses and delegates; nothing heavy is imported before it is needed."""

from __future__ import annotations

import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ganzoo.errors import GanzooError, in_one_line, is_interrupt, one_line, shortened
from ganzoo.interruption import exit_code, latest_signal, raised_as_interrupted
from ganzoo.surroundings import check_current_folder, draw_without_display, write_all_characters

FAILED = 1
BAD_INPUT = 2


class Kind(StrEnum):
    """What ``ganzoo list`` can list."""

    generators = "generators"
    discriminators = "discriminators"
    losses = "losses"
    datasets = "datasets"
    metrics = "metrics"
    recipes = "recipes"


class IfExists(StrEnum):
    """What to do with a run that is already there."""

    resume = "resume"
    skip = "skip"
    overwrite = "overwrite"


class Device(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Precision(StrEnum):
    """Number format of training."""

    auto = "auto"
    float32 = "32"
    bf16 = "bf16"


class Compile(StrEnum):
    """Whether training is compiled."""

    auto = "auto"
    on = "on"
    off = "off"


class ScorePrecision(StrEnum):
    """Number format of scoring."""

    float32 = "32"
    bf16 = "bf16"


class Split(StrEnum):
    """Part of the data that is scored."""

    test = "test"
    val = "val"


class Fit(StrEnum):
    """How pictures that are not square are made so."""

    crop = "crop"
    pad = "pad"
    stretch = "stretch"


class Logger(StrEnum):
    """Where the history goes as well."""

    tensorboard = "tensorboard"
    wandb = "wandb"


class _Stopped(BaseException):
    """A signal, under a name that the library of the command line does not know: it would end without a word."""


class _Commands(TyperGroup):
    """Refuses empty values, and tells short what is wrong with the others."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.parent:
            _refuse_empty(args)
        return list(super().parse_args(ctx, args))

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        with _told_short():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: Any) -> Any:
        with _told_short():
            return super().invoke(ctx)


_EMPTY_OPTION = re.compile(r"(--[\w-]+)=\s*")


def _refuse_empty(words: Sequence[str]) -> None:
    """An empty value is a variable of the shell without a value; taken as it stands it would be the present folder."""
    for before, word in zip(["", *words], words, strict=False):
        if not word.strip() or _EMPTY_OPTION.fullmatch(word):
            option = word.partition("=")[0] if word.strip() else before if before.startswith("-") else ""
            raise GanzooError(f"{option or 'An argument'} is empty; give it a value, or leave it out.")


@contextmanager
def _told_short() -> Iterator[None]:
    """Shortens what the parser says of somebody's words; what a part from elsewhere raises to end the program is its fault."""
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter) as error:
        _refuse_foreign(error)
        if not isinstance(error, typer.BadParameter):
            raise
        told: Any = error
        told.message = one_line(re.sub(r"'[^']{80,}'", lambda found: f"'{shortened(found[0][1:-1])}'", error.message))
        raise
    except (Exception, SystemExit, _Stopped):
        raise
    except BaseException as error:
        if is_interrupt(error):
            stopped = _Stopped(str(error))
            stopped.__notes__ = getattr(error, "__notes__", [])
            raise stopped from error
        raise GanzooError(_in_words(error) or in_one_line(error)) from error


def _refuse_foreign(error: BaseException) -> None:
    """A part from elsewhere that asks the command line to end has failed; it does not say what the exit code is."""
    from ganzoo.faults import foreign_frames

    if foreign_frames(error):
        raise GanzooError(_in_words(error)) from error


app = typer.Typer(
    cls=_Commands,
    help="Compares conditional GANs for facial-expression synthesis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(help="Looks at datasets.", no_args_is_help=True, rich_markup_mode=None)
judge_app = typer.Typer(help="Makes the classifiers that score expressions.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")
app.add_typer(judge_app, name="judge")
identity_app = typer.Typer(help="Makes the network that recognises people.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(identity_app, name="identity")


def _finite(value: float | None) -> float | None:
    """Of a number with bounds, "not a number" alone is within none and beyond none."""
    if value is not None and value != value:
        raise typer.BadParameter("nan is not a number.")
    return value


MOST_MINUTES = 10_000_000
LARGEST_IMAGE_PX = 1024
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="Where the data lies; else $GANZOO_DATA, then ./data.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out unreadable items (named and counted) instead of stopping.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch FER2013 through kagglehub (pip install 'ganzoo[download]').")]
ImageSize = Annotated[
    int | None, typer.Option("--image-size", min=8, max=LARGEST_IMAGE_PX, help="Resize (or render) images to this many pixels.")
]
FitOption = Annotated[
    Fit, typer.Option("--fit", help="How pictures that are not square are made so: their middle, on grey, or squeezed.")
]
Plugins = Annotated[list[Path] | None, typer.Option("--plugin", help="Python file that registers parts; repeatable.")]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where to compute.")]
ScorePrecisionOption = Annotated[
    ScorePrecision, typer.Option("--score-precision", help="Of scoring; 32 is what published scores have, bf16 can be faster.")
]
CompileOption = Annotated[
    Compile,
    typer.Option(
        "--compile",
        help="Compile training (on CUDA, record steps as well); auto: in runs over 20 minutes on AMX, over 5 on CUDA.",
    ),
]
DeterministicOption = Annotated[
    bool, typer.Option("--deterministic", help="The same bits each time on a GPU too, more slowly; a CPU gives them anyway.")
]
SelectOption = Annotated[
    str | None,
    typer.Option("--select", metavar="METRIC", help="Score the state that is best by it on val, instead of the last."),
]
SplitOption = Annotated[Split, typer.Option("--split", help="Part that is scored; val for choosing between settings.")]
InceptionWeights = Annotated[
    Path | None, typer.Option("--inception-weights", help="File weights-inception-2015-12-05-6726825d.pth for FID.")
]
DinoV2Weights = Annotated[
    Path | None, typer.Option("--dinov2-weights", help="File such as dinov2_vits14_pretrain.pth for FD DINOv2.")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        import ganzoo

        typer.echo(f"ganzoo {ganzoo.__version__}")
        raise typer.Exit


@app.callback()
def _globals(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if debug:
        os.environ["GANZOO_DEBUG"] = "1"


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="Recipe name ('ganzoo list recipes') or YAML file.")],
    data: Annotated[
        str, typer.Option("--data", help="fer4, fer4-clean, fer7, ferplus4, ferplus7, synth4, synth7, folder:PATH.")
    ] = "synth4",
    preset: Annotated[
        str | None, typer.Option("--preset", help="quick: minutes on a laptop; paper: the recipe's own settings (default).")
    ] = None,
    epochs: Annotated[float | None, typer.Option("--epochs", help="Passes over the training part.")] = None,
    seed: Annotated[list[int] | None, typer.Option("--seed", min=0, help="Seed; repeatable. Default 0.")] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, max=10_000, help="So many seeds from 0 on; those that are finished are kept.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="key=value change of the recipe, such as generator=dcgan, batch_size=16, terms.cycle.weight=5."
        ),
    ] = None,
    results: Annotated[Path, typer.Option("--results", help="Where run folders go.")] = Path("results"),
    data_root: DataRoot = None,
    skip_bad: SkipBad = False,
    download: Download = False,
    image_size: ImageSize = None,
    fit: FitOption = Fit.crop,
    plugin: Plugins = None,
    device: DeviceOption = Device.auto,
    precision: Annotated[Precision, typer.Option("--precision", help="auto takes bf16 where it is fast.")] = Precision.auto,
    compile: CompileOption = Compile.auto,
    deterministic: DeterministicOption = False,
    split: SplitOption = Split.test,
    score_precision: ScorePrecisionOption = ScorePrecision.float32,
    select: SelectOption = None,
    if_exists: Annotated[
        IfExists, typer.Option("--if-exists", help="What to do with a run that is already there.")
    ] = IfExists.resume,
    extend: Annotated[bool, typer.Option("--extend", help="Train a finished run further, to the length asked for.")] = False,
    max_minutes: Annotated[float | None, typer.Option("--max-minutes", help="Stop in time, scored and resumable.")] = None,
    inception_weights: InceptionWeights = None,
    dinov2_weights: DinoV2Weights = None,
    logger: Annotated[Logger | None, typer.Option("--logger", help="Also log there.")] = None,
) -> None:
    """Trains a recipe on a dataset and scores it; a run that was cut off goes on."""
    from ganzoo.compare.comparison import show_run
    from ganzoo.experiment import RunOptions
    from ganzoo.reporting import Reporter
    from ganzoo.seeds import chosen_seeds, run_seeds

    reporter, asked = Reporter(), chosen_seeds(seeds, seed or ())
    options = RunOptions(
        device=device.value,
        if_exists=if_exists.value,
        extend=extend,
        max_minutes=max_minutes,
        inception_weights=inception_weights,
        dinov2_weights=dinov2_weights,
        logger=logger.value if logger else None,
        compile=compile.value,
        deterministic=deterministic,
    )
    outcome = run_seeds(
        asked,
        recipe,
        data,
        preset=preset,
        epochs=epochs,
        changes=changes or (),
        results=results,
        data_root=data_root,
        skip_bad=skip_bad,
        download=download,
        image_size_px=image_size,
        fit=fit.value,
        precision=precision.value,
        split=split.value,
        score_precision=score_precision.value,
        select=select,
        plugins=plugin or (),
        options=options,
        reporter=reporter,
    )
    if outcome.interrupted:
        raise typer.Exit(exit_code())
    for result in outcome.results[:1]:
        folder = result.folder if len(asked) == 1 else result.folder.parent
        show_run(folder, console=reporter.console)
        reporter.say(f"Results are in {folder}")
    if outcome.left and len(asked) > 1:
        reporter.say(f"Not done: seed {', '.join(map(str, outcome.left))}. The same command goes on from there.")
    if outcome.diverged:
        reporter.say(f"Diverged: seed {', '.join(map(str, outcome.diverged))}.")
        raise typer.Exit(FAILED)


@app.command()
def bench(
    suite: Annotated[Path, typer.Argument(help="YAML file of recipes, data and seeds, such as benchmarks/synth4.yaml.")],
    results: Annotated[Path, typer.Option("--results", help="Where run folders go.")] = Path("results"),
    max_minutes: Annotated[
        float | None, typer.Option("--max-minutes", help="Stop the suite in time, scored and resumable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the runs with their state, and run nothing.")] = False,
    extend: Annotated[bool, typer.Option("--extend", help="Train finished runs further, to the length asked for.")] = False,
    figures: Annotated[bool, typer.Option("--figures/--no-figures", help="Draw figures at the end.")] = True,
    data_root: DataRoot = None,
    skip_bad: SkipBad = False,
    download: Download = False,
    image_size: ImageSize = None,
    fit: FitOption = Fit.crop,
    plugin: Plugins = None,
    device: DeviceOption = Device.auto,
    precision: Annotated[Precision, typer.Option("--precision", help="auto takes bf16 where it is fast.")] = Precision.auto,
    compile: CompileOption = Compile.auto,
    deterministic: DeterministicOption = False,
    split: SplitOption = Split.test,
    score_precision: ScorePrecisionOption = ScorePrecision.float32,
    select: SelectOption = None,
    inception_weights: InceptionWeights = None,
    dinov2_weights: DinoV2Weights = None,
    logger: Annotated[Logger | None, typer.Option("--logger", help="Also log there.")] = None,
) -> None:
    """Trains and scores every run of a suite that is not done yet, then compares them."""
    from ganzoo.benchmarking import list_suite, run_suite
    from ganzoo.experiment import RunOptions
    from ganzoo.planning import SuiteSettings
    from ganzoo.reporting import SuiteReporter

    reporter = SuiteReporter()
    settings = SuiteSettings(
        results=results,
        data_root=data_root,
        skip_bad=skip_bad,
        download=download,
        image_size_px=image_size,
        fit=fit.value,
        precision=precision.value,
        split=split.value,
        score_precision=score_precision.value,
        select=select,
        plugins=plugin or (),
    )
    options = RunOptions(
        device=device.value,
        extend=extend,
        max_minutes=max_minutes,
        inception_weights=inception_weights,
        dinov2_weights=dinov2_weights,
        logger=logger.value if logger else None,
        compile=compile.value,
        deterministic=deterministic,
    )
    if dry_run:
        list_suite(suite, settings, options, reporter)
        return
    outcome = run_suite(suite, settings, options, reporter, figures=figures)
    if outcome.interrupted:
        raise typer.Exit(exit_code())
    if outcome.failed:
        raise typer.Exit(FAILED)


@app.command()
def compare(
    results: Annotated[Path, typer.Argument(help="Folder with runs.")] = Path("results"),
    out: Annotated[Path | None, typer.Option("--out", help="Where tables and figures go; default RESULTS/comparison.")] = None,
    figures: Annotated[
        bool | None, typer.Option("--figures/--no-figures", help="Draw figures; by default unless --html is given.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", help="Also write one page with scores, faces, curves and commands; works offline."
        ),
    ] = None,
    all_metrics: Annotated[
        bool, typer.Option("--all-metrics", help="Show secondary metrics too; the CSV files have all.")
    ] = False,
) -> None:
    """Puts runs side by side: tables, figures, one contact sheet; or all of it as one HTML page."""
    from ganzoo.compare.comparison import compare_runs
    from ganzoo.reporting import Reporter

    reporter = Reporter()
    drawn = html is None if figures is None else figures
    comparison = compare_runs(results, out, figures=drawn, html=html, all_metrics=all_metrics, console=reporter.console)
    reporter.say(f"Tables{' and figures' if drawn else ''} are in {comparison.folder}")
    if html is not None:
        reporter.say(f"The page is {html}")


@app.command()
def evaluate(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")],
    data_root: DataRoot = None,
    skip_bad: SkipBad = False,
    plugin: Plugins = None,
    device: DeviceOption = Device.auto,
    inception_weights: InceptionWeights = None,
    dinov2_weights: DinoV2Weights = None,
    split: Annotated[Split | None, typer.Option("--split", help="Part that is scored; default as the run was made.")] = None,
    score_precision: Annotated[
        ScorePrecision | None, typer.Option("--score-precision", help="Of scoring; default as the run was made.")
    ] = None,
    max_sources: Annotated[
        int | None, typer.Option("--max-sources", min=0, help="Score so many sources; default as the run was made, 0 for all.")
    ] = None,
) -> None:
    """Scores a finished run again, without training."""
    from ganzoo.compare.comparison import show_run
    from ganzoo.experiment import evaluate_run
    from ganzoo.reporting import Reporter

    reporter = Reporter()
    evaluate_run(
        run_folder,
        data_root=data_root,
        skip_bad=skip_bad,
        plugins=plugin or (),
        device=device.value,
        inception_weights=inception_weights,
        dinov2_weights=dinov2_weights,
        split=split.value if split else None,
        score_precision=score_precision.value if score_precision else None,
        max_sources=max_sources,
        reporter=reporter,
    )
    show_run(run_folder, console=reporter.console)


@app.command(name="list")
def list_parts(
    kind: Annotated[Kind | None, typer.Argument(help="What to list; everything where left out.")] = None,
    plugin: Plugins = None,
) -> None:
    """Lists generators, discriminators, losses, datasets, metrics and recipes."""
    from ganzoo.listing import print_parts

    print_parts(kind.value if kind else None, plugin or ())


@app.command()
def show(
    recipe: Annotated[str, typer.Argument(help="Recipe name or YAML file.")],
    data: Annotated[str, typer.Option("--data", help="Only its number of classes, size and channels matter.")] = "fer4",
    preset: Annotated[str | None, typer.Option("--preset", help="quick or paper.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="key=value change of the recipe.")] = None,
    image_size: Annotated[
        int, typer.Option("--image-size", min=8, max=LARGEST_IMAGE_PX, help="Side of the images in pixels.")
    ] = 48,
    channels: Annotated[int, typer.Option("--channels", min=1, max=4, help="Channels of the images.")] = 1,
    classes: Annotated[
        int | None, typer.Option("--classes", min=2, max=1000, help="Number of classes; default by --data.")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Shows a recipe as resolved, with parameters and multiply-accumulates per image."""
    from ganzoo.listing import print_recipe

    print_recipe(recipe, data, preset, changes or (), (channels, image_size, classes), plugin or ())


@app.command(name="check")
def check_recipe(
    recipe: Annotated[str, typer.Argument(help="Recipe name or YAML file.")],
    changes: Annotated[list[str] | None, typer.Option("--set", help="key=value change of the recipe.")] = None,
    plugin: Plugins = None,
) -> None:
    """Checks that a recipe and its networks keep the contracts of ganzoo; exit code 1 where they do not."""
    from ganzoo.checking import print_checks

    if not print_checks(recipe, plugin or (), changes or ()):
        raise typer.Exit(FAILED)


@app.command(name="profile")
def profile_recipe(
    recipe: Annotated[str, typer.Argument(help="Recipe name or YAML file.")],
    data: Annotated[str, typer.Option("--data", help="Only its number of classes, size and channels matter.")] = "synth4",
    preset: Annotated[str | None, typer.Option("--preset", help="quick or paper.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="key=value change of the recipe.")] = None,
    windows: Annotated[int, typer.Option("--windows", min=1, max=10_000, help="Timed cycles of the recipe's phases.")] = 5,
    data_root: DataRoot = None,
    plugin: Plugins = None,
    device: DeviceOption = Device.auto,
    precision: Annotated[Precision, typer.Option("--precision", help="auto takes bf16 where it is fast.")] = Precision.auto,
) -> None:
    """Trains a few steps and prints where their time goes: by phase, network, term and operator."""
    from ganzoo.profiling import print_profile

    print_profile(
        recipe,
        data,
        preset,
        changes or (),
        data_root=data_root,
        device=device.value,
        precision=precision.value,
        windows=windows,
        plugins=plugin or (),
    )


@data_app.command()
def check(
    data: Annotated[str, typer.Argument(help="fer4, synth4, folder:PATH, ...")],
    data_root: DataRoot = None,
    skip_bad: SkipBad = False,
    download: Download = False,
    image_size: ImageSize = None,
    fit: FitOption = Fit.crop,
    picture: Annotated[Path, typer.Option("--picture", help="Where the sample grid goes.")] = Path("data_check.png"),
    plugin: Plugins = None,
) -> None:
    """Audits a dataset: counts, duplicates, leaks, label conflicts, blanks, unreadable files; draws a sample grid."""
    from ganzoo.listing import print_audit

    print_audit(data, data_root, skip_bad, download, image_size, picture, plugin or (), fit.value)


@judge_app.command()
def train(
    data: Annotated[str, typer.Option("--data", help="Dataset to judge.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for the judges; default $GANZOO_CACHE (~/.cache/ganzoo), where runs find them."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            min=0.05,
            max=MOST_MINUTES,
            callback=_finite,
            help="Time for the four networks together; 200 epochs end it sooner.",
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            "--epochs", min=0.1, max=100_000, callback=_finite, help="Passes over the training part for each network, instead."
        ),
    ] = None,
    scale: Annotated[
        float, typer.Option("--scale", min=0.1, max=16, callback=_finite, help="Multiplies the networks' widths.")
    ] = 1.0,
    flip_averaging: Annotated[
        bool, typer.Option("--flip-averaging/--no-flip-averaging", help="Average answers over a face and its mirror image.")
    ] = True,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")] = 0,
    data_root: DataRoot = None,
    skip_bad: SkipBad = False,
    download: Download = False,
    image_size: ImageSize = None,
    fit: FitOption = Fit.crop,
    device: DeviceOption = Device.auto,
    plugin: Plugins = None,
) -> None:
    """Trains the judges of a dataset: three that vote and one that gives features."""
    from ganzoo.config import check_seed
    from ganzoo.data.base import load_dataset
    from ganzoo.devices import choose_device, choose_precision
    from ganzoo.evaluation.judge_training import train_judges
    from ganzoo.registry import load_plugin_file
    from ganzoo.reporting import Reporter

    check_seed(seed)
    for file in plugin or ():
        load_plugin_file(file)
    dataset = load_dataset(data, root=data_root, skip_bad=skip_bad, download=download, image_size_px=image_size, fit=fit.value)
    chosen_device = choose_device(device.value)
    train_judges(
        dataset,
        out,
        minutes=minutes,
        epochs=epochs,
        scale=scale,
        flip_averaging=flip_averaging,
        device=chosen_device,
        precision=choose_precision("auto", chosen_device),
        seed=seed,
        log=Reporter().say,
    )


@identity_app.command(name="train")
def train_identity(
    out: Annotated[Path, typer.Option("--out", help="Folder for weights and card.")],
    steps: Annotated[int, typer.Option("--steps", min=1, max=10_000_000, help="Optimiser steps of 64 people each.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the weights.")] = 0,
    device: DeviceOption = Device.auto,
) -> None:
    """Trains the network that recognises rendered people: the one that is shipped, or another like it."""
    from ganzoo.config import check_seed
    from ganzoo.devices import choose_device
    from ganzoo.evaluation.identity_training import train_identity_network
    from ganzoo.reporting import Reporter

    check_seed(seed)
    train_identity_network(out, steps=steps, seed=seed, device=choose_device(device.value), log=Reporter().say)


@app.command()
def version() -> None:
    """Prints the version."""
    from ganzoo import __version__

    typer.echo(__version__)


def main() -> None:
    """Entry point."""
    draw_without_display()
    carry_out(app)


def carry_out(command: Callable[[], object]) -> None:
    """Bad input, a disk that refuses, or a part from elsewhere that fails becomes one line and exit code 2."""
    write_all_characters()
    try:
        with raised_as_interrupted(), _warnings_in_one_line():
            check_current_folder()
            command()
    except BaseException as error:
        if isinstance(error, _Stopped) or is_interrupt(error):
            _say(f"interrupted by {latest_signal()}. {_way_on(error)}")
            sys.exit(exit_code())
        message = _in_words(error)
        if message is None or os.environ.get("GANZOO_DEBUG"):
            raise
        _say(message)
        sys.exit(BAD_INPUT)


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Warnings come from libraries and from parts from elsewhere, which may say anything."""
    before = warnings.formatwarning
    if not os.environ.get("GANZOO_DEBUG"):
        warnings.formatwarning = lambda message, category, filename, lineno, line=None: (
            f"{Path(filename).name}, line {lineno}: {category.__name__}: {one_line(str(message))}\n"
        )
    try:
        yield
    finally:
        warnings.formatwarning = before


def _say(message: str) -> None:
    with suppress(OSError):  # The terminal may be what is gone.
        typer.echo(f"ganzoo: {message}", err=True)


def _way_on(error: BaseException) -> str:
    """How to go on: in the words of what was interrupted, or with the command as it was typed."""
    words = getattr(error, "__notes__", ())
    return str(words[0]) if words else f"To go on: {shlex.join(['ganzoo', *sys.argv[1:]])}"


def _in_words(error: BaseException) -> str | None:
    """One line for what is not ganzoo's own mistake; OSError is a full disk, a forbidden folder, too long a name."""
    from ganzoo.faults import fault_in_words
    from ganzoo.runs.writing import DISK_FULL

    if isinstance(error, GanzooError):
        return in_one_line(error)
    if fault := fault_in_words(error):
        return f"{one_line(fault)}. 'ganzoo --debug' shows the traceback."
    if not isinstance(error, OSError):
        return None
    return in_one_line(error) + (". Make room there; the same command goes on." if error.errno in DISK_FULL else "")


if __name__ == "__main__":
    main()
