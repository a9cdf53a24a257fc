"""Suites: what a file may say, and working through one past failures, time limits, Ctrl-C and kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console

import ganzoo
from ganzoo import experiment
from ganzoo.benchmarking import list_suite, run_suite
from ganzoo.cli import main
from ganzoo.config import Recipe, configs_folder, load_recipe
from ganzoo.errors import DivergedError, GanzooError, InUseError
from ganzoo.evaluation.scoring import Scorer
from ganzoo.planned import PlannedRun, seconds_left
from ganzoo.planning import SuiteSettings, plan_suite
from ganzoo.registry import GENERATORS
from ganzoo.reporting import SuiteReporter
from ganzoo.runs.folder import RunFolder, read_json, write_json
from ganzoo.runs.suite_record import SuiteOutcome, SuiteRecord
from ganzoo.session import RunOptions, RunResult, training_fingerprint
from ganzoo.suite import experiments, load_suite
from ganzoo.training.checkpoint import checkpoint_path, load_checkpoint
from ganzoo.training.loop import TrainingLoop

PRESET = {"width": 4, "batch_size": 8, "every": 2, "images": 48, "max_sources": 8, "inception": False}
TWO = {"preset": "quick", "recipes": [{"recipe": "stargan", "set": {"generator.residual_blocks": 1}}, "dcgan"]}
CPU = RunOptions(device="cpu", checkpoint_seconds=0.0)
FACES = {"train": 400, "val": 100, "test": 100}
OVERRIDES, SIZES = "ganzoo.overrides.configs_folder", "ganzoo.data.synthetic.SPLIT_SIZES"


@pytest.fixture(scope="module", autouse=True)
def tiny_preset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The quick preset as small as can be (where it lies), and few rendered faces."""
    folder = tmp_path_factory.mktemp("configs")
    (folder / "presets").mkdir()
    (folder / "presets" / "quick.yaml").write_text(yaml.safe_dump(PRESET))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OVERRIDES, lambda: folder)
        patch.setattr(SIZES, FACES)
        yield folder


def suite_file(folder: Path, **record: Any) -> Path:
    file = folder / "suite.yaml"
    file.write_text(yaml.safe_dump(record))
    return file


def settings(folder: Path) -> SuiteSettings:
    return SuiteSettings(results=folder / "results", precision="32")


def plan(folder: Path, options: RunOptions = CPU, **record: Any) -> tuple[PlannedRun, ...]:
    return plan_suite(suite_file(folder, **record), settings(folder), options)


def bench(folder: Path, options: RunOptions = CPU, **record: Any) -> tuple[SuiteOutcome, str]:
    text = StringIO()
    reporter = SuiteReporter(Console(file=text, width=200))
    outcome = run_suite(suite_file(folder, **record), settings(folder), options, reporter, figures=False)
    return outcome, text.getvalue()


def states(outcome: SuiteOutcome) -> list[str]:
    return [run.state for run in outcome.runs]


