"""Speaks texts of any length with a model that speaks short ones well: split, spoken in one stream, joined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from voicegen.protocols import SpeechModel, SpeechStream, Traits
from voicegen.records import Failure, FinishReason, Speech, Utterance
from voicegen.seeds import derived_seed
from voicegen.text.split import split_for_speech
from voicegen.tts.joining import Joiner, joined
from voicegen.tts.speaking import mapped, stream_one, worst

LONGEST_PART: Final = 400  # characters spoken at once, unless a job's settings have another number

_SHORTEST: Final = 20  # characters that a part may have at least, however little room there is


class LongTextSpeech:
    """A `SpeechModel` over another that gives it no text longer than `max_chars` characters.

    A model whose traits have `fits` is given shorter ones where it has no room for so much.

    Parts of one text share its voice and have seeds of their own, made from the text's. Parts of several texts are
    spoken side by side; a text is yielded when its last part is done. No more is kept than the parts of the texts
    that the inner model has in hand.
    """

    def __init__(self, model: SpeechModel, max_chars: int = LONGEST_PART) -> None:
        self.info = model.info
        self.sample_rate = model.sample_rate
        self._model = model
        self._max_chars = max_chars
        self._fits = model.traits.fits

    @property
    def traits(self) -> Traits:
        """The inner model's, and it streams."""
        inner = self._model.traits
        faster = inner.at_speed
        at_speed = faster and (lambda speed: LongTextSpeech(faster(speed), self._max_chars))
        return replace(inner, at_speed=at_speed, stream=self.stream)

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        """Yields one record an utterance in completion order.

        The finish reason is the worst of the parts'; a part that fails fails its utterance, and says where in the text.
        """
        unfinished: dict[int, tuple[_Joining, int]] = {}
        for record in self._model.speak(self._parts(utterances, unfinished)):
            number = record.index if isinstance(record, Failure) else record.utterance.index
            joining, place = unfinished.pop(number)
            joined = joining.add(place, record)
            if joined is not None:
                yield joined

    def stream(self, utterance: Utterance) -> SpeechStream:
        """Yields the waveform in pieces as it is made; a part at a time where the inner model does not stream.

        The finish reason is the worst of the parts'.

        Raises:
            ModelError: the text cannot be spoken.
        """
        parts = self.parts(utterance)
        if len(parts) == 1:
            return (yield from stream_one(self._model, utterance))
        reason: FinishReason = "stop"
        joiner = Joiner(self.sample_rate)
        for place, part in enumerate(parts):
            reason = worst(reason, (yield from mapped(joiner.add, stream_one(self._model, part))))
            yield joiner.next_part(part.text) if place < len(parts) - 1 else joiner.end()
        return reason

    def _parts(
        self, utterances: Iterable[Utterance | None], unfinished: dict[int, tuple[_Joining, int]]
    ) -> Iterator[Utterance | None]:
        """What the inner model is given. Its indices are numbers of our own, so that every record finds its text."""
        number = 0
        for utterance in utterances:
            if utterance is None:
                yield None
                continue
            parts = self.parts(utterance)
            joining = _Joining(utterance, [part.text for part in parts])
            for place, part in enumerate(parts):
                if joining.failed:
                    break
                unfinished[number] = (joining, place)
                yield replace(part, index=number)
                number += 1

    def parts(self, utterance: Utterance) -> list[Utterance]:
        """What is spoken of a text one after the other: itself, where it is short enough."""
        texts = self._texts(utterance)
        if len(texts) < 2:
            return [utterance]
        return [
            replace(utterance, text=text, part=place, seed=derived_seed(utterance.seed, place))
            for place, text in enumerate(texts)
        ]

    def _texts(self, utterance: Utterance) -> list[str]:
        max_chars = self._max_chars
        texts = split_for_speech(utterance.text, max_chars)
        while self._fits and max_chars >= 2 * _SHORTEST and not all(map(self._fits, _each(utterance, texts))):
            max_chars //= 2
            texts = split_for_speech(utterance.text, max_chars)
        return texts


def _each(utterance: Utterance, texts: list[str]) -> Iterator[Utterance]:
    return (replace(utterance, text=text) for text in texts)


@dataclass(slots=True)
class _Joining:
    """The parts of one utterance that are done so far."""

    utterance: Utterance
    texts: list[str]
    done: dict[int, Speech] = field(default_factory=dict)
    failed: bool = False

    def add(self, place: int, record: Speech | Failure) -> Speech | Failure | None:
        """Takes a part in; gives the whole when this was the last one, or its failure when this is the first."""
        if self.failed:
            return None
        if isinstance(record, Failure):
            self.failed = True
            self.done.clear()
            return replace(
                record, index=self.utterance.index, part=self.utterance.part, error=self._where(place) + record.error
            )
        self.done[place] = record
        return self._joined() if len(self.done) == len(self.texts) else None

    def _joined(self) -> Speech:
        parts = [self.done[place] for place in range(len(self.texts))]
        spoken = replace(self.utterance, voice=parts[0].utterance.voice)
        if len(parts) == 1:
            return replace(parts[0], utterance=spoken)
        rate = parts[0].sampling_rate
        return Speech(
            spoken,
            joined([(text, part.samples) for text, part in zip(self.texts, parts, strict=True)], rate),
            rate,
            finish_reason=worst(*(part.finish_reason for part in parts)),
            seconds=sum(part.seconds for part in parts),
            speed=parts[0].speed,
        )

    def _where(self, place: int) -> str:
        if len(self.texts) == 1:
            return ""
        start = self.texts[place][:30]
        return f"part {place + 1} of {len(self.texts)} of the text, from {start!r}: "
