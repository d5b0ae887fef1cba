"""Which clips of a run are really on disk."""

from __future__ import annotations

import os
from pathlib import Path

from voicegen.pipeline.ledger import Ledger


def forget_missing(ledger: Ledger, audio: Path) -> int:
    """Lets rows be done again whose WAV somebody removed; returns how many."""
    present = bytearray(ledger.end)
    for folder, _, names in os.walk(audio):
        del folder
        for name in names:
            stem, _, suffix = name.partition(".")
            if suffix == "wav" and stem.isdecimal() and int(stem) < len(present):
                present[int(stem)] = 1
    missing = [index for index in range(ledger.end) if not present[index] and ledger.status(index) == "ok"]
    for index in missing:
        ledger.forget(index)
    return len(missing)
