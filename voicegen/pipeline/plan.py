"""What every row is called, how it is seeded and who says it: decided by its place in the input, before anything runs.

Resuming, failures and parallel workers can therefore never renumber a file or change what it sounds like. A rejected
take that is tried again is drawn anew, by the row's seed and the number of the attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from voicegen.audio.audio_format import WAV, AudioFormat
from voicegen.records import Failure, Question, Status
from voicegen.seeds import derived_seed

AUDIO = "audio"
"""The folder of good takes in a run's store."""

REJECTED = "rejected"
"""The folder of the best takes of rejected rows."""

ROWS_PER_FOLDER = 10_000


def audio_path(index: int, status: Status, total_rows: int, audio: AudioFormat = WAV) -> str:
    """Where the audio of a row that ended so lies in the run; folders of 10,000 when there are more than that many."""
    folder, name = REJECTED if status == "rejected" else AUDIO, f"{index:06d}{audio.suffix}"
    if total_rows <= ROWS_PER_FOLDER:
        return f"{folder}/{name}"
    return f"{folder}/{index // ROWS_PER_FOLDER:04d}/{name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Gives rows their seeds and voices.

    Attributes:
        total_rows: of the whole input, `limit` aside, so that a raised limit moves no file.
        answers_per_question: each question becomes that many rows, one after another.
        audio: what the audio files are.
        test_voices: those of `voices` that speak test alone.
        in_test: by question, whether it is in test: 1 or 0.
    """

    seed: int
    total_rows: int
    voices: Sequence[str] = ()
    assign: Literal["fixed", "round_robin", "random"] = "fixed"
    answers_per_question: int = 1
    audio: AudioFormat = WAV
    test_voices: Sequence[str] = ()
    in_test: bytes = b""

    def audio_path(self, index: int, status: Status) -> str:
        """Where the audio of a row that ended so lies in the run's folder."""
        return audio_path(index, status, self.total_rows * self.answers_per_question, self.audio)

    def rows(self, read: Iterable[Question | Failure]) -> Iterator[Question | Failure]:
        """The input's rows with their final index, id, seed and voice, in order."""
        for row in read:
            for number in range(self.answers_per_question):
                yield self._row(row, number)

    def _row(self, row: Question | Failure, number: int) -> Question | Failure:
        index = row.index * self.answers_per_question + number
        if isinstance(row, Failure):
            return replace(row, index=index)
        return replace(
            row,
            index=index,
            id=self.row_id(row.id, number),
            seed=derived_seed(self.seed, index),
            voice=self.voice(index),
        )

    def row_id(self, question_id: str, number: int) -> str:
        """The id of the question's answer `number`, from 0."""
        return question_id if self.answers_per_question == 1 else f"{question_id}-{number}"

    def voice(self, index: int) -> str | None:
        """The voice that says the row; None for the model's default."""
        voices = self._voices(index // self.answers_per_question)
        if not voices:
            return None
        if self.assign == "fixed":
            return voices[0]
        if self.assign == "round_robin":
            return voices[index % len(voices)]
        return voices[derived_seed(self.seed, index) % len(voices)]

    def first_rows(self, count: int, rows: int) -> dict[str | None, list[int]]:
        """By voice, the first `count` of its rows, among the first `rows` of all."""
        first: dict[str | None, list[int]] = {voice: [] for voice in self._speaking}
        missing = count * len(first)
        for index in range(rows):
            if not missing:
                break
            of_voice = first[self.voice(index)]
            if len(of_voice) < count:
                of_voice.append(index)
                missing -= 1
        return first

    @property
    def _speaking(self) -> Sequence[str | None]:
        test = [voice for voice in self.voices if voice in self.test_voices]
        others = [voice for voice in self.voices if voice not in self.test_voices]
        return [*test[:1], *others[:1]] if self.assign == "fixed" and self.voices else [*test, *others] or [None]

    def _voices(self, question: int) -> Sequence[str]:
        """The voices that may say answers to a question."""
        if not self.test_voices:
            return self.voices
        return [voice for voice in self.voices if (voice in self.test_voices) == bool(self.in_test[question])]
