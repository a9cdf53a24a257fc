"""Where a run's numbers come from: versions, commit, plugins, data."""

from __future__ import annotations

import hashlib
import inspect
import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import ganzoo

PACKAGES = ("torch", "torchvision", "torchmetrics", "torch-fidelity", "lightning-fabric", "timm", "numpy")


def package_versions() -> dict[str, str]:
    """Versions of the libraries that can move a number."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_commit() -> str | None:
    """Commit of the checkout the package runs from, ``+dirty`` where files differ; None when it is installed."""
    root = Path(ganzoo.__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return f"{commit}+dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def plugin_hashes(parts: Iterable[object]) -> dict[str, str]:
    """SHA-256 of the source file of every part that is not ganzoo's own, by its module."""
    hashes: dict[str, str] = {}
    for part in parts:
        module = inspect.getmodule(part)
        name = module.__name__ if module else ""
        if module is None or name.split(".")[0] == "ganzoo":
            continue
        source = inspect.getsourcefile(module)
        if source:
            hashes[name] = hashlib.sha256(Path(source).read_bytes()).hexdigest()
    return hashes


def python_version() -> str:
    """Version of the interpreter."""
    return platform.python_version()


def command_line() -> str:
    """The command as typed, where it was ganzoo's; ``python`` otherwise."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    return " ".join(["ganzoo", *sys.argv[1:]]) if program in ("ganzoo", "__main__.py") else "python"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
