"""Speaking one utterance with any speech model, whole or as a stream."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import ModelError
from voicegen.protocols import SpeechModel, SpeechStream
from voicegen.reading.written import read_written
from voicegen.records import Failure, FinishReason, Speech, Utterance
from voicegen.text.longest import too_long
from voicegen.text.spoken import checked_form
from voicegen.text.wording import Wording

T = TypeVar("T")

_SEVERITY: Final[tuple[FinishReason, ...]] = ("stop", "length", "runaway")


def words_of(text: str, wording: Wording) -> str:
    """What is to be said of a text, which a model may have written: the spoken form of its answer, never empty.

    Raises:
        ModelError: there is nothing to say, or far too much, or a sentence would lose a part of it.
    """
    if excess := too_long(text):
        raise ModelError(f"the text has {excess}")
    written = read_written(text)
    form = checked_form(written.answer, wording)
    if form.problem is not None:
        raise ModelError(form.problem)
    if form.text:
        return form.text
    raise ModelError(written.problem or "the text holds nothing to say aloud")


def speak_one(model: SpeechModel, utterance: Utterance) -> Speech:
    """Speaks `utterance` alone.

    Raises:
        ModelError: it could not be spoken; the text of the failure.
    """
    (record,) = model.speak([utterance])
    if isinstance(record, Failure):
        raise ModelError(record.error)
    return record


def stream_one(model: SpeechModel, utterance: Utterance) -> SpeechStream:
    """Speaks `utterance` alone, in pieces as they are made; in one piece where the model does not stream.

    Raises:
        ModelError: it could not be spoken.
    """
    if (stream := model.traits.stream) is not None:
        return (yield from stream(utterance))
    speech = speak_one(model, utterance)
    yield speech.samples
    return speech.finish_reason


def mapped(function: Callable[[NDArray[np.float32]], T], stream: SpeechStream) -> Generator[T, None, FinishReason]:
    """A stream of what `function` makes of each piece; ends as `stream` does, and closes it."""
    with closing(stream):
        while True:
            try:
                piece = next(stream)
            except StopIteration as end:
                reason: FinishReason = end.value
                return reason
            yield function(piece)


def taken_out(records: list[T]) -> Iterator[T]:
    """Empties a list, from its beginning: of what came up while a model pulled its source."""
    while records:
        yield records.pop(0)


def worst(*reasons: FinishReason) -> FinishReason:
    """How a take ended whose parts ended so."""
    return max(reasons, key=_SEVERITY.index)
