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

TINY = ("generator.width=4", "generator.residual_blocks=1", "discriminator.width=4", "batch_size=8")


def tiny_run(results: Path, images: int, **more: Any) -> RunResult:
    sizes = (*TINY, f"images={images}")
    return ganzoo.run("stargan", "synth4", preset="quick", changes=sizes, results=results, device="cpu", precision="32", **more)


def test_a_compiled_run_says_so_keeps_it_and_goes_on_compiled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tiny_run(tmp_path, 48, compile="on", reporter=Reporter())
    assert "compile   yes: the first steps wait" in capsys.readouterr().out
    assert first.info.environment.compiled
    assert "--compile on" in reproduce(RunFolder(first.folder), first.info).command

    longer = tiny_run(tmp_path, 96, extend=True, reporter=Reporter())
    assert "compile   yes, as it was begun" in capsys.readouterr().out
    assert longer.folder == first.folder
    assert longer.info.environment.compiled
    assert longer.info.progress.images_seen == 96

    during: list[bool] = []
    seen = Reporter(quiet=True)
    monkeypatch.setattr(seen, "say", lambda text: during.append(torch.are_deterministic_algorithms_enabled()))
    plain = tiny_run(tmp_path, 144, extend=True, compile="off", deterministic=True, reporter=seen)
    assert any(during)
    assert not torch.are_deterministic_algorithms_enabled()
    assert plain.info.environment.deterministic
    assert not plain.info.environment.compiled
    again = reproduce(RunFolder(plain.folder), plain.info).command
    assert "--compile" not in again and "--deterministic" in again
