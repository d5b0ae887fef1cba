"""The last stage: takes become audio files, and rows become ledger lines, in that order, durably."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from typing import Final, NamedTuple

from voicegen.audio.audio_file import encode_clip
from voicegen.audio.audio_format import WAV, AudioFormat
from voicegen.audio.origin import Origin
from voicegen.cores import usable_cores
from voicegen.pipeline.ledger import Entry, Ledger, LedgerWriter
from voicegen.pipeline.outcome import Outcome
from voicegen.pipeline.shards import OpenShards, Packing
from voicegen.records import Clip, ManifestRow, Side, Speech, SpokenQuestion, Status
from voicegen.store import Store

_MOST_ENCODERS: Final = 8


class _Encoded(NamedTuple):
    """An outcome, its clips, and the bytes of those, in the order of `ManifestRow.clips`."""

    outcome: Outcome
    clip: Clip | None = None
    question: Clip | None = None
    data: tuple[bytes, ...] = ()


class Writer:
    """Writes outcomes in groups: all audio of a group is durable before its ledger lines are.

    Where clips are packed, rows wait until the shard that their clips are in is closed.

    Args:
        store: the run's.
        ledger: what was done of the run before.
        audio_path: where the audio of a row that ended so lies in the store; of its question, where that is beside it.
        name: the process's, among those that work at the run.
        audio: what the audio files are.
        origin: what made them, for their metadata.
        keep_reasoning: whether the reasoning of an answer goes into the ledger.
        packing: how clips are packed; None: each is a file.
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
        packing: Packing | None = None,
    ) -> None:
        self._store = store
        self._lines = LedgerWriter(store, ledger.session, name)
        self._ledger = ledger
        self._audio_path = audio_path
        self._audio = audio
        self._origin = origin
        self._keep_reasoning = keep_reasoning
        self._shards = None if packing is None else OpenShards(packing, f"{ledger.session:05d}-{name}")
        # encoding and hashing leave the interpreter free; one thread is slower at them than a GPU at making takes
        self._threads = min(usable_cores(), _MOST_ENCODERS)
        self._encoders = ThreadPoolExecutor(self._threads, "encode")

    def write(self, outcomes: Sequence[Outcome]) -> list[Entry]:
        """Makes the outcomes durable and returns their rows; or none yet, or those of earlier calls as well.

        Raises:
            OutputError: the disk is full or the folder cannot be written; then nothing is torn, and no row of the
                group counts.
        """
        some = -(-len(outcomes) // self._threads)  # a task costs as much as a short clip
        parts = [outcomes[start : start + some] for start in range(0, len(outcomes), some)]
        encoded = chain.from_iterable(self._encoders.map(self._all_encoded, parts))
        made = [(self._row(each), each.data) for each in encoded]
        if self._shards is not None:
            self._shards.add(made)
            return self.put_away() if self._shards.are_full else []
        clips = [(clip.path, data) for row, its in made for clip, data in zip(row.clips, its, strict=True)]
        return self._durable(clips, [row for row, _ in made])

    def put_away(self) -> list[Entry]:
        """Makes durable what waits in open shards, and returns its rows.

        Raises:
            OutputError: as `write`; then none of those rows counts.
        """
        return [] if self._shards is None else self._durable(*self._shards.close())

    def close(self) -> None:
        """Ends the ledger's file; what waits in open shards is lost."""
        self._encoders.shutdown()
        self._lines.close()

    def _durable(self, files: Sequence[tuple[str, bytes]], rows: Sequence[ManifestRow]) -> list[Entry]:
        if files:
            self._store.put(files)
        return self._lines.append(rows) if rows else []

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

    def _all_encoded(self, outcomes: Sequence[Outcome]) -> list[_Encoded]:
        return [self._encoded(each) for each in outcomes]

    def _encoded(self, outcome: Outcome) -> _Encoded:
        """The outcome with the clips of its takes, where it is audio: both, or none."""
        if outcome.speech is None or outcome.status == "failed":
            return _Encoded(outcome)
        clip, data = self._clip(outcome, outcome.speech)
        if outcome.asked is None or outcome.asked.speech is None:
            return _Encoded(outcome, clip, None, (data,))
        question, said = self._clip(outcome, outcome.asked.speech)
        return _Encoded(outcome, clip, question, (data, said))

    def _clip(self, outcome: Outcome, speech: Speech) -> tuple[Clip, bytes]:
        side = speech.utterance.side
        beside: Side = "answer" if outcome.asked is None else side
        origin = self._origin and (replace(self._origin, chat=None) if side == "question" else self._origin)
        path = self._audio_path(outcome.index, outcome.status, beside)
        return encode_clip(speech, outcome.index, path, self._audio, origin)
