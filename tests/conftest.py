import gc
import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None, derandomize=True)  # the same result on every machine, slow or not
settings.load_profile("suite")

IN_MEMORY, ROOM = Path("/dev/shm"), 4e9  # bytes; all tests at work hold less than half of that


def pytest_configure(config: pytest.Config) -> None:
    """Keeps tests off the hub, and processes to a core each, of which there are about as many as tests at a time.

    Keeps compiled modules, or every process that a test starts compiles torch's anew. Tests write to memory where there
    is room: every file of a run waits for its disk, and what a kill leaves is the same there.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


def pytest_collection_finish() -> None:
    """Keeps the garbage collector off what collecting imported: torch and the like, half a second to look through."""
    gc.collect()
    gc.freeze()
