"""What a user sees while a command works."""

from __future__ import annotations

import builtins
import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ganzoo.errors import GanzooError
from ganzoo.loggers import create_logger
from ganzoo.reporting import Reporter


def test_counts_and_time_left_stay_whole_on_a_narrow_terminal() -> None:
    out = io.StringIO()
    with Reporter(Console(file=out, width=80, force_terminal=True)).task("training", 2750) as task:
        task.update(500, "107 images/s  discriminator -0.253  generator 1.314")
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
    assert re.search(r" 500/2750 (-:--:--|\d:\d\d:\d\d) 107 images/s", shown)


def test_a_logger_without_its_library_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def missing(name: str, *more: Any) -> Any:
        if "loggers.tensorboard" in name:
            raise ImportError("two\nlines")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(GanzooError, match=r"pip install 'ganzoo\[tensorboard\]'\.$") as told:
        create_logger("tensorboard", tmp_path)
    assert "\n" not in str(told.value)
