"""For all tests: patience, temporary folders in memory where there is room, and no connection left open."""

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.memory import folder_in_memory

# What a case takes is up to the machine, which may stand still in its midst.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure() -> None:
    # SQLite waits for the disk at each commit, and a busy machine's disk takes seconds. Workers inherit it.
    folder = folder_in_memory()
    if folder is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))


def pytest_collection_finish() -> None:
    # The tests themselves stay to the end; to look through them all after each module takes a second.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    """Fail the module that leaves something open, and not whichever test the garbage is collected in."""
    yield
    gc.collect()
