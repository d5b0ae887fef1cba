import gc
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None, derandomize=True)  # the same result on every machine, slow or not
settings.load_profile("suite")

IN_MEMORY, ROOM = Path("/dev/shm"), 4e9  # bytes


def pytest_configure(config: pytest.Config) -> None:
    """Keeps tests off the hub, and processes to a core each, of which there are about as many as tests at a time.

    Keeps compiled modules, or every process that a test starts compiles torch's anew. Tests write to memory where there
    is room: every file of a run waits for its disk, and what a kill leaves is the same there.
    """
    gc.disable()  # until all is collected, of which nothing is garbage
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if IN_MEMORY.is_dir() and _is_a_disk_like_others(IN_MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


def _is_a_disk_like_others(place: Path) -> bool:
    """Whether there is room, and what a test compiles may be loaded from there; a container's may be small and not."""
    return shutil.disk_usage(place).free > ROOM and not os.statvfs(place).f_flag & os.ST_NOEXEC


@pytest.fixture(scope="session", autouse=True)
def _voices_are_opened_once():
    """Whoever loads Piper or Kokoro in this process shares the sessions of onnxruntime, which nothing changes."""
    from voicegen.tts.kokoro import speech as kokoro
    from voicegen.tts.piper import speech as piper

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(piper, "_open", _once(piper._open, lambda path, settings: ([path], json.dumps(settings))))
        patch.setattr(kokoro, "_session", _once(kokoro._session, lambda files: (files.graph, "")))
        yield


def _once(opened, told):
    """`opened`, called once for what `told` says of its arguments: the files that are read, and what else there is."""
    kept = {}

    def once(*arguments):
        files, rest = told(*arguments)
        key = (*((file, file.stat().st_mtime_ns) for file in files), rest)
        if key not in kept:
            kept[key] = opened(*arguments)
        return kept[key]

    return once


@pytest.fixture
def memory():
    """The filesystem of `memory://`, which is empty before a test and after it."""
    import fsspec

    filesystem = fsspec.filesystem("memory")
    yield filesystem
    filesystem.store.clear()
    filesystem.pseudo_dirs[:] = [""]


def pytest_collection_finish() -> None:
    """Keeps the garbage collector off what collecting imported: torch and the like, half a second to look through."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(5_000, 10, 10)  # by the default, a look at what is new for every 700 objects
