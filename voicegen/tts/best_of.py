"""Speaking with a listener behind: what is not good is spoken again, and the best take is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from voicegen.protocols import SpeechModel
from voicegen.quality.heard import Heard, at_next_attempt
from voicegen.quality.listener import Hearing
from voicegen.records import Failure, Speech, Utterance

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
