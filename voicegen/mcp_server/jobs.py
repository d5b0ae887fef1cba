"""Work that takes longer than a client waits: it is begun, looked at, and may be cancelled."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Literal

from voicegen.errors import VoicegenError
from voicegen.mcp_server.refusals import Refusal
from voicegen.sharing.caller import Caller

_log = logging.getLogger(__name__)

State = Literal["queued", "running", "done", "failed", "cancelled"]
_OVER: tuple[State, ...] = ("done", "failed", "cancelled")


@dataclass(eq=False, slots=True)
class Job:
    """A run or a long text, from its beginning to its end.

    Attributes:
        kind: what is made.
        total: rows to be made.
        done: rows that are made.
        result: what came of it.
        error: why nothing did.
    """

    id: str
    kind: Literal["run", "speech"]
    total: int
    caller: Caller = field(default_factory=Caller)
    state: State = "queued"
    done: int = 0
    result: Any = None
    error: VoicegenError | None = None
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in _OVER

    @property
    def seconds(self) -> float:
        """Since it was asked for, until it was over."""
        return (self.ended or time.monotonic()) - self.began

    def advance(self, rows: int) -> None:
        """Says that so many more rows are made."""
        with self.changed:
            self.done += rows
            self.changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Returns when it is over, or after that time."""
        with self.changed:
            self.changed.wait_for(lambda: self.is_over, seconds)

    def cancel(self) -> None:
        """Ends it early, unless it is over; what is finished stays."""
        self.caller.withdraw()
        with self.changed:
            if self.state == "queued":
                self._end("cancelled")

    def run(self, work: Callable[[Job], Any]) -> None:
        """Does the work, on the thread that this is called on."""
        with self.changed:
            if self.state != "queued":
                return
            self.state = "running"
        try:
            result = work(self)
        except VoicegenError as error:
            self._fail(error)
        except KeyboardInterrupt as stopped:  # `Withdrawn`, or the interruption that a run made of it
            with self.changed:
                self.result = getattr(stopped, "summary", None)
                self._end("cancelled")
        except Exception:
            _log.exception("job %s", self.id)
            self._fail(Refusal("internal", "an error of voicegen's own: the server's log has more of it"))
        else:
            with self.changed:
                self.result = result
                self._end("done")

    def _fail(self, error: VoicegenError) -> None:
        with self.changed:
            self.error = error
            self._end("failed")

    def _end(self, state: State) -> None:
        self.state = state
        self.ended = time.monotonic()
        self.changed.notify_all()


class Jobs:
    """The jobs of a server: so many at the most, the oldest that are over make room."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def begin(
        self, kind: Literal["run", "speech"], total: int, work: Callable[[Job], Any], pool: Executor, id: str = ""
    ) -> Job:
        """Begins a job, on the first thread of the pool that is free, and returns at once.

        Raises:
            Refusal: there are too many that are not over, or the one of this id is not.
        """
        job = Job(id or secrets.token_hex(12), kind, total)
        with self._lock:
            if (other := self._jobs.get(job.id)) is not None and not other.is_over:
                raise Refusal("busy", f"{job.id} is under way: look at it by run_status")
            over = [one.id for one in self._jobs.values() if one.is_over]
            if len(self._jobs) - len(over) >= self._most:
                raise Refusal("busy", f"{self._most} jobs wait or are under way: cancel one, or try again later")
            for old in over[: max(0, len(self._jobs) + 1 - self._most)]:
                del self._jobs[old]
            self._jobs[job.id] = job
        pool.submit(job.run, work)
        return job

    def find(self, id: str) -> Job:
        """The job of that id.

        Raises:
            Refusal: there is none any more.
        """
        with self._lock:
            if (job := self._jobs.get(id)) is None:
                raise Refusal("unknown_job", f"there is no job {id!r}: give the id that start_run or speak gave")
            return job

    def cancel_all(self) -> None:
        """Ends them all early."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.cancel()
