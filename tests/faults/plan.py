"""Which faults there are, and how they are drawn: each is plain data, so that it can be planted in another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final

DISK: Final = ("open", "write", "fsync", "replace", "unlink", "mkdir")
"""What a run asks of the disk, by the names in `os`."""

STAGES: Final = ("answer", "speak", "encode")
"""A row's way through the stages."""

REQUEST: Final = "request"
"""A request to the chat server of a run that has one."""

ROOM: Final = "room"
"""In the place of a call: KB of room on the disk that a run is given."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        meaning: what happens, for the table.
        calls: where it may be; nowhere: after a run.
        lasts: whether all later ones of these calls have it too.
    """

    meaning: str
    calls: tuple[str, ...] = DISK
    lasts: bool = False


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
        "server busy": Kind("the chat server answers a request with 429 and Retry-After", (REQUEST,)),
        "server error": Kind("it answers one with 500", (REQUEST,)),
        "server garbage": Kind("it answers one with what is no reply", (REQUEST,)),
        "server half": Kind("it breaks off in the middle of a reply", (REQUEST,)),
        "server silent": Kind("it does not answer one at all", (REQUEST,)),
        "server down": Kind("from one request on it answers 500", (REQUEST,), lasts=True),
        "server gone": Kind("from one request on it does not answer", (REQUEST,), lasts=True),
        "torn ledger": Kind("SIGKILL, and the last bytes of the ledger are gone"),
        "torn audio": Kind("SIGKILL, and a file of audio has lost its end"),
        "changed ledger": Kind("after a good run a line of the ledger is garbage; who reads its error removes it", ()),
        "changed audio": Kind("after a good run a byte of a file is another; `verify --fix`", ()),
        "lost audio": Kind("after a good run a file is gone", ()),
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a kind at the `at`-th call (from 1) of `call`; one that comes after the run is at no call."""

    kind: str
    call: str = ""
    at: int = 0

    def __str__(self) -> str:
        return f"{self.kind}, {self.call} {self.at}" if self.call else self.kind

    @property
    def of_server(self) -> bool:
        """Whether it is the chat server's."""
        return self.call == REQUEST


def drawn(kind: str, counts: Mapping[str, int], draw: Random) -> Fault:
    """A fault of that kind in a run that makes so many of each call."""
    calls = [call for call in KINDS[kind].calls if counts.get(call)]
    if not calls:
        return Fault(kind)
    call = draw.choice(calls)
    return Fault(kind, call, draw.randint(1, counts[call]))
