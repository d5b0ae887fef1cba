"""What a row says of the rows beside it: its split, and which earlier row's question or answer it repeats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from voicegen.dataset.likeness import BLOCK, Likeness, Pairs, text_key
from voicegen.dataset.splits import Deciding, Shares, Splits
from voicegen.records import ManifestRow
from voicegen.scratch.by_place import ByPlace

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
        likeness, talks, repeats = Likeness(), _Talks(), Repeats()
        own = bytearray()  # the part of each question by itself
        for batch in self.questions.batches():
            texts = batch.column("question").to_pylist()
            asked = [(place, text) for place, text in enumerate(texts, len(own)) if text is not None]
            keys = np.full(len(texts), text_key(""), np.uint64)
            places = [place for place, _ in asked]
            keys[np.array(places, np.int64) - len(own)] = likeness.add(places, [text for _, text in asked])
            talks.add(batch.column("conversation_id").to_pylist())
            own.extend(self.shares.codes(keys).tobytes())
        deciding = Deciding(own)
        for stop, pairs in enumerate(likeness.pairs(), 1):
            repeats.note(pairs)
            kept = pairs if self.near else pairs.those(pairs.similarity == 1)
            deciding.follow(kept | talks.until(stop * BLOCK))
        deciding.follow(talks.until(len(own)))
        return deciding.splits, repeats


class Repeats:
    """For each text, the first that it repeats, and their similarity; in a temporary file."""

    def __init__(self) -> None:
        self._found = ByPlace([("after", "<i8"), ("similarity", "<f4")])  # one past the place of the first; 0: none

    def note(self, pairs: Pairs) -> None:
        """Takes down pairs, all those of a later text together."""
        first = pairs.first()
        records = np.empty(len(first.later), self._found.type)
        records["after"], records["similarity"] = first.earlier + 1, first.similarity
        self._found.put(first.later, records)

    def columns(self, places: NDArray[np.int64], rows_each: int = 1) -> tuple[pa.Array, pa.Array]:
        """For texts at these places the first row that each repeats, and the similarity; null where it repeats none.

        A text that is at none of the places that are known repeats none.
        """
        found = self._found.at(places)
        first = found["after"] - 1
        return (
            pa.array(first * rows_each, pa.int64(), mask=first < 0),
            pa.array(found["similarity"].astype(np.float64).round(3), pa.float64(), mask=first < 0),
        )


@dataclass
class AnswerRelations:
    """The columns of the manifest that hold which earlier answer a row repeats."""

    _answers: Likeness = field(default_factory=Likeness)
    _read: bytearray = field(default_factory=bytearray)  # by row, whether its answer is among `_answers`
    _repeats: Repeats | None = None

    def read(self, rows: _Finished) -> None:
        """Takes the answers of rows that are finished since the last time; all, where that one was broken off."""
        try:
            self._take(rows)
        except BaseException:  # Ctrl-C too: what is half taken would never be whole again
            self._answers, self._read, self._repeats = Likeness(), bytearray(), None
            raise

    def _take(self, rows: _Finished) -> None:
        self._read.extend(bytes(max(rows.end - len(self._read), 0)))
        new = False
        for unread in self._unread():
            new = True
            found = rows.get(unread)
            answered = [(index, row.answer) for index, row in found.items() if row.answer is not None]
            self._answers.add([index for index, _ in answered], [answer for _, answer in answered])
            for index in found:
                self._read[index] = 1
        if new or self._repeats is None:
            self._repeats = Repeats()
            for pairs in self._answers.pairs():
                self._repeats.note(pairs)

    def _unread(self) -> Iterator[Sequence[int]]:
        """The rows whose answers are not among those that were read, some at a time."""
        start = 0
        while (start := self._read.find(0, start)) >= 0:
            block = np.frombuffer(self._read[start : start + _BLOCK], np.uint8)
            yield (start + np.flatnonzero(block == 0)).tolist()
            start += _BLOCK

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


class _Talks:
    """Which rows are turns of a conversation that began before them; in a temporary file."""

    def __init__(self) -> None:
        self._began = ByPlace(np.int64)  # of each such row, one past the place of the first turn; 0: it is none
        self._rows = 0
        self._latest: str | None = None
        self._first = 0  # the place of the first turn of the latest
        self._told = 0

    def add(self, names: Sequence[str | None]) -> None:
        """Takes the conversations of the rows that come next; neighbours of the same name are of one."""
        later, began = [], []
        for place, name in enumerate(names, self._rows):
            if name is not None and name == self._latest:
                later.append(place)
                began.append(self._first + 1)
            else:
                self._latest, self._first = name, place
        self._began.put(np.array(later, np.int64), np.array(began, np.int64))
        self._rows += len(names)

    def until(self, stop: int) -> Pairs:
        """Each later turn before `stop`, and since the last time, with the first of its conversation."""
        start, self._told = self._told, min(stop, len(self._began))
        began = self._began.part(start, max(self._told, start))
        later = np.flatnonzero(began)
        return Pairs(start + later, began[later] - 1, np.ones(len(later), np.float32))
