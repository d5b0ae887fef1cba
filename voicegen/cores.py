"""How many cores there are to work with, and how many of them NumPy takes."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path


def usable_cores() -> int:
    """Those that this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def numpy_on_one_core() -> AbstractContextManager[object]:
    """Keeps NumPy's products on the thread that asks for them, in this whole process, while it lasts.

    OpenBLAS has threads of its own for any product beyond some 60 by 60, and they wait for work spinning: many small
    products cost several times their work, and take cores from whoever else is at work.
    """
    from threadpoolctl import ThreadpoolController

    loaded = ThreadpoolController()
    its_own = [path for each in loaded.info() if (path := each["filepath"]) and Path(path).parent.name == "numpy.libs"]
    limited: AbstractContextManager[object] = loaded.select(filepath=its_own).limit(limits=1)
    return limited
