"""Rejects rows with the very same audio as a row before them that says another text, once all rows are made.

Which of them it is goes by their numbers, so that nothing hangs on which was made first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from voicegen.pipeline.ledger import Ledger, LedgerWriter
from voicegen.pipeline.rejecting import put_rows, rejected
from voicegen.quality.checks.duplicates import SAME_AUDIO, DuplicatesSettings, alike, heard_alike
from voicegen.quality.verdict import Verdict, judge_by
from voicegen.records import ManifestRow
from voicegen.store import Store

_BLOCK = 1000  # rows read from the ledger together


def reject_same_audio(store: Store, ledger: Ledger, settings: DuplicatesSettings) -> int:
    """Writes into a run which of its rows have another's audio; returns how many are new.

    Raises:
        OutputError: the run cannot be read or written.
    """
    count = 0
    found = ((row, told) for row in repeats(ledger, ledger.hashes()) if (told := _told(row, settings)) != row)
    while block := list(islice(found, _BLOCK)):
        writer = LedgerWriter(store, ledger.session + 1, f"same-audio-{count}")
        ledger.add(put_rows(store, writer, {row.index: row for row, _ in block}, [told for _, told in block]))
        count += len(block)
    return count


def repeats(ledger: Ledger, hashes: NDArray[np.uint64]) -> Iterator[ManifestRow]:
    """Yields rows with the hash of one before them that says another text.

    Args:
        ledger: has the rows.
        hashes: of their audio, by their index; 0 of those that do not count.
    """
    for group in alike(hashes):
        first = ledger.get(group[:1])[group[0]]
        for start in range(1, len(group), _BLOCK):
            for row in ledger.get(group[start : start + _BLOCK]).values():
                if not heard_alike(row.answer_spoken, first.answer_spoken):
                    yield row


def judge_repeat(settings: DuplicatesSettings) -> Verdict:
    """What a row is worth whose audio one before it has."""
    bounds = settings.rules.get(SAME_AUDIO.name)
    return judge_by({SAME_AUDIO.name: 1.0}, [(SAME_AUDIO, bounds)] if bounds is not None else [])


def _told(row: ManifestRow, settings: DuplicatesSettings) -> ManifestRow:
    told = replace(row, scores={**row.scores, SAME_AUDIO.name: 1.0})
    verdict = judge_repeat(settings)
    return told if verdict.reason is None else rejected(told, verdict.reason, verdict.faults or "")
