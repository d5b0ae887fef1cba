"""Speech at the rate and speed that somebody asked for, from a model that has its own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import soxr
from numpy.typing import NDArray

from voicegen.audio.resample import resample
from voicegen.audio.stretch import stretch
from voicegen.protocols import SpeechModel, SpeechStream, Traits
from voicegen.records import Failure, Speech, Utterance
from voicegen.tts.speaking import mapped, speak_one


class AdjustedSpeech:
    """A `SpeechModel` over another: resampled, and played faster or slower with the pitch kept.

    Args:
        model: the other.
        sample_rate: Hz; None for the model's own.
        speed: how many times as fast as the model speaks by itself.
    """

    def __init__(self, model: SpeechModel, sample_rate: int | None = None, speed: float = 1.0) -> None:
        self.info = model.info
        self.sample_rate = sample_rate or model.sample_rate
        self._model = model
        self._speed = speed

    @classmethod
    def around(cls, model: SpeechModel, sample_rate: int | None = None, speed: float = 1.0) -> SpeechModel:
        """`model` at that rate and speed; `model` itself when it has them already.

        A model that sets its own speed does so, and is not stretched.
        """
        if speed != 1.0 and (at_speed := model.traits.at_speed) is not None:
            model, speed = at_speed(speed), 1.0
        return model if speed == 1.0 and sample_rate in (None, model.sample_rate) else cls(model, sample_rate, speed)

    @property
    def traits(self) -> Traits:
        """The inner model's, and it streams."""
        inner = self._model.traits
        faster = inner.at_speed
        at_speed = faster and (lambda speed: AdjustedSpeech(faster(speed), self.sample_rate, self._speed))
        return replace(inner, at_speed=at_speed, stream=self.stream)

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        """Yields the inner model's records as they come, adjusted."""
        for record in self._model.speak(utterances):
            yield record if isinstance(record, Failure) else self._adjusted(record)

    def stream(self, utterance: Utterance) -> SpeechStream:
        """Yields the waveform in pieces as it is made; in one piece at the end where the speed is changed.

        Raises:
            ModelError: the text cannot be spoken.
        """
        inner = self._model.traits.stream
        if self._speed != 1.0 or inner is None:
            speech = speak_one(self, utterance)
            yield speech.samples
            return speech.finish_reason
        return (yield from resampled(inner(utterance), self._model.sample_rate, self.sample_rate))

    def _adjusted(self, speech: Speech) -> Speech:
        started = time.thread_time()
        samples = stretch(speech.samples, speech.sampling_rate, self._speed)
        samples = _within_full_scale(resample(samples, speech.sampling_rate, self.sample_rate))
        seconds = speech.seconds + time.thread_time() - started
        speed = speech.speed * self._speed
        return replace(speech, samples=samples, sampling_rate=self.sample_rate, seconds=seconds, speed=speed)


def resampled(stream: SpeechStream, from_rate: int, to_rate: int) -> SpeechStream:
    """A stream whose pieces join to the waveform of `stream` at another rate, by soxr's best quality."""
    resampler = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="VHQ")
    reason = yield from mapped(lambda piece: _within_full_scale(resampler.resample_chunk(piece)), stream)
    yield _within_full_scale(resampler.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
    return reason


def _within_full_scale(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """A resampler's filter overshoots where a peak is at full scale."""
    return np.clip(samples, -1.0, 1.0)
