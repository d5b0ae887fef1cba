"""What the driver and its workers say to each other: plain data, which goes through a pipe or Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voicegen.errors import VoicegenError
from voicegen.executors.job import Work
from voicegen.executors.leases import Lease
from voicegen.pipeline.first_rows import Said
from voicegen.pipeline.ledger import Entry
from voicegen.records import ModelInfo


@dataclass(frozen=True, slots=True)
class RowEnded:
    """A row has ended, and how it was said: to a worker, of one of another's by which its own are judged."""

    index: int
    said: Said


@dataclass(frozen=True, slots=True)
class PutAway:
    """To a worker that has made all its rows: those that wait to be durable with others are to be so at once."""


@dataclass(frozen=True, slots=True)
class NoMore:
    """To a worker: all rows are dealt; it ends with those that it has."""


Order = Lease | RowEnded | PutAway | NoMore


@dataclass(frozen=True, slots=True)
class Loaded:
    """From a worker: a stage's model is ready."""

    stage: str
    model: ModelInfo


@dataclass(frozen=True, slots=True)
class Started:
    """From a worker: all its models are ready."""


@dataclass(frozen=True, slots=True)
class Begun:
    """From a worker: it has begun with its last lease, and takes another."""


@dataclass(frozen=True, slots=True)
class Worked:
    """From a worker: a stage is that much further."""

    work: Work


@dataclass(frozen=True, slots=True)
class Made:
    """From a worker: rows are through its stages, and wait to be durable with others."""

    rows: Sequence[RowEnded]


@dataclass(frozen=True, slots=True)
class Written:
    """From a worker: rows are finished, and durable."""

    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Logged:
    """From a worker: a line for the log."""

    logger: str
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """From a worker: what no other worker could do either, as the settings, a model or the store cannot be used."""

    error: VoicegenError


@dataclass(frozen=True, slots=True)
class Broke:
    """From a worker: it ends by an error that nobody foresaw."""

    error: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Of a worker: it is no more; the last that is heard of it.

    Attributes:
        how: such as `killed by signal 9`; None where it ended as it was to.
    """

    how: str | None = None


Message = Loaded | Started | Begun | Worked | Made | Written | Logged | Refused | Broke | Ended
