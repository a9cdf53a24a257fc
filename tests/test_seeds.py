"""Several seeds of one experiment from one command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from ganzoo import experiment
from ganzoo.cli import main
from ganzoo.errors import DivergedError, GanzooError
from ganzoo.reporting import Reporter
from ganzoo.runs.folder import RunFolder, write_json
from ganzoo.runs.schema import DataFacts, Environment, MetricsFile, RunInfo
from ganzoo.seeds import chosen_seeds, run_seeds
from ganzoo.session import RunOptions, RunResult

QUIET = Reporter(quiet=True)
INFO = RunInfo(
    recipe="stargan",
    fingerprint="f",
    seed=0,
    status="finished",
    started="2025-01-01",
    data=DataFacts(name="synth4", content_hash="c", class_names=[], counts={}),
    environment=Environment(ganzoo="0", python="3", packages={}, device="CPU", precision="32", threads=1, command="python"),
    evaluation_seconds=6.0,
)


@pytest.mark.parametrize(
    ("seeds", "named", "wanted"), [(None, [], [0]), (3, [], [0, 1, 2]), (None, [4, 2], [4, 2]), (None, [1, 1], [1])]
)
def test_which_seeds_are_asked_for(seeds: int | None, named: list[int], wanted: list[int]) -> None:
    assert chosen_seeds(seeds, named) == wanted


def test_a_number_of_seeds_and_seeds_by_name_are_refused(fates: Any, command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    runs = fates()
    with pytest.raises(GanzooError, match="--seeds 5 for seeds 0 to 4, or --seed once for each"):
        chosen_seeds(5, [7])
    assert command("--seeds", "5", "--seed", "7") == 2
    assert capsys.readouterr().err.count("\n") == 1 and runs.begun == []


def test_several_seeds_are_shown_in_one_table(fates: Any, command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    runs = fates()
    assert command("--seeds", "3") == 0
    shown = capsys.readouterr().out
    assert runs.begun == [0, 1, 2] and shown.count("(n = 3)") == 1
    assert f"Results are in {runs.place}" in shown


def test_a_seed_that_diverged_is_named_at_the_end(fates: Any, command: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fates(seed_1="diverges")
    assert command("--seeds", "3") == 1
    shown = capsys.readouterr().out
    assert "(n = 2)" in shown and shown.endswith("Diverged: seed 1.\n")


class _Runs:
    """Stands in for training: what becomes of each seed is known."""

    def __init__(self, place: Path, **fates: Any) -> None:
        self.begun: list[int] = []
        self.limits: list[float | None] = []
        self.place, self.fates = place, fates

    def __call__(self, recipe: str, data: str, *, seed: int, options: RunOptions, **settings: Any) -> RunResult:
        self.begun.append(seed)
        self.limits.append(options.max_minutes)
        fate = self.fates.get(f"seed_{seed}", {})
        if fate == "diverges":
            raise DivergedError("The loss became nan in step 7.")
        folder, info = RunFolder(self.place / f"seed_{seed}"), INFO.model_copy(update={"seed": seed, **fate})
        metrics = MetricsFile(protocol={}, fingerprint="e", metrics={"acc": 0.5})
        write_json(folder.info, info)
        write_json(folder.metrics, metrics)
        return RunResult(folder.path, info, metrics)


@pytest.fixture
def fates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(**fates: Any) -> _Runs:
        runs = _Runs(tmp_path, **fates)
        monkeypatch.setattr(experiment, "run", runs)
        return runs

    return make


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Any:
    def invoke(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["ganzoo", "run", "stargan", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0)

    return invoke


def _run(seeds: list[int], **options: Any) -> Any:
    return run_seeds(seeds, "stargan", "synth4", options=RunOptions(**options), reporter=QUIET)


def test_a_seed_that_diverges_does_not_keep_the_others_from_running(fates: Any) -> None:
    runs = fates(seed_1="diverges")
    outcome = _run([0, 1, 2])
    assert runs.begun == [0, 1, 2] and len(outcome.results) == 2 and outcome.left == []
    assert outcome.diverged == {1: "The loss became nan in step 7."}


def test_a_single_seed_that_diverges_is_an_error(fates: Any) -> None:
    fates(seed_0="diverges")
    with pytest.raises(DivergedError):
        _run([0])


def test_ctrl_c_ends_all_seeds(fates: Any) -> None:
    runs = fates(seed_1={"status": "stopped", "message": "interrupted"})
    outcome = _run([0, 1, 2])
    assert runs.begun == [0, 1] and outcome.interrupted and outcome.left == [1, 2]


def test_the_time_is_for_all_seeds_together(fates: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0, 0, 60, 60, 120, 120])
    monkeypatch.setattr("ganzoo.seeds.time.monotonic", lambda: float(next(clock)))
    runs = fates()
    outcome = _run([0, 1, 2], max_minutes=2.1)  # After two minutes, six seconds are left: as long as scoring takes.
    assert runs.begun == [0, 1] and outcome.left == [2]
    assert runs.limits == pytest.approx([2.1, 1.1])


def test_a_seed_stopped_by_the_time_limit_is_the_last(fates: Any) -> None:
    runs = fates(seed_0={"status": "stopped", "message": "--max-minutes 1"})
    outcome = _run([0, 1], max_minutes=10.0)
    assert runs.begun == [0] and outcome.left == [0, 1] and not outcome.interrupted


def test_skipping_what_is_there_goes_on_past_an_interrupted_seed(fates: Any) -> None:
    runs = fates(seed_0={"status": "stopped", "message": "interrupted"})
    outcome = _run([0, 1], if_exists="skip")
    assert runs.begun == [0, 1] and not outcome.interrupted
