"""Losses are averaged between rows, and the file survives a kill."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganzoo.errors import DivergedError
from ganzoo.training.history import History, LossBuffer, StepLosses, loss_columns, read_history


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


def test_going_on_keeps_rows_up_to_the_checkpoint(tmp_path: Path) -> None:
    history = History(tmp_path / "history.csv", ["generator.total"])
    history.start(after_step=0)
    for step in (10, 20, 30):
        history.append({"step": step, "epoch": 0.1, "images": 8 * step, "generator.total": 1.5})
    with open(history.path, "a") as file:
        file.write("40,0.4,32")  # A kill in the middle of a line.
    history.start(after_step=20)
    assert [row["step"] for row in read_history(history.path)] == ["10", "20"]
    history.append({"step": 30, "epoch": 0.3, "images": 240, "generator.total": 0.5})
    assert [row["generator.total"] for row in read_history(history.path)] == ["1.5", "1.5", "0.5"]


def test_starting_anew_forgets_old_rows(tmp_path: Path) -> None:
    history = History(tmp_path / "history.csv", [])
    history.start(0)
    history.append({"step": 1, "epoch": 0.0, "images": 8})
    history.start(0)
    assert read_history(history.path) == []
