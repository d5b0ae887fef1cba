"""Which clips of a run are really there, and which are left over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.plan import AUDIO, REJECTED
from voicegen.records import Status
from voicegen.store import Store, StoredFile

_FOLDERS: tuple[tuple[str, Status], ...] = ((AUDIO, "ok"), (REJECTED, "rejected"))


def forget_missing(ledger: Ledger, store: Store) -> int:
    """Lets rows be done again whose WAV somebody removed or cut; returns how many.

    A WAV is told by its size; whether its bytes are still the same is for a check of `audio_sha256` to say.
    """
    whole = bytearray(ledger.end)
    for folder, status in _FOLDERS:
        for index, file in _clips(store, folder):
            if ledger.status(index) == status:
                expected = ledger.wav_bytes(index)
                whole[index] = not expected or file.size == expected
    missing = [index for index in range(ledger.end) if not whole[index] and _has_clip(ledger, index)]
    for index in missing:
        ledger.forget(index)
    return len(missing)


def remove_leftovers(ledger: Ledger, store: Store) -> None:
    """Removes rejected takes of rows that have a good one by now."""
    store.remove([file.name for index, file in _clips(store, REJECTED) if ledger.status(index) == "ok"])


def _has_clip(ledger: Ledger, index: int) -> bool:
    """Whether a row has a WAV, by the record; one that was rejected for its text, or long ago, has none."""
    status = ledger.status(index)
    return status == "ok" or (status == "rejected" and ledger.wav_bytes(index) > 0)


def _clips(store: Store, folder: str) -> Iterator[tuple[int, StoredFile]]:
    """The WAVs in a folder that are called as rows' are, each with its row."""
    for file in store.files(folder):
        stem, _, suffix = PurePosixPath(file.name).name.partition(".")
        if suffix == "wav" and stem.isdecimal():
            yield int(stem), file
