"""Which faults there are, and how they are drawn: each is plain data, so that it can be planted in another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final, Literal

DISK: Final = ("open", "write", "fsync", "replace", "unlink", "mkdir")
"""What a run asks of the disk, by the names in `os`."""

STAGES: Final = ("answer", "speak", "encode")
"""A row's way through the stages."""

REQUEST: Final = "request"
"""A request to the chat server of a run that has one."""

READ, WRITE = "request to read", "request to write"
"""A request to the store of objects of a run that has one: GET and HEAD, or PUT, POST and DELETE."""

ROW: Final = ("its answer", "its take", "its audio", "its line", "its report")
"""A row's way through a worker: `at` is the row, from 1. Its audio is made durable, its line, then it is told of."""

MESSAGE: Final = "message"
"""What a driver hears of its workers."""

SERVED: Final = (REQUEST, READ, WRITE)

ROOM: Final = "room"
"""In the place of a call: KB of room on the disk that a run is given."""


Course = Literal["here", "chat", "store", "workers", "workers at a store", "ray"]
"""How a run goes: in one process, with a chat server, in a store of objects, in workers, on a Ray of two nodes."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        meaning: what happens, for the table.
        calls: where it may be; nowhere: after a run.
        lasts: whether all later ones of these calls have it too.
        course: the runs that it is planted in.
    """

    meaning: str
    calls: tuple[str, ...] = DISK
    lasts: bool = False
    course: Course = "here"


def _of_a_store() -> dict[str, Kind]:
    both = (READ, WRITE)
    return {
        "store kill before": Kind(
            "SIGKILL as the store is asked to write, which it then does not", (WRITE,), course="store"
        ),
        "store kill after": Kind("SIGKILL when the store has written", (WRITE,), course="store"),
        "store error": Kind("the store answers a request with 500", both, course="store"),
        "store busy": Kind("it answers a request with 503 SlowDown", both, course="store"),
        "store hangs up": Kind("it ends the connection without an answer, and has done nothing", both, course="store"),
        "store answer lost": Kind("it writes, and its answer is lost", (WRITE,), course="store"),
        "store half": Kind("it breaks off in the middle of an object", (READ,), course="store"),
        "store silent": Kind("it does not answer a request at all", both, course="store"),
        "store not a number": Kind(
            "the speech model gives NaN for a take of a run at a store", ("speak",), course="store"
        ),
        "store down": Kind("from one request on it answers 500", both, lasts=True, course="store"),
        "store denies": Kind("from one request on it answers 403", both, lasts=True, course="store"),
        "store gone": Kind("from one request on it ends connections", both, lasts=True, course="store"),
    }


def _of_workers() -> dict[str, Kind]:
    return {
        "worker killed": Kind("SIGKILL of a worker at a step of a row", ROW, course="workers"),
        "worker terminated": Kind("SIGTERM of a worker", ROW, course="workers"),
        "worker stopped": Kind("SIGSTOP of a worker", ROW, course="workers"),
        "worker hangs": Kind("a stage of a worker never comes back", ROW, course="workers"),
        "worker breaks": Kind("a stage of a worker raises what nobody foresaw", ROW[:3], course="workers"),
        "worker out of memory": Kind("a worker gets no more memory (RLIMIT_AS)", ROW[:2], course="workers"),
        "worker disk full": Kind(
            "from one row on there is no room for what a worker writes", ROW[2:4], course="workers"
        ),
        "poisoned row": Kind("a row kills each worker that makes it (SIGKILL)", ROW[:3], lasts=True, course="workers"),
        "row hangs": Kind("a row hangs each worker that makes it", ROW[:3], lasts=True, course="workers"),
        "all killed": Kind("SIGKILL of a worker and of the driver at once", ROW, course="workers"),
        "driver killed": Kind("SIGKILL of the driver as it hears of its workers", (MESSAGE,), course="workers"),
        "driver terminated": Kind("SIGTERM of the driver", (MESSAGE,), course="workers"),
        "driver interrupted": Kind("SIGINT (Ctrl-C) of the driver", (MESSAGE,), course="workers"),
        "driver interrupted twice": Kind("SIGINT of the driver, and again", (MESSAGE,), course="workers"),
        "store worker killed": Kind("SIGKILL of one of two workers at a store", ROW, course="workers at a store"),
        "store driver killed": Kind(
            "SIGKILL of the driver of two workers at a store", (MESSAGE,), course="workers at a store"
        ),
    }


