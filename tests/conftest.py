"""One cache for the whole test session, away from the user's own, and one thread: results then depend on no machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from ganzoo.registry import FOREIGN_PACKAGES


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
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
