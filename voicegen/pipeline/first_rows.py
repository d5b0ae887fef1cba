"""The rows in which each voice is first heard, by which its later ones are judged.

What is usual of a voice is had from these alone, and later rows of it are spoken when all of them have ended. So no
verdict hangs on which takes were made first, on who made them, or on where a run was interrupted.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from voicegen.records import ManifestRow, Scores

Voice = str | None
Voices = tuple[Voice, ...]
"""Those that are planned for the texts of a row."""
Said = Sequence[tuple[Voice, Scores]]
"""What spoke each text of a row, in the same order, and what was measured of the take that is kept."""


class FirstRows:
    """Knows which first rows have ended; several threads may tell it.

    Args:
        first: the voices that are planned for them, by their indexes.
        finished: those that earlier sessions finished.
        awaited: those that this session will finish, here or in another process.
        usual_of: what is usual of a voice, from what was measured of its first rows.
        settled: is told of those whose rows had to wait, when the first rows of all of them have ended.

    Attributes:
        usual: what is usual, by the voice that spoke.
        awaited: the rows that it was made with.
    """

    def __init__(
        self,
        first: Mapping[int, Voices],
        finished: Iterable[ManifestRow],
        awaited: Collection[int],
        usual_of: Callable[[Iterable[Scores]], Mapping[str, float]],
        settled: Callable[[Voices], None],
    ) -> None:
        self.usual: dict[Voice, Mapping[str, float]] = {}
        self._first = first
        self._usual_of = usual_of
        self._settled = settled
        self._changing = threading.Lock()
        self._left: defaultdict[Voice, set[int]] = defaultdict(set)
        for index in awaited:
            for voice in first[index]:
                self._left[voice].add(index)
        self.awaited = frozenset(awaited)
        self._unasked: set[int] = set()
        self._waiting: set[Voices] = set()
        self._shown: defaultdict[Voice, list[tuple[Voice, Scores]]] = defaultdict(list)  # by the planned voice
        for row in finished:
            self._show(row.index, row.said)
        for voice in {voice for voices in first.values() for voice in voices}:
            self._settle(voice)

    def precede(self, index: int, voices: Voices) -> bool:
        """Whether others must end before this row is spoken."""
        with self._changing:
            waits = index not in self._first and any(self._left[voice] for voice in voices)
            if waits:
                self._waiting.add(voices)
            return waits

    def take(self, indexes: Iterable[int]) -> None:
        """Says that rows are to be asked in this process."""
        with self._changing:
            self._unasked.update(self.awaited.intersection(indexes))

    def all_asked(self) -> bool:
        """Whether all first rows that this process was to ask have at least been asked.

        Only then it may wait for those of others: so of several processes one goes on, whichever wait for another.
        """
        with self._changing:
            return not self._unasked

    def asked(self, index: int) -> None:
        """Says that a row was asked."""
        with self._changing:
            self._unasked.discard(index)

    def ended(self, index: int, said: Said) -> None:
        """Says that a row has ended, here or elsewhere, and how it was said; once more is no news."""
        if index not in self.awaited:
            return
        with self._changing:
            self._unasked.discard(index)
            if not any(index in self._left[voice] for voice in self._first[index]):
                return
            self._show(index, said)
            for voice in dict.fromkeys(self._first[index]):
                self._left[voice].discard(index)
                self._settle(voice)
            for voices in [voices for voices in self._waiting if not any(self._left[voice] for voice in voices)]:
                self._waiting.remove(voices)
                self._settled(voices)

    def _show(self, index: int, said: Said) -> None:
        for planned, text in zip(self._first[index], said, strict=False):  # a row that failed has said less
            self._shown[planned].append(text)

    def _settle(self, planned: Voice) -> None:
        """Says what is usual of a voice, if its first rows have ended."""
        if self._left[planned]:
            return
        shown = self._shown[planned]
        for voice in {voice for voice, _ in shown}:
            self.usual[voice] = self._usual_of(scores for spoke, scores in shown if spoke == voice)
