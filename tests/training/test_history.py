"""Losses are averaged between rows, and the file survives a kill."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganzoo.errors import DivergedError
from ganzoo.runs.tables import read_rows
from ganzoo.training.history import History, LossBuffer, StepLosses, loss_columns


def losses(step: int, *values: float) -> StepLosses:
    return StepLosses(step, ("generator.adversarial", "generator.cycle"), torch.tensor(values), (1.0, 10.0))


def test_a_row_holds_means_weighted_values_and_the_total() -> None:
    buffer = LossBuffer()
    buffer.add(losses(0, 1.0, 0.2))
    buffer.add(losses(1, 3.0, 0.4))
    buffer.fetch()
    assert buffer.row() == pytest.approx(
        {
            "generator.adversarial": 2.0,
            "generator.adversarial.weighted": 2.0,
            "generator.cycle": 0.3,
            "generator.cycle.weighted": 3.0,
            "generator.total": 5.0,
        }
    )
    assert buffer.row() == {}


def test_not_finite_is_reported_with_its_step() -> None:
    buffer = LossBuffer()
    buffer.add(losses(0, 1.0, 1.0))
    buffer.add(losses(1, 1.0, float("nan")))
    with pytest.raises(DivergedError, match=r"generator\.cycle became nan in step 1"):
        buffer.fetch()


def test_columns_name_phase_and_term() -> None:
    assert loss_columns([("discriminator", ["adversarial"])]) == [
        "discriminator.adversarial",
        "discriminator.adversarial.weighted",
        "discriminator.total",
    ]


def steps(path: Path) -> list[str]:
    return [row["step"] for row in read_rows(path, ["step"], "step")[0]]


def three_rows(folder: Path) -> History:
    history = History(folder / "history.csv", ["generator.total"])
    history.start(after_step=0)
    for step in (10, 20, 30):
        history.append({"step": step, "epoch": 0.1, "images": 8 * step, "generator.total": 1.5})
    return history


def test_going_on_keeps_rows_up_to_the_checkpoint(tmp_path: Path) -> None:
    history = three_rows(tmp_path)
    with open(history.path, "a") as file:
        file.write("40,0.4,32")  # A kill in the middle of a line.
    assert history.start(after_step=20) is None
    assert steps(history.path) == ["10", "20"]
    history.append({"step": 30, "epoch": 0.3, "images": 240, "generator.total": 0.5})
    rows, _ = read_rows(history.path, history.columns, "step")
    assert [row["generator.total"] for row in rows] == ["1.5", "1.5", "0.5"]


def test_starting_anew_forgets_old_rows(tmp_path: Path) -> None:
    history = three_rows(tmp_path)
    history.start(0)
    assert steps(history.path) == []


@pytest.mark.parametrize("fails", ["os.replace", "os.fsync", "pathlib.Path.write_text"])
def test_going_on_loses_no_row_wherever_it_is_cut_off(fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = three_rows(tmp_path)
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(fails, lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                History(history.path, ["generator.total"]).start(after_step=30)
        assert steps(history.path) == ["10", "20", "30"] and list(tmp_path.iterdir()) == [history.path]


def test_rows_of_the_checkpoint_replace_a_damaged_file_to_the_byte(tmp_path: Path) -> None:
    history = three_rows(tmp_path)
    whole, kept = history.path.read_bytes(), history.text
    for damage in (b"", b"\xff\xfe" + whole, whole[:40], whole.replace(b"10,", b"\xff,"), whole.replace(b"step", b"stop")):
        history.path.write_bytes(damage)
        again = History(history.path, ["generator.total"])
        assert again.start(30, kept) is None and history.path.read_bytes() == whole and again.text == kept


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        ((b"20,", b"2\xff,"), ["10", "30"]),
        ((b"20,0.1", b"20"), ["10", "30"]),
        ((b"20,", b"-20,"), ["10", "30"]),
        ((b"20,", b"9" * 5000 + b","), ["10", "30"]),
        ((b"20,", b'"20,'), ["10", "30"]),
        ((b"step,", b"stop,"), []),
        ((b"step,", b"\x00,"), []),
    ],
)
def test_without_them_the_readable_rows_are_kept_and_the_damage_told(
    damage: tuple[bytes, bytes], left: list[str], tmp_path: Path
) -> None:
    history = three_rows(tmp_path)
    history.path.write_bytes(history.path.read_bytes().replace(*damage))
    problem = history.start(after_step=30)
    assert problem is not None and "history.csv is damaged: " in problem and "\n" not in problem
    assert steps(history.path) == left and read_rows(history.path, history.columns, "step")[1] is None


def test_a_row_that_the_disk_refuses_is_kept_for_the_checkpoint(tmp_path: Path) -> None:
    history = three_rows(tmp_path)
    history.path.unlink()
    history.path.mkdir()
    with pytest.raises(OSError, match=r"history\.csv"):
        history.append({"step": 40})
    assert history.text.splitlines()[-1].startswith("40,")
