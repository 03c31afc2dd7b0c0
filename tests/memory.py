"""A place for files that need not outlive the machine's power."""

import os
import shutil
from pathlib import Path

_SHARED_MEMORY = Path("/dev/shm")
_ROOM = 1_000_000_000  # bytes


def folder_in_memory() -> Path | None:
    """Where files are in memory, if there is room and they may be run, which containers often forbid."""
    if not _SHARED_MEMORY.is_dir() or os.statvfs(_SHARED_MEMORY).f_flag & os.ST_NOEXEC:
        return None
    return _SHARED_MEMORY if shutil.disk_usage(_SHARED_MEMORY).free > _ROOM else None
