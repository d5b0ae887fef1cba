"""The last stage: takes become audio files, and rows become ledger lines, in that order, durably."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, NamedTuple

from voicegen.audio.audio_file import encode_clip
from voicegen.audio.audio_format import WAV, AudioFormat
from voicegen.audio.origin import Origin
from voicegen.cores import usable_cores
from voicegen.pipeline.ledger import Entry, Ledger, LedgerWriter
from voicegen.pipeline.outcome import Outcome
from voicegen.records import Clip, ManifestRow, Side, Speech, SpokenQuestion, Status
from voicegen.store import Store

_MOST_ENCODERS: Final = 8


class _Encoded(NamedTuple):
    """An outcome, its clips, and the bytes of their files."""

    outcome: Outcome
    clip: Clip | None = None
    question: Clip | None = None
    files: tuple[tuple[str, bytes], ...] = ()


class Writer:
    """Writes outcomes in groups: all audio files of a group are durable before its ledger lines are.

    Args:
        store: the run's.
        ledger: what was done of the run before.
        audio_path: where the audio of a row that ended so lies in the store; of its question, where that is beside it.
        name: the process's, among those that work at the run.
        audio: what the audio files are.
        origin: what made them, for their metadata.
        keep_reasoning: whether the reasoning of an answer goes into the ledger.
    """

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        audio_path: Callable[[int, Status, Side], str],
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
        # encoding and hashing leave the interpreter free; one thread is slower at them than a GPU at making takes
        self._encoders = ThreadPoolExecutor(min(usable_cores(), _MOST_ENCODERS), "encode")

    def write(self, outcomes: Sequence[Outcome]) -> list[Entry]:
        """Makes the outcomes durable and returns their rows.

        Raises:
            OutputError: the disk is full or the folder cannot be written; then nothing is torn, and no row of the
                group counts.
        """
        encoded = list(self._encoders.map(self._encoded, outcomes))
        self._store.put([file for each in encoded for file in each.files])
        return self._lines.append([self._row(each) for each in encoded])

    def close(self) -> None:
        """Ends the ledger's file."""
        self._encoders.shutdown()
        self._lines.close()

    def _row(self, encoded: _Encoded) -> ManifestRow:
        outcome, index = encoded.outcome, encoded.outcome.index
        alone = outcome.utterance is not None and outcome.utterance.side == "question"
        side: Side = "question" if alone else "answer"
        attempt, earlier = self._ledger.attempt(index, side), self._ledger.earlier_takes(index, side)
        return outcome.to_row(encoded.clip, self._keep_reasoning, attempt, earlier, self._asked(encoded))

    def _asked(self, encoded: _Encoded) -> SpokenQuestion | None:
        asked, index = encoded.outcome.asked, encoded.outcome.index
        if asked is None:
            return None
        attempt, earlier = self._ledger.attempt(index, "question"), self._ledger.earlier_takes(index, "question")
        return asked.to_record(encoded.question, attempt, earlier)

    def _encoded(self, outcome: Outcome) -> _Encoded:
        """The outcome with the clips of its takes, where it is audio: both, or none."""
        if outcome.speech is None or outcome.status == "failed":
            return _Encoded(outcome)
        clip, data = self._clip(outcome, outcome.speech)
        if outcome.asked is None or outcome.asked.speech is None:
            return _Encoded(outcome, clip, None, ((clip.path, data),))
        question, said = self._clip(outcome, outcome.asked.speech)
        return _Encoded(outcome, clip, question, ((question.path, said), (clip.path, data)))

    def _clip(self, outcome: Outcome, speech: Speech) -> tuple[Clip, bytes]:
        side = speech.utterance.side
        beside: Side = "answer" if outcome.asked is None else side
        origin = self._origin and (replace(self._origin, chat=None) if side == "question" else self._origin)
        path = self._audio_path(outcome.index, outcome.status, beside)
        return encode_clip(speech, outcome.index, path, self._audio, origin)
