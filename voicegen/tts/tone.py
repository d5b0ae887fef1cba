"""A speech model that only hums: each utterance is a sine whose pitch depends on its text. For tests and for timing."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voicegen.backend import SpeechBackend
from voicegen.protocols import SpeechStream, Traits
from voicegen.records import Failure, ModelInfo, Speech, Utterance
from voicegen.settings import SpeakingSettings

_LEVEL: Final = 0.25  # of full scale
_SECONDS_A_CHARACTER: Final = 0.065  # about 15 characters a second, as people speak


class ToneSettings(SpeakingSettings):
    """The fake speech model."""

    kind: Literal["tone"]
    duration: Annotated[float, Field(gt=0)] | None


class ToneSpeech:
    """Speaks every utterance as a sine between 110 and 440 Hz that its text, voice and seed decide.

    Args:
        sample_rate: Hz.
        duration: seconds of each utterance; None for a length that follows the text's.
    """

    def __init__(self, sample_rate: int = 22_050, duration: float | None = 0.2) -> None:
        self.info = ModelInfo(id="tone", backend="tone")
        self.sample_rate = sample_rate
        self._duration = duration

    @property
    def traits(self) -> Traits:
        """Streams."""
        return Traits(stream=self.stream)

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        """Yields one record an utterance, in order; text of white space alone fails."""
        for utterance in utterances:
            if utterance is None:
                continue
            if not utterance.text.strip():
                yield Failure(utterance.index, "tts", "there is no text to speak", utterance.part)
                continue
            yield Speech(utterance, self._hum(utterance), self.sample_rate)

    def stream(self, utterance: Utterance) -> SpeechStream:
        """Yields the waveform in pieces of 80 ms."""
        samples = self._hum(utterance)
        piece = max(1, round(0.08 * self.sample_rate))
        for start in range(0, len(samples), piece):
            yield samples[start : start + piece]
        return "stop"

    def _hum(self, utterance: Utterance) -> NDArray[np.float32]:
        duration = self._duration if self._duration is not None else _SECONDS_A_CHARACTER * len(utterance.text)
        chosen = zlib.crc32(f"{utterance.text}\0{utterance.voice or ''}\0{utterance.seed}".encode(errors="replace"))
        pitch = 110.0 + chosen % 3300 / 10
        phase = np.arange(max(1, round(duration * self.sample_rate)), dtype=np.float32)
        phase *= np.float32(2 * np.pi * pitch / self.sample_rate)
        np.sin(phase, out=phase)
        phase *= np.float32(_LEVEL)
        return phase


SPEC: Final = SpeechBackend(
    settings=ToneSettings,
    owns=lambda name: name == "tone",
    settings_of=lambda _name: {},
    speech_model=lambda settings, _voices: ToneSpeech(duration=settings.duration),
    open=lambda _name, _device, _prompts: ToneSpeech(duration=None),
)