def invoke(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ganzoo", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def model(tiny_preset: Path, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """One finished and scored run."""
    return experiment.run("dcgan", preset="quick", results=tmp_path_factory.mktemp("model"), options=CPU, precision="32")


@pytest.fixture
def pretended(model: RunResult, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Runs that take no time: each leaves what a finished and scored run leaves; what was run, in order."""
    made: list[str] = []

    def run(recipe: Recipe, data: str, *, seed: int, results: Path, **more: Any) -> RunResult:
        made.append(f"{recipe.name} {seed}")
        choices = ("precision", "preset", "image_size_px", "split", "score_precision", "select")
        config = experiment.run_config(recipe, data, seed, *(more[name] for name in choices))
        mark = training_fingerprint(config, model.info.data.content_hash)
        place = RunFolder.place(results, data, recipe.name, mark, seed)
        info = model.info.model_copy(update={"recipe": recipe.name, "seed": seed, "fingerprint": mark})
        place.path.mkdir(parents=True, exist_ok=True)
        place.config.write_text(yaml.safe_dump(config.model_dump(mode="json")))
        write_json(place.info, info)
        assert model.metrics is not None
        write_json(place.metrics, model.metrics)
        return RunResult(place.path, info, model.metrics)

    monkeypatch.setattr(experiment, "run", run)
    return made


# What a file may say


def test_what_an_entry_says_goes_before_what_is_said_for_all(tmp_path: Path) -> None:
    file = suite_file(
        tmp_path,
        data=["synth4", "synth7"],
        seeds=[3, 4],
        preset="quick",
        images=64,
        set={"batch_size": 4, "optimizer.lr": "1e-3"},
        recipes=["stargan", {"recipe": "dcgan", "data": "synth4", "seeds": [0], "epochs": 2, "set": ["batch_size=2"]}],
    )
    first, second = experiments(load_suite(file), tmp_path)
    assert first.data == ("synth4", "synth7") and first.seeds == (3, 4) and first.images == 64
    assert second.data == ("synth4",) and second.seeds == (0,) and second.epochs == 2 and second.images is None
    assert first.resolve().stages[0].batch_size == 4 and first.resolve().stages[0].images == 64
    resolved = second.resolve()
    assert resolved.stages[0].batch_size == 2 and resolved.stages[0].epochs == 2 and resolved.stages[0].images is None
    assert resolved.optimizer.lr == 1e-3 and resolved.generator.arguments["width"] == 4


def test_images_are_shared_by_stages_as_their_lengths(tmp_path: Path) -> None:
    record = load_recipe("dcgan").model_dump(mode="json")
    record["stages"] = [{**record["stages"][0], "epochs": 3}, {**record["stages"][0], "epochs": 1}]
    (tmp_path / "staged.yaml").write_text(yaml.safe_dump(record))
    (staged,) = experiments(load_suite(suite_file(tmp_path, images=80, recipes=["staged.yaml"])), tmp_path)
    assert [stage.images for stage in staged.resolve().stages] == [60, 20]


def test_first_seeds_come_first(tmp_path: Path) -> None:
    runs = plan(tmp_path, **TWO, seeds=[5, 6])
    assert [run.name for run in runs] == [
        "stargan on synth4, seed 5",
        "dcgan on synth4, seed 5",
        "stargan on synth4, seed 6",
        "dcgan on synth4, seed 6",
    ]
    assert [run.state() for run in runs] == ["to do"] * 4 and not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({}, "recipes: it is needed, and is missing"),
        ({"recipes": []}, "recipes: it must not be empty"),
        ({"recipes": ["dcgan"], "seed": [0]}, "unknown key 'seed'. Did you mean 'seeds'?"),
        ({"recipes": [{"recipe": "dcgan", "prest": "quick"}]}, "unknown key 'recipes.0.prest'. Did you mean 'preset'?"),
        ({"recipes": ["dcgan"], "seeds": 2}, "give a list of seeds, such as [2] or [0, 1]"),
        ({"recipes": ["dcgan"], "seeds": [-1]}, "seeds.0: must be at least 0, not -1"),
        ({"recipes": ["dcgan"], "epochs": 1, "images": 9}, "give epochs or images, not both"),
        ({"recipes": ["dcgan"], "epochs": 0}, "epochs: must be above 0, not 0"),
        ({"recipes": ["dcgna"]}, "recipes.0 (dcgna): Unknown recipe 'dcgna'. Did you mean 'dcgan'?"),
        ({"recipes": ["dcgan"], "set": {"batchsize": 4}}, "Did you mean 'batch_size'?"),
        ({"recipes": ["dcgan", "cdcgan"], "preset": "quik"}, "recipes.0 (dcgan), recipes.1 (cdcgan): Unknown preset 'quik'."),
        ({"recipes": ["dcgan"], "data": "synth5"}, "data: Unknown dataset 'synth5'. Did you mean 'synth"),
        ({"recipes": ["dcgan"], "data": "folder:nowhere"}, "nowhere"),
        ({"recipes": ["dcgan"], "set": {"generator": "cdcgan"}}, "cannot run on synth4: term 'self_reconstruction' needs"),
        ({"recipes": ["dcgan", {"recipe": "dcgan", "epochs": 3}]}, "recipes.1 (dcgan): dcgan on synth4, seed 0 is the same run"),
        ({"recipes": ["dcgan"], "seeds": [0, 0]}, "seeds: 0 stands there twice"),
    ],
)
def test_a_bad_suite_is_one_line_and_exit_code_2(
    record: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = suite_file(tmp_path, **record)
    assert invoke("bench", str(file), "--results", str(tmp_path / "results")) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"ganzoo: {file}: ") and error.count("\n") == 1 and words in error
    assert list(tmp_path.iterdir()) == [file]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(GanzooError) as caught:
        plan(tmp_path, data=["synth4", "fer5"], set={"optimizer.lr": -1}, recipes=["starganv", "dcgan", "stargan"])
    message = str(caught.value)
    assert "3 problems: (1) recipes.0 (starganv): Unknown recipe 'starganv'" in message
    assert "(2) data: Unknown dataset 'fer5'" in message
    assert "(3) recipes.1 (dcgan), recipes.2 (stargan): --set: optimizer.lr: must be above 0, not -1." in message


