"""What a row says of the rows beside it: its split, and which earlier row's question or answer it repeats."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from voicegen.dataset.likeness import Likeness, Pairs, plain, text_key
from voicegen.dataset.splits import Deciding, Shares, Splits
from voicegen.records import ManifestRow

_BLOCK: Final = 1000  # rows looked up together


class _Finished(Protocol):
    @property
    def end(self) -> int: ...

    def get(self, indexes: Iterable[int]) -> Mapping[int, ManifestRow]: ...


class _Questions(Protocol):
    def batches(self) -> Iterator[pa.RecordBatch]: ...


@dataclass(frozen=True)
class QuestionRelations:
    """The likeness and the splits of questions: found in one pass, when they are first asked for.

    Attributes:
        questions: a `QuestionFile`, or others with the columns `question` and `conversation_id`, by their places.
        shares: of the splits.
        near: whether near duplicates stay together, and not the same questions alone.
    """

    questions: _Questions
    shares: Shares = field(default_factory=Shares)
    near: bool = True

    @property
    def splits(self) -> Splits:
        """The split of each question."""
        return self._found[0]

    @property
    def repeats(self) -> Repeats:
        """Which questions repeat an earlier one."""
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[Splits, Repeats]:
        likeness = Likeness()
        keys, talks = array("Q"), array("q")
        for batch in self.questions.batches():
            texts = batch.column("question").to_pylist()
            asked = [(place, text) for place, text in enumerate(texts, len(keys)) if text is not None]
            likeness.add([place for place, _ in asked], [text for _, text in asked])
            keys.extend(text_key(plain(text or "")) for text in texts)
            talks.extend(0 if name is None else hash(name) or 1 for name in batch.column("conversation_id").to_pylist())
        turns = _turns(np.array(talks, np.int64))
        deciding = Deciding(self.shares.codes(np.array(keys, np.uint64)))
        repeats = Repeats.none(len(keys))
        followed = 0
        for pairs in likeness.pairs():
            if not len(pairs.later):
                continue
            repeats.note(pairs)
            kept = pairs if self.near else pairs.those(pairs.similarity == 1)
            up_to = int(np.searchsorted(turns.later, pairs.later[-1], side="right"))
            deciding.follow(kept | turns.those(slice(followed, up_to)))
            followed = up_to
        deciding.follow(turns.those(slice(followed, None)))
        return deciding.splits, repeats


@dataclass(frozen=True, slots=True)
class Repeats:
    """For each text, the first that it repeats: its place or -1, int64 (N,), and their similarity, float32 (N,)."""

    first: NDArray[np.int64]
    similarity: NDArray[np.float32]

    @classmethod
    def none(cls, size: int) -> Repeats:
        """Of so many texts, none repeats another."""
        return cls(np.full(size, -1, np.int64), np.zeros(size, np.float32))

    def note(self, pairs: Pairs) -> None:
        """Takes down pairs, all those of a later text together."""
        first = pairs.first()
        self.first[first.later], self.similarity[first.later] = first.earlier, first.similarity

    def columns(self, places: NDArray[np.int64], rows_each: int = 1) -> tuple[pa.Array, pa.Array]:
        """For texts at these places the first row that each repeats, and the similarity; null where it repeats none.

        A text that is at none of the places that are known repeats none.
        """
        first, similarity = np.full(len(places), -1, np.int64), np.zeros(len(places), np.float32)
        known = places < len(self.first)
        first[known], similarity[known] = self.first[places[known]], self.similarity[places[known]]
        return (
            pa.array(first * rows_each, pa.int64(), mask=first < 0),
            pa.array(similarity.astype(np.float64).round(3), pa.float64(), mask=first < 0),
        )


@dataclass
class AnswerRelations:
    """The columns of the manifest that hold which earlier answer a row repeats."""

    _answers: Likeness = field(default_factory=Likeness)
    _read: bytearray = field(default_factory=bytearray)  # by row, whether its answer is among `_answers`
    _repeats: Repeats | None = None

    def read(self, rows: _Finished) -> None:
        """Takes the answers of rows that are finished since the last time."""
        self._read.extend(bytes(max(rows.end - len(self._read), 0)))
        new = [index for index, read in enumerate(self._read) if not read]
        for start in range(0, len(new), _BLOCK):
            found = rows.get(new[start : start + _BLOCK])
            answered = [(index, row.answer) for index, row in found.items() if row.answer is not None]
            self._answers.add([index for index, _ in answered], [answer for _, answer in answered])
            for index in found:
                self._read[index] = 1
        if new or self._repeats is None:
            self._repeats = Repeats.none(len(self._read))
            for pairs in self._answers.pairs():
                self._repeats.note(pairs)

    def columns(self, indexes: Sequence[int]) -> dict[str, Any]:
        """The columns for rows with these indexes; none before rows were read."""
        if self._repeats is None:
            return {}
        of, similarity = self._repeats.columns(np.array(indexes, np.int64))
        return {"answer_duplicate_of": of, "answer_similarity": similarity}


@dataclass
class RowRelations:
    """The columns of the manifest that hold what a row says of the rows beside it.

    Attributes:
        questions: of the run's input.
        answers_per_question: rows made of one question, one after another.
        asked: by row, the place of its question, where it is not told by that number.
    """

    questions: QuestionRelations
    answers_per_question: int = 1
    asked: NDArray[np.int64] | None = None
    _answers: AnswerRelations = field(default_factory=AnswerRelations)

    def read(self, rows: _Finished) -> None:
        """Takes the answers of rows that are finished since the last time."""
        self._answers.read(rows)

    def columns(self, indexes: Sequence[int]) -> dict[str, Any]:
        """The columns for rows with these indexes."""
        places = np.array(indexes, np.int64)
        asked = places // self.answers_per_question if self.asked is None else self.asked[places]
        question, similarity = self.questions.repeats.columns(asked, self.answers_per_question)
        return {
            "split": self.questions.splits.names(asked.tolist()),
            "question_duplicate_of": question,
            "question_similarity": similarity,
            **self._answers.columns(indexes),
        }


def _turns(talks: NDArray[np.int64]) -> Pairs:
    """Each later turn of a conversation with its first; neighbours with the same number but 0 are of one."""
    again = np.zeros(len(talks), bool)
    again[1:] = (talks[1:] == talks[:-1]) & (talks[1:] != 0)
    firsts = np.maximum.accumulate(np.where(again, 0, np.arange(len(talks))))
    later = np.flatnonzero(again)
    return Pairs(later, firsts[later], np.ones(len(later), np.float32))
