"""A whole run that is compiled, and goes on so; and one with algorithms that always give the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import ganzoo
from ganzoo.reporting import Reporter
from ganzoo.reproduction import reproduce
from ganzoo.runs.folder import RunFolder
from ganzoo.session import RunResult
from ganzoo.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("few_sources")
TINY = ("generator.width=4", "generator.residual_blocks=1", "discriminator.width=4", "batch_size=8")


def tiny_run(results: Path, images: int, **more: Any) -> RunResult:
    sizes = (*TINY, f"images={images}")
    return ganzoo.run("stargan", "synth4", preset="quick", changes=sizes, results=results, device="cpu", precision="32", **more)


def test_a_compiled_run_says_so_keeps_it_and_goes_on_compiled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = tiny_run(tmp_path, 48, compile="on", reporter=Reporter())
    assert "compile   yes: the first steps wait" in capsys.readouterr().out
    assert first.info.environment.compiled
    assert "--compile on" in reproduce(RunFolder(first.folder), first.info).command

    longer = tiny_run(tmp_path, 96, extend=True, reporter=Reporter())
    assert "compile   yes, as before" in capsys.readouterr().out
    assert longer.folder == first.folder
    assert longer.info.environment.compiled
    assert longer.info.progress.images_seen == 96

    plain = tiny_run(tmp_path, 144, extend=True, compile="off", reporter=Reporter())
    assert "no; the run was compiled before, and ends in other bits so" in " ".join(capsys.readouterr().out.split())
    assert plain.info.environment.compiled, "a part of it was"


def test_a_run_keeps_to_deterministic_algorithms_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = tiny_run(tmp_path, 16, deterministic=True, reporter=Reporter())
    assert "precision 32, deterministic algorithms" in capsys.readouterr().out
    assert first.info.environment.deterministic
    assert "--deterministic" in reproduce(RunFolder(first.folder), first.info).command
    longer = tiny_run(tmp_path, 32, extend=True, reporter=Reporter())
    assert "deterministic algorithms" in capsys.readouterr().out
    assert longer.info.environment.deterministic
    assert not torch.are_deterministic_algorithms_enabled()

    begun_without = tiny_run(tmp_path / "other", 16)
    assert not begun_without.info.environment.deterministic
    late = tiny_run(tmp_path / "other", 32, extend=True, deterministic=True)
    assert not late.info.environment.deterministic, "its first part was without"


def test_a_run_tells_once_why_steps_are_not_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "refused", property(lambda trainer: "term.py:3 reads a value back"))
    tiny_run(tmp_path, 64, reporter=Reporter())
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("Some steps are carried out one by one, more slowly: term.py:3 reads a value back.") == 1