@pytest.mark.parametrize("text", ["- a list", "recipes: [", "\xff"])
def test_a_file_that_is_no_suite_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(GanzooError, match=r"must hold a mapping|is not valid YAML"):
        load_suite(tmp_path / "suite.yaml")
    with pytest.raises(GanzooError, match="There is no suite"):
        load_suite(tmp_path / "nowhere.yaml")


def test_the_shipped_suite_holds_every_recipe_that_translates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OVERRIDES, configs_folder)
    runs = plan_suite(Path(__file__).parent.parent / "benchmarks" / "synth4.yaml", settings(tmp_path), CPU)
    shipped = {file.stem for file in configs_folder().glob("*.yaml")}
    translating = {name for name in shipped if GENERATORS.get(load_recipe(name).generator.name).spec.takes_image}
    for seed in (0, 1):
        assert {run.config.recipe.name for run in runs if run.config.seed == seed} == translating
    assert len(runs) == 2 * len(translating) and all(run.config.preset == "quick" for run in runs)


# Working through one


def test_how_to_score_reaches_every_run(pretended: list[str], tmp_path: Path) -> None:
    on_val = replace(settings(tmp_path), split="val", score_precision="bf16")
    run_suite(suite_file(tmp_path, recipes=["stargan"]), on_val, CPU, SuiteReporter(Console(file=StringIO())), figures=False)
    (config,) = (tmp_path / "results").rglob("config.yaml")
    written = yaml.safe_load(config.read_text())
    assert pretended and (written["split"], written["score_precision"]) == ("val", "bf16")


def test_what_is_done_is_skipped_and_the_rest_run_in_order(pretended: list[str], tmp_path: Path) -> None:
    first, _ = bench(tmp_path, **TWO)
    assert pretended == ["stargan 0", "dcgan 0"] and states(first) == ["done", "done"] and not first.failed
    outcome, shown = bench(tmp_path, **TWO, seeds=[1, 0])
    assert pretended[2:] == ["stargan 1", "dcgan 1"] and states(outcome) == ["done"] * 4
    assert "4 runs: 2 done, 2 to do" in shown and "[1/4] stargan on synth4, seed 1: to do" in shown
    assert "expression" in shown and "no-edit" in shown and "All 4 runs are done." in shown
    assert bench(tmp_path, **TWO, seeds=[1, 0])[0] == outcome and len(pretended) == 4


