"""Which cores and which GPU are a worker's own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence


def visible_gpus() -> Sequence[str]:
    """The CUDA GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them; loads no library for that."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip()]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    listed = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False)
    return re.findall(r"^GPU \d+:.*\(UUID: (GPU-[\w-]+)\)", listed.stdout, re.MULTILINE)


def cores_of(worker: int, workers: int) -> set[int] | None:
    """The cores of one of so many workers: as many for each; None where there are too few, or none can be chosen."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    each = len(cores) // workers
    return set(cores[worker * each : (worker + 1) * each]) or None
