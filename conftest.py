"""Before all tests: their temporary folders are put in memory, where there is room."""

import os

from tests.memory import folder_in_memory


def pytest_configure() -> None:
    # SQLite waits for the disk at each commit, and a busy machine's disk takes seconds. Workers inherit it.
    folder = folder_in_memory()
    if folder is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder))
