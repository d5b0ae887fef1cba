"""The last stage: takes become WAVs, and rows become ledger lines, in that order, durably."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voicegen.audio.wav import encode_clip
from voicegen.bounds import Subtype
from voicegen.pipeline.ledger import Entry, Ledger, LedgerWriter
from voicegen.pipeline.outcome import Outcome
from voicegen.records import Clip, ManifestRow, Status
from voicegen.store import Store


class Writer:
    """Writes outcomes in groups: all WAVs of a group are durable before its ledger lines are.

    Args:
        store: the run's.
        ledger: what was done of the run before.
        audio_path: where the WAV of a row that ended so lies in the store.
        name: the process's, among those that work at the run.
        subtype: of the WAVs, as soundfile names it.
        keep_reasoning: whether the reasoning of an answer goes into the ledger.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        audio_path: Callable[[int, Status], str],
        *,
        name: str,
        subtype: Subtype = "PCM_16",
        keep_reasoning: bool = False,
    ) -> None:
        self._store = store
        self._lines = LedgerWriter(store, ledger.session, name)
        self._ledger = ledger
        self._audio_path = audio_path
        self._subtype = subtype
        self._keep_reasoning = keep_reasoning

    def write(self, outcomes: Sequence[Outcome]) -> list[Entry]:
        """Makes the outcomes durable and returns their rows.

        Raises:
            OutputError: the disk is full or the folder cannot be written; then nothing is torn, and no row of the
                group counts.
        """
        encoded = [self._encoded(outcome) for outcome in outcomes]
        self._store.put([(clip.path, wav) for _, clip, wav in encoded if clip is not None])
        return self._lines.append([self._row(outcome, clip) for outcome, clip, _ in encoded])

    def close(self) -> None:
        """Ends the ledger's file."""
        self._lines.close()

    def _row(self, outcome: Outcome, clip: Clip | None) -> ManifestRow:
        attempt, earlier = self._ledger.attempt(outcome.index), self._ledger.earlier_takes(outcome.index)
        return outcome.to_row(clip, self._keep_reasoning, attempt, earlier)

    def _encoded(self, outcome: Outcome) -> tuple[Outcome, Clip | None, bytes]:
        """The outcome, and the clip and WAV bytes of its take, where it is audio."""
        speech, verdict = outcome.speech, outcome.verdict
        if speech is None or verdict is None:
            return outcome, None, b""
        path = self._audio_path(outcome.index, verdict.status)
        return outcome, *encode_clip(speech, outcome.index, path, self._subtype)
