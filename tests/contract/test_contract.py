"""Every registered network and every recipe keeps the contract; what is registered is covered, and what is not fails."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest

import ganzoo.models
from ganzoo.config import load_recipe, recipe_names
from ganzoo.registry import DISCRIMINATORS, GENERATORS, Registry
from ganzoo.testing import NETWORK_CHECKS, RECIPE_CHECKS

NETWORKS = [("generator", name) for name in GENERATORS.names()] + [("discriminator", name) for name in DISCRIMINATORS.names()]
RECIPES = recipe_names()


@pytest.mark.parametrize("check", NETWORK_CHECKS.values(), ids=[name.replace(" ", "-") for name in NETWORK_CHECKS])
@pytest.mark.parametrize(("kind", "name"), NETWORKS)
def test_a_network_keeps_the_contract(kind: Any, name: str, check: Any) -> None:
    check(kind, name)


@pytest.mark.parametrize("check", RECIPE_CHECKS.values(), ids=[name.replace(" ", "-") for name in RECIPE_CHECKS])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_keeps_the_contract(recipe: str, check: Any) -> None:
    check(recipe)


@pytest.mark.parametrize(("kind", "registry"), [("generator", GENERATORS), ("discriminator", DISCRIMINATORS)])
def test_every_network_of_a_model_file_is_built_in_and_covered(kind: str, registry: Registry[Any]) -> None:
    for module in pkgutil.iter_modules(ganzoo.models.__path__, "ganzoo.models."):
        importlib.import_module(module.name)
    ours = {name for name in registry.names() if registry.origin(name).split(".")[0] == "ganzoo"}
    assert {name for name in ours if registry.origin(name) != "ganzoo"} == set(), "registered, but not named in the registry"
    assert ours <= {name for covered, name in NETWORKS if covered == kind}


def test_every_network_stands_in_a_recipe() -> None:
    used = [load_recipe(name) for name in RECIPES]
    assert {name for kind, name in NETWORKS if kind == "generator"} <= {recipe.generator.name for recipe in used}
    assert {name for kind, name in NETWORKS if kind == "discriminator"} <= {recipe.discriminator.name for recipe in used}