@pytest.mark.parametrize(("finishes", "state"), [(True, "done"), (False, "elsewhere")])
def test_two_processes_share_a_suite(
    finishes: bool, state: str, pretended: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, held = experiment.run, []

    def run_beside_another(recipe: Any, data: str, **more: Any) -> RunResult:
        if recipe.name == "stargan":
            held.append(lambda: run(recipe, data, **more))
            raise InUseError("being trained by another process")
        if finishes:
            held[0]()  # what the other process does meanwhile
        return run(recipe, data, **more)

    monkeypatch.setattr(experiment, "run", run_beside_another)
    outcome, shown = bench(tmp_path, **TWO)
    assert states(outcome) == [state, "done"] and not outcome.failed and not outcome.left
    assert "[1/2] is being trained by another process; left to it" in shown
    assert ("All 2 runs are done." in shown) == finishes
    assert ("elsewhere  stargan on synth4, seed 0: another process is training it" in shown) != finishes
    record = read_json(tmp_path / "results" / "suite.suite.json", SuiteRecord)
    assert [entry.state for entry in record.runs] == [state, "done"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (GanzooError("no such\nthing"), "no such thing"),
        (DivergedError("g.total became nan in step 3."), "g.total became nan in step 3."),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
    ],
)
def test_a_failure_keeps_no_other_run_from_running(
    error: Exception, reason: str, pretended: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = experiment.run

    def run_or_fail(recipe: Any, data: str, **more: Any) -> RunResult:
        if recipe.name == "stargan":
            raise error
        return run(recipe, data, **more)

    with monkeypatch.context() as patch:
        patch.setattr(experiment, "run", run_or_fail)
        outcome, shown = bench(tmp_path, **TWO)
    assert states(outcome) == ["failed", "done"] and outcome.failed[0].message == reason
    assert f"  failed     stargan on synth4, seed 0: {reason}" in shown and "1 of 2 runs are done, 1 failed, 0 left" in shown
    record = read_json(tmp_path / "results" / "suite.suite.json", SuiteRecord)
    assert [(run.state, run.message) for run in record.runs] == [("failed", reason), ("done", None)]
    assert states(bench(tmp_path, **TWO)[0]) == ["done", "done"] and pretended == ["dcgan 0", "stargan 0"]


def test_a_failed_run_makes_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = suite_file(tmp_path, preset="quick", set={"optimizer.lr": 1e30}, recipes=["dcgan"])
    assert invoke("bench", str(file), "--results", str(tmp_path / "results"), "--device", "cpu", "--no-figures") == 1
    shown = capsys.readouterr().out
    assert "0 of 1 runs are done, 1 failed" in shown and "became" in shown
    assert invoke("bench", str(file), "--results", str(tmp_path / "results"), "--device", "cpu", "--dry-run") == 0
    assert "to do (diverged)" in capsys.readouterr().out


def test_time_is_for_all_runs_together(tmp_path: Path) -> None:
    long = {**TWO, "images": 8_000_000}
    outcome, shown = bench(tmp_path, RunOptions(device="cpu", max_minutes=0.03), **long)
    assert states(outcome) == ["to resume", "to do"] and not outcome.interrupted
    assert "The time given by --max-minutes is used up. 0 of 2 runs are done, 0 failed, 2 left" in shown
    assert "  to resume  stargan on synth4, seed 0" in shown and "The same command goes on" in shown
    assert "no-edit" in shown  # What was stopped in time is scored and compared.
    with pytest.raises(GanzooError, match="--max-minutes must be positive"):
        bench(tmp_path, RunOptions(max_minutes=0), **TWO)
    check_estimates(tmp_path, long)


def test_no_run_begins_after_the_time_is_up(pretended: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = experiment.run

    def run_slowly(*arguments: Any, **more: Any) -> RunResult:
        time.sleep(0.5)
        return run(*arguments, **more)

    monkeypatch.setattr(experiment, "run", run_slowly)
    outcome, shown = bench(tmp_path, RunOptions(device="cpu", max_minutes=0.4 / 60), **TWO)
    assert states(outcome) == ["done", "to do"] and pretended == ["stargan 0"]
    assert "The time given by --max-minutes is used up. 1 of 2 runs are done" in shown


def check_estimates(folder: Path, record: dict[str, Any]) -> None:
    """A run that began tells how long it and its other seeds take; the rest counts as the mean of what is known."""
    runs = plan(folder, **record, seeds=[0, 1])
    info = runs[0].folder.read_info()
    device, rate = info.environment.device, info.progress.images_per_second
    whole = 8_000_000 / rate + (info.evaluation_seconds or 0)
    assert runs[2].whole_seconds(device) == runs[2].seconds_left(device) == pytest.approx(whole)
    assert runs[0].seconds_left(device) == pytest.approx(whole - info.progress.images_seen / rate)
    assert runs[1].seconds_left(device) is None and runs[0].whole_seconds("another device") is None
    assert seconds_left(runs[1:], device) == pytest.approx(3 * whole) and seconds_left(runs[1:2], device) is None
    text = StringIO()
    list_suite(folder / "suite.yaml", settings(folder), CPU, SuiteReporter(Console(file=text, width=200)))
    lines = text.getvalue().splitlines()
    assert (
        "to resume" in lines[1] and "about" in lines[1] and "unknown" in lines[2] and "4 runs: 1 to resume, 3 to do" in lines[5]
    )


def test_other_lengths_are_refused_before_anything_runs(tmp_path: Path, pretended: list[str]) -> None:
    bench(tmp_path, **TWO)
    with pytest.raises(GanzooError, match=r"suite.yaml: 2 problems: .*stages.0.images: 48, now 64.*--extend.* \(2\) recipes.1"):
        plan(tmp_path, **TWO, images=64)
    with pytest.raises(GanzooError, match=r"recipes\.0 .*images: 64 and --set images=80 both say how long to train"):
        plan(tmp_path, preset="quick", recipes=["dcgan"], images=64, set={"images": 80})
    extended = plan(tmp_path, RunOptions(device="cpu", extend=True), **TWO, images=64)
    assert [run.state() for run in extended] == ["to resume"] * 2 and len(pretended) == 2


def test_a_dry_run_lists_what_is_in_conflict(
    tmp_path: Path, pretended: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    bench(tmp_path, preset="quick", recipes=["dcgan"])
    file = suite_file(tmp_path, **TWO, images=64)
    options = ("--results", str(tmp_path / "results"), "--precision", "32", "--device", "cpu")
    assert invoke("bench", str(file), "--dry-run", *options) == 2
    shown, said = capsys.readouterr()
    lines = shown.splitlines()
    assert "stargan" in lines[1] and "to do" in lines[1]
    assert "dcgan" in lines[2] and "other settings: recipe.stages.0.images: 48, now 64" in lines[2]
    assert "2 runs: 1 to do, 1 in conflict" in lines[3]
    assert said.count("\n") == 1 and "recipes.1 (dcgan)" in said and "--extend" in said
    assert invoke("bench", str(file), *options) == 2 and len(pretended) == 1


def test_scores_that_cannot_be_read_are_not_done(pretended: list[str], tmp_path: Path) -> None:
    bench(tmp_path, **TWO)
    first, _ = (run.folder for run in plan(tmp_path, **TWO))
    first.metrics.write_text('{"acc": ')
    assert [run.state() for run in plan(tmp_path, **TWO)] == ["to resume", "done"]


def test_a_record_that_is_no_file_is_in_conflict(pretended: list[str], tmp_path: Path) -> None:
    bench(tmp_path, **TWO)
    first, second = (run.folder for run in plan(tmp_path, **TWO))
    for folder in (first, second):
        folder.info.unlink()
    first.info.mkdir()
    second.info.symlink_to(second.info)
    with pytest.raises(GanzooError, match=r"(?s)run\.json: it is a folder.*run\.json: Too many levels"):
        plan(tmp_path, **TWO)


def test_ctrl_c_stops_the_present_run_and_the_suite_goes_on_later(
    model: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = TrainingLoop._log

    def log_and_wish(self: TrainingLoop, position: Any, task: Any) -> None:
        log(self, position, task)
        if position.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    record = {"preset": "quick", "recipes": ["dcgan", "dcgan-rec"]}
    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_log", log_and_wish)
        outcome, shown = bench(tmp_path, **record)
    assert outcome.interrupted and states(outcome) == ["to resume", "to do"]
    assert "Interrupted. 0 of 2 runs are done, 0 failed, 2 left" in shown and "The same command goes on" in shown

    def score_and_stop(self: Scorer, *_: Any) -> float:
        raise KeyboardInterrupt

    first = RunFolder(Path(outcome.runs[0].folder))
    assert model.metrics is not None
    write_json(first.metrics, model.metrics)  # As a stop by --max-minutes leaves them; they are not the finished generator's.
    with monkeypatch.context() as patch:
        patch.setattr(Scorer, "score", score_and_stop)
        outcome, _ = bench(tmp_path, **record)
    assert outcome.interrupted and states(outcome) == ["to resume", "to do"]
    assert first.read_info().status == "finished" and not first.metrics.exists()
    outcome, _ = bench(tmp_path, **record)
    assert states(outcome) == ["done", "done"] and first.metrics.is_file()


KILLED = f"""
import sys, torch
from pathlib import Path
import ganzoo.data.synthetic
import ganzoo.overrides
from ganzoo.benchmarking import run_suite
from ganzoo.planning import SuiteSettings
from ganzoo.registry import GENERATORS
from ganzoo.reporting import SuiteReporter
from ganzoo.session import RunOptions
suite, results, configs, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
{OVERRIDES}, {SIZES} = lambda: Path(configs), {FACES}
settings = SuiteSettings(results=Path(results), precision="32")
run_suite(suite, settings, RunOptions(device="cpu", checkpoint_seconds=0.0), SuiteReporter(quiet=True), figures=False)
"""


def test_a_kill_loses_nothing(tmp_path: Path, tiny_preset: Path) -> None:
    record = {"preset": "quick", "seeds": [0, 1], "images": 400, "recipes": ["dcgan"]}
    suite = suite_file(tmp_path, **record)
    first, second = (run.folder for run in plan_suite(suite, settings(tmp_path), CPU))
    threads = str(torch.get_num_threads())
    command = [sys.executable, "-c", KILLED, str(suite), str(tmp_path / "results"), str(tiny_preset), threads]
    kill_when(command, lambda: checkpoint_path(second).is_file())
    assert first.metrics.is_file() and second.read_info().status == "running" and not second.generator.exists()
    assert 0 < load_checkpoint(checkpoint_path(second))["position"]["step"] < 50
    kept = {file: file.read_bytes() for file in first.path.rglob("*") if file.is_file()}
    outcome, shown = bench(tmp_path, **record)
    assert "2 runs: 1 done, 1 to resume" in shown and states(outcome) == ["done", "done"]
    assert all(file.read_bytes() == content for file, content in kept.items())
    assert [run.state for run in read_json(tmp_path / "results" / "suite.suite.json", SuiteRecord).runs] == ["done", "done"]
    alone = ganzoo.run(
        "dcgan", seed=1, preset="quick", changes=["images=400"], results=tmp_path / "alone", precision="32", device="cpu"
    )
    assert RunFolder(alone.folder).generator.read_bytes() == second.generator.read_bytes()


def kill_when(command: list[str], reached: Callable[[], bool]) -> None:
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 300
    while not reached():
        assert process.poll() is None and time.monotonic() < deadline, "the suite ended before it was killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_terminal_shows_the_suite_above_the_run() -> None:
    text = StringIO()
    reporter = SuiteReporter(Console(file=text, width=120, force_terminal=True, legacy_windows=False))
    reporter.begin(2, 5, None, 600.0)
    assert reporter.seconds_left() is None
    reporter.expect(120.0)
    left = reporter.seconds_left()
    assert left is not None and 715 < left <= 720
    with reporter.task("training", 10) as task:
        task.update(4, "so and so")
    shown = text.getvalue()
    assert "suite" in shown and "2/5" in shown and "about 12 min left" in shown and "training" in shown and "so and so" in shown
