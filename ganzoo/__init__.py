"""ganzoo: a benchmark of conditional GANs for facial-expression synthesis.

What the command line does is a few lines here; names are imported when first used, so ``import ganzoo`` is light::

    import ganzoo

    result = ganzoo.run("stargan", data="synth4", preset="quick")
    faces = ganzoo.load_run(result.folder).translate(images, "happy")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganzoo.surroundings import amend_environment

__version__ = "0.1.0"

amend_environment()  # before any library that looks into it is imported

if TYPE_CHECKING:
    from ganzoo.catalogue import list_datasets, list_discriminators, list_generators, list_losses, list_metrics, list_recipes
    from ganzoo.config import load_recipe
    from ganzoo.data.base import load_dataset
    from ganzoo.errors import GanzooError
    from ganzoo.experiment import evaluate_run, run
    from ganzoo.models.base import create_discriminator, create_generator
    from ganzoo.saved import load_run

_HOMES = {
    "GanzooError": "ganzoo.errors",
    "create_discriminator": "ganzoo.models.base",
    "create_generator": "ganzoo.models.base",
    "evaluate_run": "ganzoo.experiment",
    "list_datasets": "ganzoo.catalogue",
    "list_discriminators": "ganzoo.catalogue",
    "list_generators": "ganzoo.catalogue",
    "list_losses": "ganzoo.catalogue",
    "list_metrics": "ganzoo.catalogue",
    "list_recipes": "ganzoo.catalogue",
    "load_dataset": "ganzoo.data.base",
    "load_recipe": "ganzoo.config",
    "load_run": "ganzoo.saved",
    "run": "ganzoo.experiment",
}

__all__ = [
    "GanzooError",
    "__version__",
    "create_discriminator",
    "create_generator",
    "evaluate_run",
    "list_datasets",
    "list_discriminators",
    "list_generators",
    "list_losses",
    "list_metrics",
    "list_recipes",
    "load_dataset",
    "load_recipe",
    "load_run",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'ganzoo' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
