"""What a run keeps when it is interrupted, its disk is full, or its files are damaged."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ganzoo
from ganzoo.errors import GanzooError
from ganzoo.evaluation.scoring import Scorer
from ganzoo.experiment import RunResult
from ganzoo.interruption import INTERRUPTED
from ganzoo.runs.folder import RunFolder
from ganzoo.runs.tables import read_rows
from ganzoo.training.checkpoint import checkpoint_path, load_checkpoint
from ganzoo.training.loop import TrainingLoop

CHANGES = ("generator.width=4", "generator.residual_blocks=1", "discriminator.width=4", "batch_size=4", "images=32")
COLUMNS = ["step", "images", "discriminator.total", "generator.cycle"]


@pytest.fixture(autouse=True)
def _unscored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores cost seconds, and are none of what is tested here."""
    monkeypatch.setattr(Scorer, "score", lambda *_: 1.0)
    monkeypatch.setattr(Scorer, "estimate_seconds", lambda *_: 1.0)
    monkeypatch.setattr("ganzoo.session.seconds_per_step", lambda *_: 0.01)


def tiny_run(results: Path, **more: Any) -> RunResult:
    return ganzoo.run("stargan", changes=CHANGES, preset="quick", results=results, device="cpu", precision="32", **more)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a run that nothing happened to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scorer, "score", lambda *_: 1.0)
        yield tiny_run(tmp_path_factory.mktemp("results")).folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> RunFolder:
    """The same, to be damaged."""
    return RunFolder(shutil.copytree(finished, tmp_path / "copy" / finished.relative_to(finished.parents[3])))


def rows(folder: Path) -> list[dict[str, str]]:
    return read_rows(RunFolder(folder).history, COLUMNS, "step")[0]


def the_same(one: Path, other: Path) -> bool:
    return RunFolder(one).generator.read_bytes() == RunFolder(other).generator.read_bytes() and rows(one) == rows(other)


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Any) -> None:
    """Lets something happen once training has come so far."""
    show = TrainingLoop._show

    def show_and_act(self: TrainingLoop, position: Any, task: Any) -> None:
        show(self, position, task)
        if position.step == step:
            act()

    monkeypatch.setattr(TrainingLoop, "_show", show_and_act)


def stopped_at(step: int, results: Path) -> RunFolder:
    with pytest.MonkeyPatch.context() as patch:
        at_step(patch, step, lambda: os.kill(os.getpid(), signal.SIGTERM))
        result = tiny_run(results)
    assert result.info.status == "stopped" and result.info.message == INTERRUPTED
    return RunFolder(result.folder)


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\x00", b"step\n1\n2\n", None])
def test_rows_of_history_come_back_whatever_became_of_the_file(damage: bytes | None, finished: Path, tmp_path: Path) -> None:
    folder = stopped_at(4, tmp_path)
    folder.history.unlink() if damage is None else folder.history.write_bytes(damage)
    assert the_same(tiny_run(tmp_path).folder, finished)


@pytest.mark.parametrize(
    "refused", ["last.pt", "generator.safetensors", "images_000000020.png", "edit_locality.csv", "timeline.png"]
)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_refuses_is_named_and_the_same_command_goes_on(
    number: int, refused: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if Path(target).name == refused:
            raise OSError(number, os.strerror(number))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        with pytest.raises(OSError, match=f"{os.strerror(number)}: '.*{refused}'"):
            tiny_run(tmp_path)
    (place,) = tmp_path.rglob("run.json")
    info = RunFolder(place.parent).read_info()
    assert info.status == "failed" and refused in (info.message or "")
    kept = checkpoint_path(RunFolder(place.parent))
    if refused == "images_000000020.png":  # Not when a checkpoint was due: what was trained is kept all the same.
        assert load_checkpoint(kept)["position"]["images"] == 20
    assert the_same(tiny_run(tmp_path).folder, finished)


def test_an_interruption_between_steps_is_no_failure(tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as end:
        at_step(patch, 3, interrupt)
        tiny_run(tmp_path)
    (place,) = tmp_path.rglob("run.json")
    info = RunFolder(place.parent).read_info()
    assert (info.status, info.message) == ("stopped", INTERRUPTED)
    assert end.value.__notes__ == ["The same command goes on from there."]
    assert the_same(tiny_run(tmp_path).folder, finished)


@pytest.mark.parametrize("moment", ["with the last step", "while scoring"])
def test_an_interruption_after_training_leaves_a_finished_run_to_score(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> float:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if moment == "while scoring":
            patch.setattr(Scorer, "score", interrupt)
        else:
            at_step(patch, 8, lambda: os.kill(os.getpid(), signal.SIGTERM))
        tiny_run(tmp_path)
    (place,) = tmp_path.rglob("run.json")
    info = RunFolder(place.parent).read_info()
    assert (info.status, info.message) == ("finished", "interrupted while scoring")
    assert tiny_run(tmp_path).info.message is None


def test_a_killed_run_that_is_interrupted_before_it_goes_on_runs_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = stopped_at(4, tmp_path)
    folder.info.write_text(folder.info.read_text().replace('"stopped"', '"running"'))

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("ganzoo.session.create_trainer", interrupt)
        tiny_run(tmp_path)
    info = folder.read_info()
    assert (info.status, info.message) == ("stopped", INTERRUPTED)


def test_after_overwriting_another_command_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    stopped_at(4, tmp_path)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as end:
        at_step(patch, 3, interrupt)
        tiny_run(tmp_path, if_exists="overwrite")
    assert end.value.__notes__ == ["The same command without --if-exists overwrite goes on from there."]


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_flipped_bit_in_a_checkpoint_stops_the_run_that_would_go_on_from_it(tmp_path: Path) -> None:
    folder = stopped_at(4, tmp_path)
    before = folder.info.read_bytes()
    flip(checkpoint_path(folder))
    with pytest.raises(GanzooError, match=r"last\.pt is damaged: .*'--if-exists overwrite' starts the run anew\.$"):
        tiny_run(tmp_path)
    assert folder.info.read_bytes() == before
    assert tiny_run(tmp_path, if_exists="overwrite").info.status == "finished"


def test_a_flipped_bit_in_a_generator_is_noticed_and_the_same_command_makes_it_again(copied: RunFolder, finished: Path) -> None:
    flip(copied.generator)
    for use in (ganzoo.load_run, ganzoo.evaluate_run):
        with pytest.raises(GanzooError, match=r"generator\.safetensors is damaged: .*makes it again from its checkpoint\.$"):
            use(copied.path)
    assert the_same(tiny_run(copied.path.parents[3]).folder, finished)
    flip(copied.generator)
    checkpoint_path(copied).unlink()
    with pytest.raises(GanzooError, match=r"is damaged: .* It has to be trained again"):
        ganzoo.load_run(copied.path)


def test_a_run_of_an_older_version_noted_no_hashes_and_loads(copied: RunFolder) -> None:
    record = copied.read_info().model_dump(mode="json", exclude={"weights"})

    copied.info.write_text(json.dumps(record))
    assert ganzoo.load_run(copied.path).info.weights == {}


def test_overwriting_that_is_cut_off_leaves_nothing_to_go_on_from(copied: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    from ganzoo.runs.claiming import empty

    removed: list[str] = []
    monkeypatch.setattr(shutil, "rmtree", lambda path: removed.append(Path(path).name))
    monkeypatch.setattr(Path, "unlink", lambda path, **_: removed.append(path.name))
    empty(copied)
    assert removed[:2] == ["checkpoints", "run.json"] and ".lock" not in removed
