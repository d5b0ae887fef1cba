"""Which faults there are, and how they are drawn: each is plain data, so that it can be planted in another process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final

DISK: Final = ("open", "write", "fsync", "replace", "unlink")
"""What a run asks of the disk, by the names in `os`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        meaning: what happens, for the table.
        calls: where it may be: calls to the disk, or `answer`, `speak` and `encode` for a row's way through the stages.
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
        "terminate": Kind("SIGTERM at a call to the disk"),
        "interrupt": Kind("SIGINT (Ctrl-C) at a call to the disk"),
        "disk full": Kind("from one write on there is no room; half of that one fits", ("write",), lasts=True),
        "disk error": Kind("one call fails (EIO)"),
        "read-only": Kind(
            "from one call on the disk takes nothing (EROFS)", ("write", "replace", "unlink"), lasts=True
        ),
        "short writes": Kind("from one write on the system takes a byte less than it is given", ("write",), lasts=True),
        "clock": Kind("from one call on the clock says ten days ago"),
        "memory": Kind("no memory for a clip", ("encode",)),
        "chat fails": Kind("the chat model raises what nobody foresaw", ("answer",)),
        "speech fails": Kind("the speech model raises what nobody foresaw", ("speak",)),
        "not a number": Kind("the speech model gives NaN for a take", ("speak",)),
        "torn ledger": Kind("SIGKILL, and the last bytes of the ledger are gone"),
        "torn audio": Kind("SIGKILL, and a file of audio has lost its end"),
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


def drawn(kind: str, counts: Mapping[str, int], draw: Random) -> Fault:
    """A fault of that kind in a run that makes so many of each call."""
    calls = [call for call in KINDS[kind].calls if counts.get(call)]
    if not calls:
        return Fault(kind)
    call = draw.choice(calls)
    return Fault(kind, call, draw.randint(1, counts[call]))
