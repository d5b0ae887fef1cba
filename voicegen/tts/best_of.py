"""Speaking with a listener behind: what is not good is spoken again, and the best take is kept."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Final

from voicegen.protocols import SpeechModel
from voicegen.quality.heard import Heard, at_next_attempt
from voicegen.quality.listener import Hearing, Listener
from voicegen.records import Failure, Scores, Speech, Utterance

HEAR_GROUP: Final = 16
"""Takes listened to together, at the most."""


def best_takes(
    model: SpeechModel,
    utterances: Iterable[Utterance],
    hear: Callable[[Sequence[Speech]], Sequence[Hearing]],
    max_attempts: int,
) -> Iterator[Heard | Failure]:
    """Speaks utterances; a take that is not good is made again with another seed, while others are in flight.

    Takes are heard in groups, as a run's are: several together cost less, and a worker each has one.

    Args:
        model: what speaks.
        utterances: at their first attempts; pulled as the model has room.
        hear: what was heard of each of several takes.
        max_attempts: takes of an utterance, at the most.

    Yields:
        One record an utterance, in completion order: a `Heard` has a best take. A failure is of one without any.
    """
    max_attempts = max_attempts if model.traits.draws else 1
    in_hand: dict[int, tuple[Utterance, Heard]] = {}
    again: deque[tuple[Utterance, Heard]] = deque()
    fresh = iter(utterances)
    seeds: dict[int, int] = {}  # of first takes

    def source() -> Iterator[Utterance]:
        for utterance in fresh:
            seeds[utterance.index] = utterance.seed
            again.append((utterance, Heard()))
            yield from pulled()
        yield from pulled()

    def pulled() -> Iterator[Utterance]:
        while again:
            utterance, heard = again.popleft()
            in_hand[utterance.index] = utterance, heard
            yield utterance

    # A model may want to see the end of its source before it speaks: what is not good by then makes a round of its own.
    begun = False
    while again or not begun:
        begun = True
        records = iter(model.speak(source()))
        while group := list(islice(records, HEAR_GROUP)):
            hearings = iter(hear([record for record in group if isinstance(record, Speech)]))
            for record in group:
                index = record.index if isinstance(record, Failure) else record.utterance.index
                utterance, heard = in_hand.pop(index)
                if isinstance(record, Speech):
                    hearing = next(hearings)
                    heard = heard.with_take(utterance, record, hearing)
                    if hearing.verdict.again and len(heard.takes) < max_attempts:
                        again.append((at_next_attempt(utterance, seeds[index]), heard))
                        continue
                seeds.pop(index)
                yield record if isinstance(record, Failure) and heard.best is None else heard


def judged_takes(
    model: SpeechModel, utterances: Iterable[Utterance], listener: Listener, max_attempts: int
) -> Iterator[Heard | Failure]:
    """The same by a listener, which holds takes against what is usual of their voice in its first utterances.

    Those have ended before later ones of the voice are spoken, so that no verdict hangs on which take is made first.
    """
    firsts = _Firsts(utterances, listener)
    hear = partial(listener.hear, usual=firsts.usual)
    while firsts.go_on():
        for record in best_takes(model, firsts.utterances(), hear, max_attempts):
            firsts.ended(record)
            yield record


class _Firsts:
    """Gives out utterances up to one of a voice that has had its first ones, which must have ended before that."""

    def __init__(self, utterances: Iterable[Utterance], listener: Listener) -> None:
        self.usual: dict[str | None, Mapping[str, float]] = {}  # by the voice that spoke
        self._rest = iter(utterances)
        self._next = next(self._rest, None)
        self._count = listener.first_rows
        self._usual_of = listener.usual
        self._begun: Counter[str | None] = Counter()  # first utterances, by the voice that is planned for them
        self._known: set[str | None] = set()
        self._planned: dict[int, str | None] = {}
        self._shown: defaultdict[str | None, list[tuple[str | None, Scores]]] = defaultdict(list)

    def go_on(self) -> bool:
        """Whether there are more; all that were given out have ended."""
        for voice in [voice for voice, begun in self._begun.items() if begun == self._count]:
            del self._begun[voice]
            self._known.add(voice)
            shown = self._shown.pop(voice, [])
            for spoke in {spoke for spoke, _ in shown}:
                self.usual[spoke] = self._usual_of(scores for one, scores in shown if one == spoke)
        return self._next is not None

    def utterances(self) -> Iterator[Utterance]:
        """The next ones."""
        while (utterance := self._next) is not None:
            if self._count and utterance.voice not in self._known:
                if self._begun[utterance.voice] == self._count:
                    return
                self._begun[utterance.voice] += 1
                self._planned[utterance.index] = utterance.voice
            yield utterance
            self._next = next(self._rest, None)

    def ended(self, record: Heard | Failure) -> None:
        """Takes down what the take that is kept shows, where it is one of the first."""
        index = record.index if isinstance(record, Failure) else record.kept[0].utterance.index
        if index in self._planned:
            voice = self._planned.pop(index)
            if isinstance(record, Heard):
                speech, hearing = record.kept
                self._shown[voice].append((speech.utterance.voice, hearing.scores))
