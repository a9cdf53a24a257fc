"""One cache for all processes of a test session, away from the user's own, and one thread: results then depend on no machine."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from ganzoo import experiment
from ganzoo.overrides import Preset, load_preset
from ganzoo.registry import FOREIGN_PACKAGES


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent  # a worker's own place lies in the session's
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANZOO_CACHE", str(place / "cache"))
        patch.delenv("GANZOO_DATA", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Test processes run side by side; threads that wait for one another would slow all of them down."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # for the programs that tests start
        yield


@pytest.fixture(autouse=True)
def _parts_of_one_test() -> Iterator[None]:
    """Parts from elsewhere that a test loads are not in use in the next one."""
    before = set(FOREIGN_PACKAGES)
    yield
    FOREIGN_PACKAGES.intersection_update(before)


@pytest.fixture(scope="module")
def few_sources() -> Iterator[int]:
    """Runs with a preset score so many sources, a fifth of quick's: scoring takes most of a run of a few steps."""
    count = 40

    def smaller(name: str) -> Preset | None:
        preset = load_preset(name)
        return preset and preset.model_copy(update={"max_sources": count})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment, "load_preset", smaller)
        yield count
