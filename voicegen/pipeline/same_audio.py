"""Rejects rows with the very same audio as a row before them that says another text, once all rows are made.

Which of them it is goes by their numbers, so that nothing hangs on which was made first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from voicegen.pipeline.ledger import Ledger, LedgerWriter
from voicegen.pipeline.outcome import of_the_question
from voicegen.pipeline.plan import SIDES
from voicegen.pipeline.rejecting import put_rows, rejected
from voicegen.quality.checks.duplicates import SAME_AUDIO, DuplicatesSettings, alike, heard_alike
from voicegen.quality.verdict import Verdict, judge_by
from voicegen.records import ManifestRow, Side
from voicegen.store import Store

_BLOCK = 1000  # rows read from the ledger together


def reject_same_audio(store: Store, ledger: Ledger, settings: DuplicatesSettings) -> int:
    """Writes into a run which of its rows have another's audio; returns how many are new.

    Raises:
        OutputError: the run cannot be read or written.
    """
    count = 0
    found = ((row, side) for row, side in repeats(ledger, ledger.hashes()) if _told(row, side, settings) != row)
    while block := list(islice(found, _BLOCK)):
        writer = LedgerWriter(store, ledger.session + 1, f"same-audio-{count}")
        before = {row.index: row for row, _ in block}
        after = dict(before)
        for row, side in block:  # which may have both sides of a row
            after[row.index] = _told(after[row.index], side, settings)
        ledger.add(put_rows(store, writer, before, list(after.values())))
        count += len(after)
    return count


def repeats(ledger: Ledger, hashes: Iterable[tuple[int, NDArray[np.uint64]]]) -> Iterator[tuple[ManifestRow, Side]]:
    """Yields rows with the hash of one before them that says another text, and which of their clips it is of.

    Args:
        ledger: has the rows.
        hashes: of their audio, as `Ledger.hashes` has them; 0 of what does not count.
    """
    for group in alike((2 * first, block.ravel()) for first, block in hashes):
        first, *others = (divmod(place, 2) for place in group)
        text = _text(ledger.get(first[:1])[first[0]], first[1])
        for start in range(0, len(others), _BLOCK):
            block = others[start : start + _BLOCK]
            rows = ledger.get({index for index, _ in block})
            for index, side in block:
                if not heard_alike(_text(rows[index], side), text):
                    yield rows[index], SIDES["both"][side]


def _text(row: ManifestRow, side: int) -> str | None:
    return row.question_spoken if side or row.side == "question" else row.answer_spoken


def judge_repeat(settings: DuplicatesSettings) -> Verdict:
    """What a row is worth whose audio one before it has."""
    bounds = settings.rules.get(SAME_AUDIO.name)
    return judge_by({SAME_AUDIO.name: 1.0}, [(SAME_AUDIO, bounds)] if bounds is not None else [])


def _told(row: ManifestRow, side: Side, settings: DuplicatesSettings) -> ManifestRow:
    verdict = judge_repeat(settings)
    if side == "question" and row.asked is not None:
        told = replace(row, asked=replace(row.asked, scores={**row.asked.scores, SAME_AUDIO.name: 1.0}))
        reason = of_the_question(verdict.reason)
    else:
        told, reason = replace(row, scores={**row.scores, SAME_AUDIO.name: 1.0}), verdict.reason
    return told if reason is None else rejected(told, reason, verdict.faults or "", [side])
