"""What ``ganzoo check`` prints: the conformance checks of a recipe and of its networks, one line each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ganzoo.compatibility import check_terms
from ganzoo.config import Recipe
from ganzoo.errors import in_one_line, is_interrupt, one_line
from ganzoo.overrides import resolve_recipe
from ganzoo.registry import DISCRIMINATORS, GENERATORS, load_plugin_file
from ganzoo.testing import NETWORK_CHECKS, RECIPE_CHECKS


def print_checks(recipe: str, plugins: Sequence[Path] = (), changes: Sequence[str] = (), console: Console | None = None) -> bool:
    """Checks a recipe by name or file; prints a tick or the reason for each check, and says whether all passed.

    Args:
        recipe: Name or YAML file.
        plugins: Python files that register parts.
        changes: ``key=value`` changes of the recipe, as ``--set`` takes them.
        console: Where it goes; standard output where left out.

    Raises:
        GanzooError: There is no such recipe, network, setting or plugin file.
    """
    for plugin in plugins:
        load_plugin_file(plugin)
    settings = resolve_recipe(recipe, changes=changes)
    check_terms(settings)
    GENERATORS.get(settings.generator.name)
    DISCRIMINATORS.get(settings.discriminator.name)
    console = console or Console(highlight=False)
    checks, failed = list(_checks(settings)), 0
    for label, check in checks:
        reason = _reason(check)
        failed += reason is not None
        line = Text.assemble(("✓", "green") if reason is None else ("✗", "red"), f" {label}", f": {reason}" if reason else "")
        console.print(line, soft_wrap=True)
    console.print(f"{failed} of {len(checks)} checks failed." if failed else f"All {len(checks)} checks passed.")
    return not failed


def _checks(settings: Recipe) -> Iterator[tuple[str, Callable[[], None]]]:
    for name, check in NETWORK_CHECKS.items():
        yield f"generator {settings.generator.name}: {name}", partial(check, "generator", settings.generator.name)
    for name, check in NETWORK_CHECKS.items():
        yield f"discriminator {settings.discriminator.name}: {name}", partial(check, "discriminator", settings.discriminator.name)
    for name, recipe_check in RECIPE_CHECKS.items():
        yield f"recipe {settings.name}: {name}", partial(recipe_check, settings)


def _reason(check: Callable[[], None]) -> str | None:
    """Why a check fails, in one line, or None; whatever a part of somebody else's raises is a failure, not a crash."""
    try:
        check()
    except AssertionError as error:
        return one_line(str(error)) or type(error).__name__
    except BaseException as error:
        if is_interrupt(error):
            raise
        return in_one_line(error)
    return None
