"""What is found around the program does not stop it: character sets, no home, no name, a notebook's way to draw."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ganzoo import surroundings

TEXT = "96 × 96 – ✓ ✗ ◆ † ± → é ─ │ 日本 … \ud800"


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "cp932", "ascii", "latin-1", "utf-8"])
def test_every_character_can_be_written_everywhere(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(kept, encoding=encoding))
    surroundings.write_all_characters()
    print(TEXT)
    sys.stdout.flush()
    said = kept.getvalue().decode(encoding)
    assert "96" in said and "?" in said
    if encoding == "ascii":
        assert said.strip() == "96 x 96 - ok x * + +- -> e - | ?? ... ?"


def test_a_notebooks_way_to_draw_is_let_go_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://no_such_package.backend_inline")
    surroundings.amend_environment()
    assert os.environ["MPLBACKEND"] == "agg"
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib.backends.backend_svg")
    surroundings.amend_environment()
    assert os.environ["MPLBACKEND"] == "module://matplotlib.backends.backend_svg"


def test_without_a_home_and_a_name_there_are_makeshift_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "_has_home", lambda: False)
    monkeypatch.setattr(surroundings, "_has_name", lambda: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("HOME", "USER"):
        monkeypatch.setenv(name, "")
    surroundings.amend_environment()
    home = Path(os.environ["HOME"])
    assert home.parent == tmp_path and home.stat().st_mode & 0o777 == 0o700 and os.environ["USER"]
    surroundings.amend_environment()
    assert Path(os.environ["HOME"]) == home
    home.chmod(0o777)  # Others may write there: it is not trusted.
    surroundings.amend_environment()
    assert Path(os.environ["HOME"]) != home


@pytest.mark.skipif(not hasattr(os, "setuid") or os.name == "nt" or os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_user_who_stands_in_no_list_can_ask(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    script = (
        "import os; os.setgid(12345); os.setuid(12345)\n"
        "import ganzoo.surroundings as s, getpass, pathlib\n"
        "s.amend_environment(); print(getpass.getuser(), pathlib.Path.home())"
    )
    # The package is imported as the user who may read it; then the user changes.
    script = "import ganzoo\n" + script
    found = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(("user12345 ", "root "))
