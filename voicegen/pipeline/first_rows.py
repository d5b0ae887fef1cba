"""The first rows of each voice, by which its later ones are judged.

What is usual of a voice is had from these alone, and later rows of it are spoken when all of them have ended. So no
verdict hangs on which takes were made first, on who made them, or on where a run was interrupted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from voicegen.records import ManifestRow, Scores

Voice = str | None


class FirstRows:
    """Knows which first rows have ended; several threads may tell it.

    Args:
        first: their indexes, by the voice that is planned for them.
        finished: those that earlier sessions finished.
        awaited: those that this session will finish.
        usual_of: what is usual of a voice, from what was measured of its first rows.
        settled: is told the planned voice when all its first rows have ended.

    Attributes:
        usual: what is usual, by the voice that spoke.
    """

    def __init__(
        self,
        first: Mapping[Voice, Sequence[int]],
        finished: Iterable[ManifestRow],
        awaited: Collection[int],
        usual_of: Callable[[Iterable[Scores]], Mapping[str, float]],
        settled: Callable[[Voice], None],
    ) -> None:
        self.usual: dict[Voice, Mapping[str, float]] = {}
        self._usual_of = usual_of
        self._settled = settled
        self._changing = threading.Lock()
        self._planned = {index: voice for voice, indexes in first.items() for index in indexes}
        self._left = {voice: set(indexes).intersection(awaited) for voice, indexes in first.items()}
        self._unasked = set(awaited)
        self._shown: dict[Voice, dict[int, tuple[Voice, Scores]]] = {voice: {} for voice in first}
        for row in finished:
            self._shown[self._planned[row.index]][row.index] = row.voice, row.scores
        for voice, left in self._left.items():
            if not left:
                self._settle(voice)

    def precede(self, index: int, voice: Voice) -> bool:
        """Whether others must end before this row is spoken."""
        with self._changing:
            return index not in self._planned and bool(self._left.get(voice))

    def all_asked(self, voice: Voice) -> bool:
        """Whether all first rows of a voice have at least been asked."""
        with self._changing:
            return self._unasked.isdisjoint(self._left[voice])

    def asked(self, index: int) -> None:
        """Says that a row was asked."""
        with self._changing:
            self._unasked.discard(index)

    def ended(self, index: int, voice: Voice, scores: Scores) -> None:
        """Says that a row has ended, what spoke it, and what was measured of the take that is kept."""
        if index not in self._planned:
            return
        planned = self._planned[index]
        with self._changing:
            self._unasked.discard(index)
            self._left[planned].discard(index)
            self._shown[planned][index] = voice, scores
            if not self._left[planned]:
                self._settle(planned)

    def _settle(self, planned: Voice) -> None:
        shown = self._shown[planned].values()
        for voice in {voice for voice, _ in shown}:
            self.usual[voice] = self._usual_of(scores for spoke, scores in shown if spoke == voice)
        self._settled(planned)
