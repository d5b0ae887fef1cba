"""The last stage: takes become audio files, and rows become ledger lines, in that order, durably."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voicegen.audio.audio_file import encode_clip
from voicegen.audio.audio_format import WAV, AudioFormat
from voicegen.audio.origin import Origin
from voicegen.pipeline.ledger import Entry, Ledger, LedgerWriter
from voicegen.pipeline.outcome import Outcome
from voicegen.records import Clip, ManifestRow, Status
from voicegen.store import Store


class Writer:
    """Writes outcomes in groups: all audio files of a group are durable before its ledger lines are.

    Args:
        store: the run's.
        ledger: what was done of the run before.
        audio_path: where the audio of a row that ended so lies in the store.
        name: the process's, among those that work at the run.
        audio: what the audio files are.
        origin: what made them, for their metadata.
        keep_reasoning: whether the reasoning of an answer goes into the ledger.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        audio_path: Callable[[int, Status], str],
        *,
        name: str,
        audio: AudioFormat = WAV,
        origin: Origin | None = None,
        keep_reasoning: bool = False,
    ) -> None:
        self._store = store
        self._lines = LedgerWriter(store, ledger.session, name)
        self._ledger = ledger
        self._audio_path = audio_path
        self._audio = audio
        self._origin = origin
        self._keep_reasoning = keep_reasoning

    def write(self, outcomes: Sequence[Outcome]) -> list[Entry]:
        """Makes the outcomes durable and returns their rows.

        Raises:
            OutputError: the disk is full or the folder cannot be written; then nothing is torn, and no row of the
                group counts.
        """
        encoded = [self._encoded(outcome) for outcome in outcomes]
        self._store.put([(clip.path, data) for _, clip, data in encoded if clip is not None])
        return self._lines.append([self._row(outcome, clip) for outcome, clip, _ in encoded])

    def close(self) -> None:
        """Ends the ledger's file."""
        self._lines.close()

    def _row(self, outcome: Outcome, clip: Clip | None) -> ManifestRow:
        attempt, earlier = self._ledger.attempt(outcome.index), self._ledger.earlier_takes(outcome.index)
        return outcome.to_row(clip, self._keep_reasoning, attempt, earlier)

    def _encoded(self, outcome: Outcome) -> tuple[Outcome, Clip | None, bytes]:
        """The outcome, and the clip of its take and the bytes of its file, where it is audio."""
        speech, verdict = outcome.speech, outcome.verdict
        if speech is None or verdict is None:
            return outcome, None, b""
        path = self._audio_path(outcome.index, verdict.status)
        return outcome, *encode_clip(speech, outcome.index, path, self._audio, self._origin)
