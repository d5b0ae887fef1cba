"""Rejects rows that are finished: in the ledger, and where their audio lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

from voicegen.pipeline.ledger import Entry, LedgerWriter
from voicegen.pipeline.plan import REJECTED, SIDES
from voicegen.records import Clip, ManifestRow, Side, TakeRecord
from voicegen.store import Store

_GROUP: Final = 100  # rows whose audio moves together


def rejected(row: ManifestRow, error: str, reason: str, sides: Sequence[Side] = SIDES["both"]) -> ManifestRow:
    """A row that was ok, as one that the checks rejected.

    Args:
        row: with audio.
        error: why.
        reason: the same without values, by which takes are counted.
        sides: of which texts it is the last take that is no good.
    """
    own = reason if "answer" in sides else None
    asked = row.asked and replace(
        row.asked,
        status="rejected" if "question" in sides else row.asked.status,
        clip=_aside(row.asked.clip),
        takes=_told(row.asked.takes, reason if "question" in sides else None),
    )
    return replace(row, status="rejected", error=error, clip=_aside(row.clip), takes=_told(row.takes, own), asked=asked)


def _aside(clip: Clip | None) -> Clip | None:
    """Where a clip lies that is rejected since: one that is packed stays in its shard."""
    if clip is None or clip.offset is not None:
        return clip
    return replace(clip, path=f"{REJECTED}/{clip.path.split('/', 1)[1]}")


def _told(takes: Sequence[TakeRecord], reason: str | None) -> Sequence[TakeRecord]:
    """The takes, the last of which was good until then."""
    if reason is None:
        return takes
    return (*takes[:-1], *(replace(take, status="rejected", reason=reason) for take in takes[-1:]))


def put_rows(
    store: Store, lines: LedgerWriter, before: Mapping[int, ManifestRow], after: Sequence[ManifestRow]
) -> list[Entry]:
    """Puts rows in the ledger; audio is where they say before, and where it was until after."""
    entries = []
    with closing(lines):
        for start in range(0, len(after), _GROUP):
            group = after[start : start + _GROUP]
            moves = [
                (old.path, new.path)
                for row in group
                for old, new in zip(before[row.index].clips, row.clips, strict=True)
                if old.path != new.path
            ]
            store.put([(new, data) for old, new in moves if (data := store.read(old)) is not None])
            entries += lines.append(group)
            store.remove(old for old, _ in moves)
    return entries
