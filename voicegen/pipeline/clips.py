"""Which clips of a run are really on disk."""

from __future__ import annotations

import os
from pathlib import Path

from voicegen.pipeline.ledger import Ledger


def forget_missing(ledger: Ledger, audio: Path) -> int:
    """Lets rows be done again whose WAV somebody removed or cut; returns how many.

    A WAV is told by its size; whether its bytes are still the same is for a check of `audio_sha256` to say.
    """
    whole = bytearray(ledger.end)
    for folder, _, names in os.walk(audio):
        for name in names:
            stem, _, suffix = name.partition(".")
            if suffix == "wav" and stem.isdecimal() and int(stem) < ledger.end:
                expected = ledger.wav_bytes(int(stem))
                whole[int(stem)] = not expected or (Path(folder) / name).stat().st_size == expected
    missing = [index for index in range(ledger.end) if not whole[index] and ledger.status(index) == "ok"]
    for index in missing:
        ledger.forget(index)
    return len(missing)
