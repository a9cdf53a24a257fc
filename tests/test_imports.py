"""Which module may import which, and what ``import ganzoo`` must not cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ganzoo"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("torch", "torchvision", "numpy", "pandas", "matplotlib", "scipy", "timm", "lightning_fabric")

# What a part of the package may import of ganzoo, beside itself and ganzoo.errors. Parts that compose others (experiment,
# scoring of a run, saved runs, listing, the command line) are at the right end and not restricted here.
MAY_IMPORT = {
    "errors": (),
    "interruption": (),
    "surroundings": (),
    "reading": (),
    "tensor_files": (),
    "validation": (),
    "faults": ("registry",),
    "registry": ("surroundings",),
    "runs": ("reading",),
    "config": ("surroundings", "reading", "validation", "runs", "registry"),
    "data": ("surroundings", "registry", "runs", "config"),
    "models": ("registry", "runs", "config"),
    "losses": ("surroundings", "tensor_files", "registry", "runs", "config"),
    "compatibility": ("faults", "config", "registry", "models", "losses", "data"),
    "overrides": ("reading", "config", "registry"),
    "reproduction": ("reading", "runs", "config", "overrides"),
    "suite": ("reading", "config", "overrides"),
    "training": ("registry", "runs", "config", "data", "models", "losses", "reporting", "interruption", "fonts"),
    "evaluation": ("tensor_files", "registry", "runs", "config", "data", "models", "losses", "reporting"),
    "compare": ("reading", "runs", "reproduction", "fonts"),
    "reporting": (),
    "fonts": (),
}
NAMED_PARTS = ("stargan", "dcgan", "cdcgan", "patch_classifier", "synthetic", "fer", "adversarial", "penalties")


def _imports(file: Path) -> Iterator[str]:
    """Modules that a file imports when it runs, as dotted names; what stands under ``if TYPE_CHECKING`` does not run."""
    waiting: list[ast.AST] = [ast.parse(file.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively; write the full name"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def _part(module: str) -> str:
    """``models`` for ``ganzoo.models.base.Generator``; empty for ``ganzoo`` itself."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_imports_run_from_left_to_right(file: Path) -> None:
    part = file.relative_to(PACKAGE).with_suffix("").parts[0]
    if part not in MAY_IMPORT:
        assert part not in ("data", "models", "losses", "training", "evaluation", "compare", "runs")
        return
    allowed = {part, "errors", "__version__", "", *MAY_IMPORT[part]}
    wrong = [name for name in _imports(file) if name.split(".")[0] == "ganzoo" and _part(name) not in allowed]
    assert not wrong, f"{part} may import {', '.join(sorted(allowed - {''}))}"


def test_what_is_not_restricted_is_at_the_right_end() -> None:
    tops = {file.relative_to(PACKAGE).with_suffix("").parts[0] for file in MODULES}
    composing = {
        "__init__",
        "__main__",
        "benchmarking",
        "catalogue",
        "checking",
        "cli",
        "devices",
        "experiment",
        "given_faces",
        "header",
        "listing",
        "loggers",
        "planned",
        "planning",
        "profiling",
        "rehearsal",
        "saved",
        "seeds",
        "session",
        "testing",
    }
    assert tops - MAY_IMPORT.keys() <= composing


def test_an_import_against_the_direction_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from ganzoo.cli import app\n"
        "def f():\n    from ganzoo.training.trainer import Trainer\n"
        "import ganzoo.models.base\n"
    )
    assert sorted(name for name in _imports(file) if name.startswith("ganzoo")) == [
        "ganzoo.models.base",
        "ganzoo.training.trainer.Trainer",
    ]


@pytest.mark.parametrize("file", sorted((PACKAGE / "compare").rglob("*.py")), ids=lambda file: file.name)
def test_compare_never_imports_torch(file: Path) -> None:
    assert not [name for name in _imports(file) if name.split(".")[0] in ("torch", "torchvision", "lightning_fabric")]


@pytest.mark.parametrize("part", ["training", "evaluation"])
def test_trainer_and_evaluator_name_no_concrete_part(part: str) -> None:
    for file in (PACKAGE / part).glob("*.py"):
        wrong = [
            name
            for name in _imports(file)
            if _part(name) in ("models", "losses", "data") and set(name.split(".")[2:3]) & set(NAMED_PARTS)
        ]
        assert not wrong, file
        constants = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}
        named = constants & {"stargan", "dcgan", "cdcgan", "patch_classifier", "fer4", "fer7", "synth4", "synth7"}
        assert not named, f"{file} names {named}"


@pytest.mark.parametrize(
    "statement",
    [
        "import ganzoo",
        "import sys, ganzoo.cli; sys.argv = ['ganzoo', '--help']\ntry: ganzoo.cli.app()\nexcept SystemExit: pass",
        "import sys, ganzoo.cli; sys.argv = ['ganzoo', 'run', '--help']\ntry: ganzoo.cli.app()\nexcept SystemExit: pass",
    ],
    ids=["import", "help", "run-help"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(statement: str) -> None:
    code = f"{statement}\nimport sys\nprint('|', *sorted({{name.split('.')[0] for name in sys.modules}}))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True).stdout
    loaded = output.rpartition("|")[2].split()
    assert "ganzoo" in loaded
    assert not set(loaded) & set(HEAVY)


def test_listing_names_imports_no_torch() -> None:
    code = "import sys; from ganzoo.listing import print_parts; print_parts(None, ()); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=False)
    assert done.returncode == 0, done.stderr
    assert "stargan" in done.stdout
