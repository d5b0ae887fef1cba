"""What a run has of audio, held against its ledger: which clips are gone or cut short, and which are left over.

A file is told by its name and size, and a shard by whether it is as long as its clips need; whether their bytes are
still the same is for a check of `audio_sha256` to say. Of a large run it is kept which folders had all that the ledger
says, and when they were changed last: so the next session looks into the others alone. A file that is cut in its place
changes no folder, and `verify` finds it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from voicegen.errors import OutputError
from voicegen.pipeline.ledger import ABSENT, INDEX_AFTER, Ledger
from voicegen.pipeline.plan import AUDIO, REJECTED, SIDES, Plan, clip_name
from voicegen.pipeline.shards import SHARDS
from voicegen.records import STATUSES, Side
from voicegen.store import Store, StoredFile

AUDIO_INDEX = "audio.index"
"""What is known of the folders of audio in a run's store. It is no record: without it all are looked into."""

_OK, _REJECTED = STATUSES.index("ok"), STATUSES.index("rejected")
_FOLDERS: Final = ((AUDIO, _OK, _REJECTED), (REJECTED, _REJECTED, _OK))
"""Where the clips of rows that ended so lie, and how rows have ended since whose clips are left over there."""

_COARSE: Final = 2_000_000_000
"""Nanoseconds that a disk's times are true to, at the least."""

_Changed = tuple[int, ...]
"""When each of the two folders of some rows was changed; 0 where it is not there."""


class _Differences(NamedTuple):
    """How the audio of some rows differs from what is on record."""

    missing: list[int]
    left_over: list[str]


class Clips:
    """The audio files of a run's rows.

    Args:
        store: the run's.
        plan: says where they lie.
        ledger: says which there are to be.
    """

    def __init__(self, store: Store, plan: Plan, ledger: Ledger) -> None:
        self._store = store
        self._plan = plan
        self._ledger = ledger
        self._whole: dict[str, _Changed] = _kept(store) if store.lists_audio else {}
        self._unkept = 0  # rows that were looked at, and whose folders would be looked into once more

    def forget_missing(self) -> int:
        """Lets rows be done again whose audio somebody removed or cut; returns how many."""
        missing = [*self._in_broken_shards(), *(index for found in self._changed() for index in found.missing)]
        for index in missing:
            self._ledger.forget(index)
        return len(missing)

    def remove_leftovers(self) -> None:
        """Removes rejected takes of rows that have a good one by now, and takes that were good of rows rejected since.

        In a store that is not looked through they are told by how rows ended before. Also shards of which no clip is on
        record: a writer was killed before its rows were, or they lie elsewhere by now.
        """
        known = self._ledger.shards()
        self._store.remove([file.name for file in self._store.files(SHARDS) if file.name not in known])
        if self._store.lists_audio:
            if known or self._ledger.count("rejected") or self._store.names(REJECTED):
                for found in self._changed():
                    self._store.remove(found.left_over)
            return
        self._store.remove(
            self._plan.audio_path(index, former, beside)
            for index, former in self._ledger.ended_otherwise()
            if former != "failed"  # it had none, and its good take lies where that would have
            for beside in SIDES["both"]
        )

    @property
    def is_worth_keeping(self) -> bool:
        """Whether it would take the next session some seconds to look at what this one has looked at."""
        return self._unkept >= INDEX_AFTER

    def keep(self) -> None:
        """Keeps in the store which folders have what the ledger says."""
        if not self._store.lists_audio:
            return
        for _ in self._changed():
            pass
        self._unkept = 0
        try:
            self._store.put([(AUDIO_INDEX, json.dumps({"whole": self._whole}).encode())])
        except OutputError:
            return  # who writes rows to that disk tells of it

    def _in_broken_shards(self) -> list[int]:
        """The rows whose shard is gone or cut."""
        if not (known := self._ledger.shards()):
            return []
        there = {file.name: file.size for file in self._store.files(SHARDS)}
        return self._ledger.packed_in({name for name, end in known.items() if there.get(name, 0) < end})

    def _changed(self) -> Iterator[_Differences]:
        """Looks into the folders that may have changed since they were found to have all."""
        if not self._store.lists_audio:
            return
        for folder, rows in self._plan.folders(self._ledger.end):
            changed = tuple(self._store.changed(f"{top}{folder}") for top, _, _ in _FOLDERS)
            if self._whole.get(folder) == changed:
                continue
            self._whole.pop(folder, None)
            found = self._look(folder, rows)
            if not any(found) and max(changed) < time.time_ns() - _COARSE:  # else it may change, and look unchanged
                self._whole[folder] = changed
                self._unkept += len(rows)
            yield found

    def _look(self, folder: str, rows: range) -> _Differences:
        """Looks at the files in the folders of some rows."""
        codes = self._ledger.codes_of(rows)
        sizes = {side: self._ledger.sizes_of(rows, side) for side in SIDES["both"]}
        ended, expected = codes.tolist(), {side: of.tolist() for side, of in sizes.items()}
        packed = {side: self._ledger.packed_of(rows, side) for side in SIDES["both"]}
        there = {side: bytearray(len(rows)) for side in SIDES["both"]}
        left_over = []
        for top, status, otherwise in _FOLDERS:
            for index, side, file in self._files(f"{top}{folder}"):
                if index not in rows:
                    continue
                at = index - rows.start
                if packed[side][at]:
                    left_over.append(file.name)
                elif ended[at] == status:
                    there[side][at] = not expected[side][at] or file.size == expected[side][at]
                elif ended[at] == otherwise and (otherwise == _OK or expected["answer"][at]):
                    left_over.append(file.name)
        has_own = (codes == _OK) | ((codes == _REJECTED) & (sizes["answer"] > 0))  # or it was rejected for its text
        has_asked = (codes != ABSENT) & (sizes["question"] > 0)
        own, asked = (np.frombuffer(there[side], bool) | packed[side] for side in SIDES["both"])
        return _Differences((rows.start + np.flatnonzero(has_own & ~own | has_asked & ~asked)).tolist(), left_over)

    def _files(self, folder: str) -> Iterator[tuple[int, Side, StoredFile]]:
        """The audio files in a folder that are called as rows' are, each with its row and which of its clips it is."""
        suffix = self._plan.audio.suffix
        for file in self._store.files(folder):
            name = file.name.rpartition("/")[2]
            if name.endswith(suffix) and (clip := clip_name(name.removesuffix(suffix))) is not None:
                yield *clip, file


def _kept(store: Store) -> dict[str, _Changed]:
    try:
        return {name: tuple(changed) for name, changed in json.loads(store.read(AUDIO_INDEX) or b"")["whole"].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}
