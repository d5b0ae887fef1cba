"""Rejects rows that are finished: in the ledger, and where their audio lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

from voicegen.pipeline.ledger import Entry, LedgerWriter
from voicegen.pipeline.plan import AUDIO, REJECTED
from voicegen.records import ManifestRow
from voicegen.store import Store

_GROUP: Final = 100  # rows whose audio moves together


def rejected(row: ManifestRow, error: str, reason: str) -> ManifestRow:
    """A row that was ok, as one that the checks rejected.

    Args:
        row: with audio.
        error: why.
        reason: the same without values, by which takes are counted.
    """
    assert row.clip is not None
    clip = replace(row.clip, path=f"{REJECTED}/{row.clip.path.removeprefix(f'{AUDIO}/')}")
    last = [replace(take, status="rejected", reason=reason) for take in row.takes[-1:]]  # the one that was good
    return replace(row, status="rejected", error=error, clip=clip, takes=(*row.takes[:-1], *last))


def put_rows(
    store: Store, lines: LedgerWriter, before: Mapping[int, ManifestRow], after: Sequence[ManifestRow]
) -> list[Entry]:
    """Puts rows in the ledger; audio is where they say before, and where it was until after."""
    entries = []
    with closing(lines):
        for start in range(0, len(after), _GROUP):
            group = after[start : start + _GROUP]
            moves = [(old, new) for row in group if (old := _place(before[row.index])) != (new := _place(row))]
            store.put([(new, data) for old, new in moves if (data := store.read(old)) is not None])
            entries += lines.append(group)
            store.remove(old for old, _ in moves)
    return entries


def _place(row: ManifestRow) -> str:
    return "" if row.clip is None else row.clip.path
