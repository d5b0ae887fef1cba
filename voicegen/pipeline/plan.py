"""What every row is called, how it is seeded and who says it: decided by its place in the input, before anything runs.

Resuming, failures and parallel workers can therefore never renumber a file or change what it sounds like. A rejected
take that is tried again is drawn anew, by the row's seed and the number of the attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import merge
from types import MappingProxyType
from typing import Final, Literal

from voicegen.audio.audio_format import WAV, AudioFormat
from voicegen.records import Failure, Question, Side, Speak, Status
from voicegen.seeds import derived_seed, side_seed

AUDIO = "audio"
"""The folder of good takes in a run's store."""

REJECTED = "rejected"
"""The folder of the best takes of rejected rows."""

ROWS_PER_FOLDER = 10_000


SIDES: Final[Mapping[Speak, tuple[Side, ...]]] = MappingProxyType(
    {"answer": ("answer",), "question": ("question",), "both": ("answer", "question")}
)
"""The texts that are spoken: a row's own first."""

QUESTION = ".question"
"""What stands behind the number in the file name of a question that is spoken beside its answer."""


def audio_path(index: int, status: Status, total_rows: int, audio: AudioFormat = WAV, beside: Side = "answer") -> str:
    """Where the audio of a row that ended so lies in the run; folders of 10,000 when there are more than that many.

    A row has one clip, or its question's is beside its answer's.
    """
    mark = QUESTION if beside == "question" else ""
    folder, name = REJECTED if status == "rejected" else AUDIO, f"{index:06d}{mark}{audio.suffix}"
    if total_rows <= ROWS_PER_FOLDER:
        return f"{folder}/{name}"
    return f"{folder}/{index // ROWS_PER_FOLDER:04d}/{name}"


def row_folders(end: int, total_rows: int) -> Iterator[tuple[str, range]]:
    """The folders below `audio/` and `rejected/` in which rows up to `end` have their clips, each with its rows."""
    if total_rows <= ROWS_PER_FOLDER:
        yield "", range(end)
        return
    for start in range(0, end, ROWS_PER_FOLDER):
        yield f"/{start // ROWS_PER_FOLDER:04d}", range(start, min(start + ROWS_PER_FOLDER, end))


def clip_name(stem: str) -> tuple[int, Side] | None:
    """The row whose audio is in a file of that name without its ending, and which clip it is; None for another name."""
    number = stem.removesuffix(QUESTION)
    return (int(number), "answer" if number == stem else "question") if number.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Cast:
    """Voices, and which of them says what; none: the model's default. Those in `of_test` speak test alone."""

    voices: Sequence[str] = ()
    assign: Literal["fixed", "round_robin", "random"] = "fixed"
    of_test: Sequence[str] = ()

    def voice(self, index: int, seed: Callable[[], int], in_test: bool) -> str | None:
        """The one that says a text of the row `index`, which is spoken by `seed`."""
        voices = self.voices
        if set(voices).intersection(self.of_test):
            voices = [voice for voice in voices if (voice in self.of_test) == in_test]
        if not voices:
            return None
        if self.assign == "fixed":
            return voices[0]
        return voices[(index if self.assign == "round_robin" else seed()) % len(voices)]

    @property
    def speaking(self) -> Sequence[str | None]:
        """Those that say anything."""
        test = [voice for voice in self.voices if voice in self.of_test]
        others = [voice for voice in self.voices if voice not in self.of_test]
        return [*test[:1], *others[:1]] if self.assign == "fixed" and self.voices else [*test, *others] or [None]


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions that a session is for, by their places in the input: those of a part of it, and single ones."""

    part: range
    besides: frozenset[int] = frozenset()

    def __contains__(self, place: int) -> bool:
        """Whether the question at a place is among them."""
        return place in self.part or place in self.besides

    def since(self, start: int) -> Iterator[int]:
        """Those from `start` on, in order."""
        besides = sorted(place for place in self.besides if place >= start and place not in self.part)
        return merge(besides, range(max(self.part.start, start), self.part.stop))

    @property
    def start(self) -> int:
        """The first."""
        return min((self.part.start, *self.besides)) if self.part else min(self.besides, default=0)

    @property
    def stop(self) -> int:
        """One past the last."""
        return max(self.part.stop, max(self.besides, default=-1) + 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """Gives rows their seeds and voices.

    Attributes:
        total_rows: of the whole input, `limit` aside, so that a raised limit moves no file.
        cast: who says the answers.
        askers: who says the questions.
        answers_per_question: each question becomes that many rows, one after another.
        audio: what the audio files are.
        speak: what of a row is spoken.
        in_test: by question, whether it is in test: 1 or 0; empty where no voice speaks test alone.
    """

    seed: int
    total_rows: int
    cast: Cast = Cast()
    askers: Cast = Cast()
    answers_per_question: int = 1
    audio: AudioFormat = WAV
    speak: Speak = "answer"
    in_test: bytes = b""

    def audio_path(self, index: int, status: Status, beside: Side = "answer") -> str:
        """Where the audio of a row that ended so lies in the run's folder."""
        return audio_path(index, status, self.total_rows * self.answers_per_question, self.audio, beside)

    def folders(self, end: int) -> Iterator[tuple[str, range]]:
        """`row_folders` of the plan's rows up to `end`."""
        return row_folders(end, self.total_rows * self.answers_per_question)

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
            asker=self.voice(index, "question"),
        )

    def row_id(self, question_id: str, number: int) -> str:
        """The id of the question's answer `number`, from 0."""
        return question_id if self.answers_per_question == 1 else f"{question_id}-{number}"

    def voice(self, index: int, side: Side = "answer") -> str | None:
        """The voice that says a text of the row; None for the model's default."""
        cast = self.cast if side == "answer" else self.askers
        in_test = bool(self.in_test and self.in_test[index // self.answers_per_question])
        return cast.voice(index, lambda: side_seed(derived_seed(self.seed, index), side), in_test)

    def voices(self, index: int) -> tuple[str | None, ...]:
        """The voices that say the row's texts: its own first, then its question's beside it."""
        return tuple(self.voice(index, side) for side in SIDES[self.speak])

    def first_rows(self, count: int, rows: int) -> dict[int, tuple[str | None, ...]]:
        """The voices of those of the first `rows` in which any of them is heard for one of the first `count` times.

        What is counted are such rows alone, so that a voice is first heard in rows of which none waits for another.
        """
        first: dict[int, tuple[str | None, ...]] = {}
        missing = dict.fromkeys(self._speaking, count)
        left = len(missing) if count else 0
        for index in range(rows):
            if not left:
                break
            voices = self.voices(index)
            if any(missing[voice] > 0 for voice in voices):
                first[index] = voices
                for voice in set(voices):
                    missing[voice] -= 1
                    left -= missing[voice] == 0
        return first

    @property
    def _speaking(self) -> set[str | None]:
        casts = {"answer": self.cast, "question": self.askers}
        return {voice for side in SIDES[self.speak] for voice in casts[side].speaking}
