"""The runs that faults are planted in: how they go, where they lie, and what they are when nothing is planted."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from tests.faults.chat_server import PATIENCE, WORDS, FaultyChat
from tests.faults.invariants import Broken, check_record
from tests.faults.plan import KINDS, ROOM, ROW, SERVED, Course, Fault
from tests.faults.process import Planted
from tests.faults.ray_nodes import Nodes
from tests.faults.store_server import PROCESS, FaultyStore, fetch, put, remove
from tests.faults.workers import FAULT, environment_of_workers, was_had
from tests.faults.workers import plant as plant_in_workers
from tests.openai_server import serving
from tests.product import manifest_rows, questions_csv, run_module
from tests.s3_server import BUCKET, s3_server

ROWS: Final = 24
_RUN: Final = ("run", "preset=fake", "tts.duration=0.05", "executor.queue_size=4")
_HERE: Final = ("questions.path=q.csv",)
_FEW: Final = ("questions.limit=12",)
_AT_STORE: Final = ("questions.path=s3://bucket/q.csv", "questions.limit=8")
_WORKERS: Final = ("executor.workers=2",)
_SOON: Final = ("executor.row_timeout_seconds=5",)  # where a worker is to hang
_WORDS: Final[Mapping[Course, tuple[str, ...]]] = MappingProxyType(
    {
        "here": (*_RUN, *_HERE),
        "chat": (*_RUN, *_HERE, *WORDS, *PATIENCE),
        "store": (*_RUN, *_AT_STORE),
        "workers": (*_RUN, *_HERE, *_FEW, *_WORKERS, *_SOON),
        "workers at a store": (*_RUN, *_AT_STORE, *_WORKERS),
        "ray": (*_RUN, *_HERE, *_FEW, "executor=ray", *_WORKERS, *_SOON),
    }
)
_LONGEST: Final = 300.0  # seconds of a run; one that takes longer hangs


@dataclass(frozen=True, slots=True)
class Ground:
    """How runs of a course go: the command but for their folder, an unbroken one, and how often it made each call.

    Attributes:
        url: what a run's name follows where runs lie in a store.
    """

    words: tuple[str, ...]
    unbroken: Path
    rows: int
    counts: Mapping[str, int]
    url: str = ""


class Bench:
    """Unbroken and broken runs over the same questions, in a folder of their own, as a context manager.

    Args:
        folder: an empty one.
        container: of the audio.

    Attributes:
        kept: what a run with a fault leaves beside it.
    """

    def __init__(self, folder: Path, container: str = "wav") -> None:
        self.folder = folder
        self._container = (f"audio.container={container}", "audio.shard_mb=0.008")  # some three rows
        self.kept = folder / "kept"
        self._counts = folder / "counts.json"
        self._work = ExitStack()
        self._chat = FaultyChat()
        self._store = FaultyStore(self.kept / PROCESS)
        self._served: Mapping[str, int] = {}
        self._grounds: dict[Course, Ground] = {}
        questions_csv(folder / "q.csv", ROWS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._plant(None)
        self._work.close()

    def ground(self, kind: str) -> Ground:
        """The one that faults of a kind are planted in."""
        course = KINDS[kind].course
        if course not in self._grounds:
            self._grounds[course] = self._prepared(course)
        return self._grounds[course]

    def _prepared(self, course: Course) -> Ground:
        words, url = (*_WORDS[course], *self._container), ""
        if course == "chat":
            words = (*words, f"chat.base_url={self._chat_url}")
        if "store" in course:
            url = self._bucket
        if course == "ray":
            _ = self._nodes
        name = f"unbroken-{course.replace(' ', '-')}"
        done, _ = self.run(None, f"{url}{name}", words)
        if done.returncode:
            raise Broken(f"the unbroken run: exit code {done.returncode}, {done.stderr}")
        run = self.files(url, name)
        check_record(run)
        room = sum(-(-path.stat().st_size // 4096) * 4 for path in run.rglob("*"))
        rows = len(manifest_rows(run))
        counts = {**self._counted(), **dict.fromkeys(ROW, rows), **self._served, ROOM: room}
        return Ground(words, run, rows, counts, url)

    @cached_property
    def _chat_url(self) -> str:
        return self._work.enter_context(serving(self._chat)).base_url

    @cached_property
    def _bucket(self) -> str:
        server = self._work.enter_context(s3_server())
        server.answer = self._store
        put(self.folder / "q.csv", f"{BUCKET}/q.csv")
        return f"s3://{BUCKET}/"

    @cached_property
    def _nodes(self) -> Nodes:
        return self._work.enter_context(closing(Nodes(environment_of_workers(self.kept))))

    def run(
        self, fault: Fault | None, place: str, words: tuple[str, ...], defect: str | None = None
    ) -> tuple[subprocess.CompletedProcess[str], bool]:
        """Has a run at a place, a folder's name or a URL, with a fault in it.

        Returns:
            The finished process, and whether it had the fault.

        Raises:
            Broken: it hangs.
        """
        self._counts.unlink(missing_ok=True)
        shutil.rmtree(self.kept, ignore_errors=True)
        self.kept.mkdir()
        self._plant(fault)
        planted = Planted(fault if fault and fault.call else None, str(self._counts), str(self.kept), defect)
        words = (planted.to_word(), str(self.folder / place), *words, f"output_dir={place}")
        try:
            done = run_module("tests.faults.process", *words, cwd=self.folder, timeout=_LONGEST)
            self._served = self._chat.requests + self._store.requests
            return done, fault is not None and self._was_had(fault, done)
        except subprocess.TimeoutExpired:
            raise Broken(f"the run hangs, after {_LONGEST:g} s") from None
        finally:
            self._plant(None)

    def _plant(self, fault: Fault | None) -> None:
        if fault is None:
            (self.kept / FAULT).unlink(missing_ok=True)
        elif fault.call in ROW:
            plant_in_workers(fault, self.kept)
        for server in (self._chat, self._store):
            server.plant(fault)

    def _was_had(self, fault: Fault, done: subprocess.CompletedProcess[str]) -> bool:
        if fault.call in SERVED:
            return self._chat.struck or self._store.struck
        if fault.call in ROW:
            return was_had(self.kept)
        return done.returncode < 0 or bool(self._counted().get("struck", True))  # a killed one may have written half

    def _counted(self) -> Mapping[str, int]:
        return json.loads(self._counts.read_text("utf-8")) if self._counts.exists() else {}

    def start_ray_anew(self) -> None:
        """After a fault that took nodes away."""
        self._nodes.start()

    def files(self, url: str, name: str) -> Path:
        """A run's folder; one at a store is copied."""
        folder = self.folder / name
        if url:
            shutil.rmtree(folder, ignore_errors=True)
            fetch(f"{url}{name}", folder)
        return folder

    def remove(self, url: str, name: str) -> None:
        """Removes a run."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        if url:
            remove(f"{url}{name}")
