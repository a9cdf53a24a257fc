"""Names of everything that can be chosen."""

from __future__ import annotations

from ganzoo.config import recipe_names
from ganzoo.registry import DATASETS, DISCRIMINATORS, GENERATORS, LOSSES, METRICS


def list_generators() -> list[str]:
    """Names for ``create_generator`` and recipes."""
    return GENERATORS.names()


def list_discriminators() -> list[str]:
    """Names for ``create_discriminator`` and recipes."""
    return DISCRIMINATORS.names()


def list_losses() -> list[str]:
    """Names of loss terms for recipes."""
    return LOSSES.names()


def list_datasets() -> list[str]:
    """Names for ``load_dataset`` and ``--data``."""
    return DATASETS.names()


def list_metrics() -> list[str]:
    """Names of metrics."""
    return METRICS.names()


def list_recipes() -> list[str]:
    """Names for ``run``."""
    return recipe_names()