def _on_ray() -> dict[str, Kind]:
    return {
        "actor killed": Kind("SIGKILL of an actor's process at a step of a row", ROW, course="ray"),
        "actor stopped": Kind("SIGSTOP of an actor's process", ROW, course="ray"),
        "actor breaks": Kind("a stage of an actor raises what nobody foresaw", ROW[:3], course="ray"),
        "actor poisoned": Kind("a row kills each actor that makes it", ROW[:3], lasts=True, course="ray"),
        "node gone": Kind("SIGKILL of a node's raylet and all that it has, at a step of a row", ROW, course="ray"),
        "Ray gone": Kind("SIGKILL of all of Ray", ROW, course="ray"),
        "Ray driver killed": Kind("SIGKILL of the driver as it hears of its actors", (MESSAGE,), course="ray"),
        "Ray driver terminated": Kind("SIGTERM of the driver", (MESSAGE,), course="ray"),
        "Ray driver interrupted": Kind("SIGINT (Ctrl-C) of the driver", (MESSAGE,), course="ray"),
    }


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "kill before": Kind("SIGKILL just before a call to the disk"),
        "kill after": Kind("SIGKILL just after one"),
        "kill within": Kind("SIGKILL after half of a write", ("write",)),
        "power": Kind("the power goes: of what was not synced, names, bytes and whole pages are lost at random"),
        "terminate": Kind("SIGTERM at a call to the disk"),
        "interrupt": Kind("SIGINT (Ctrl-C) at a call to the disk"),
        "disk full": Kind("from one write on there is no room; half of that one fits", ("write",), lasts=True),
        "small disk": Kind("the run has a disk (tmpfs) of so many KB to itself, too few", (ROOM,)),
        "file limit": Kind("from one write on the system lets no file grow further (RLIMIT_FSIZE)", ("write",)),
        "disk error": Kind("one call fails (EIO)"),
        "read-only": Kind(
            "from one call on the disk takes nothing (EROFS)", ("write", "replace", "unlink", "mkdir"), lasts=True
        ),
        "short writes": Kind("from one write on the system takes a byte less than it is given", ("write",), lasts=True),
        "clock": Kind("from one call on the clock says ten days ago"),
        "no memory": Kind("no memory for a clip", ("encode",)),
        "little memory": Kind("from one row on the process gets no more memory (RLIMIT_AS)", STAGES),
        "chat fails": Kind("the chat model raises what nobody foresaw", ("answer",)),
        "chat hangs": Kind("the chat model never comes back; SIGTERM, a second later SIGKILL", ("answer",)),
        "speech fails": Kind("the speech model raises what nobody foresaw", ("speak",)),
        "speech hangs": Kind("the speech model never comes back; SIGTERM, a second later SIGKILL", ("speak",)),
        "not a number": Kind("the speech model gives NaN for a take", ("speak",)),
        "server busy": Kind("the chat server answers a request with 429 and Retry-After", (REQUEST,), course="chat"),
        "server error": Kind("it answers one with 500", (REQUEST,), course="chat"),
        "server garbage": Kind("it answers one with what is no reply", (REQUEST,), course="chat"),
        "server half": Kind("it breaks off in the middle of a reply", (REQUEST,), course="chat"),
        "server silent": Kind("it does not answer one at all", (REQUEST,), course="chat"),
        "server down": Kind("from one request on it answers 500", (REQUEST,), lasts=True, course="chat"),
        "server gone": Kind("from one request on it does not answer", (REQUEST,), lasts=True, course="chat"),
        **_of_a_store(),
        **_of_workers(),
        **_on_ray(),
        "torn ledger": Kind("SIGKILL, and the last bytes of the ledger are gone"),
        "torn audio": Kind("SIGKILL, and a file of audio has lost its end"),
        "changed ledger": Kind("after a good run a line of the ledger is garbage; who reads its error removes it", ()),
        "changed audio": Kind("after a good run a byte of a file is another; `verify --fix`", ()),
        "lost audio": Kind("after a good run a file is gone", ()),
    }
)


_MOST: Final = 4  # faults of a run
_FIRST: Final = ("power", "small disk")

SPOILS: Final = ("torn ledger", "torn audio", "changed ledger", "changed audio", "lost audio")
"""What becomes of a run's files when it has ended, and so the last fault of a run."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a kind at the `at`-th call (from 1) of `call`; one that comes after the run is at no call."""

    kind: str
    call: str = ""
    at: int = 0

    def __str__(self) -> str:
        return f"{self.kind}, {self.call} {self.at}" if self.call else self.kind


def drawn(kind: str, counts: Mapping[str, int], draw: Random, earlier: int = 0) -> Fault:
    """A fault of that kind in a run that makes so many of each call when nothing was done of it.

    After each of the earlier faults of a run there are fewer: half as many, say. Its last rows are done last.
    """
    calls = [call for call in KINDS[kind].calls if counts.get(call)]
    if not calls:
        return Fault(kind)
    call = draw.choice(calls)
    at = draw.randint(1, max(counts[call] >> earlier, 1))
    return Fault(kind, call, counts[call] + 1 - at if call in ROW else at)


def chains(faults: int, kinds: Sequence[str], seed: int) -> list[list[str]]:
    """So many kinds of faults, each as often as the others, in rows of a few that one run may have one after another.

    A loss of power comes first, as only what the same process wrote is known to be synced, and so does a disk of the
    run's own; what spoils files comes last.
    """
    made: list[list[str]] = []
    for start in range(0, faults, len(kinds)):
        dealt = sorted(kinds, key=lambda kind: (KINDS[kind].course, Random(f"{seed} {start} {kind}").random()))
        chain: list[str] = []
        for kind in dealt[: faults - start]:
            alike = chain and KINDS[chain[-1]].course == KINDS[kind].course
            if not alike or kind in _FIRST or chain[-1] in SPOILS or len(chain) == _MOST:
                chain = []
                made.append(chain)
            chain.append(kind)
    return made
