"""Takes the clips that are whole out of a shard that is not, into one of their own."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Any

from voicegen.pipeline.ledger import Ledger, LedgerWriter
from voicegen.pipeline.shards import Made, OpenShards, Packing
from voicegen.records import ManifestRow
from voicegen.store import Store
from voicegen.store.clips import read_clip


class Repacking:
    """Shards of a run, which is held, that are put anew.

    Args:
        store: the run's.
        ledger: is told of the rows.
    """

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger
        self._lines = LedgerWriter(store, ledger.session, "fix")
        self._number = 0

    def save(self, shard: str, lost: Collection[int]) -> list[ManifestRow]:
        """Puts the clips of a shard in another one, but for those of rows that are lost; returns the rows, durable.

        Raises:
            OutputError: the store cannot be read or written.
        """
        rows = self._ledger.get(set(self._ledger.packed_in({shard})).difference(lost)).values()
        if not rows:
            return []
        kind: Any = PurePosixPath(shard).suffix[1:]
        anew = OpenShards(Packing(kind, math.inf, math.inf), f"{self._ledger.session:05d}-fix{self._number}")
        self._number += 1
        anew.add([self._read(row) for row in rows])
        files, saved = anew.close()
        self._store.put(files)
        self._ledger.add(self._lines.append(saved))
        return saved

    def close(self) -> None:
        """Ends its ledger lines."""
        self._lines.close()

    def _read(self, row: ManifestRow) -> Made:
        return row, [read_clip(self._store, clip.place) or b"" for clip in row.clips]
