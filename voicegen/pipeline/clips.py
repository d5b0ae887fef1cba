"""Which clips of a run are really there."""

from __future__ import annotations

from pathlib import PurePosixPath

from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.plan import AUDIO
from voicegen.store import Store


def forget_missing(ledger: Ledger, store: Store) -> int:
    """Lets rows be done again whose WAV somebody removed or cut; returns how many.

    A WAV is told by its size; whether its bytes are still the same is for a check of `audio_sha256` to say.
    """
    whole = bytearray(ledger.end)
    for file in store.files(AUDIO):
        stem, _, suffix = PurePosixPath(file.name).name.partition(".")
        if suffix == "wav" and stem.isdecimal() and int(stem) < ledger.end:
            expected = ledger.wav_bytes(int(stem))
            whole[int(stem)] = not expected or file.size == expected
    missing = [index for index in range(ledger.end) if not whole[index] and ledger.status(index) == "ok"]
    for index in missing:
        ledger.forget(index)
    return len(missing)
