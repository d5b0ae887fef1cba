"""Whether a take has the voice that it is to have: how like it is to a recording of that voice.

By Resemblyzer's encoder (`quality/voice_encoder.py`), with silences left out by each take's own floor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from voicegen.audio.resample import resample
from voicegen.errors import ConfigError
from voicegen.model_files import ModelWheel
from voicegen.quality.check import CheckSettings, CheckSpec, Measurement
from voicegen.quality.sound import FRAME, sound_of
from voicegen.quality.weights import Weights
from voicegen.records import Scores, Speech, Utterance
from voicegen.settings import NOT_IDENTITY, LocalPath

INSTALL: Final = "`uv sync --group similarity`"

WEIGHTS: Final = Weights(
    ModelWheel(
        package="resemblyzer",
        file="pretrained.pt",
        licence="apache-2.0",
        install=INSTALL,
        id="Resemblyzer's voice encoder",
    ),
    sha256="39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
    needs="torchaudio",
)
_KEPT: Final = 9  # frames of silence beside sound: a pause within speech says something of a voice
_LEAST: Final = 1.0  # seconds of speech: of less, nobody knows whose it is
_LEVEL: Final = 10 ** (-25 / 20)  # root mean square of what the encoder hears


def _recordings(prompts: Any) -> Any:
    """Of voice prompts, in one mapping by name or in several, the recordings."""
    several = [prompts] if isinstance(prompts, Mapping) else prompts
    named = {name: one for mapping in several for name, one in (mapping or {}).items()}
    return {name: one["audio"] if isinstance(one, Mapping) else one for name, one in named.items()}


class SimilaritySettings(CheckSettings):
    """Bounds of `voice_similarity`, and by the voice's name the recording that its takes are held against.

    What the recordings hold is part of a run's identity, not where they are.

    Attributes:
        prompts: of voices that are copied.
        recordings: of others; and of those, where another than the prompt is to be held against.
    """

    prompts: Annotated[Mapping[str, LocalPath], BeforeValidator(_recordings)] = Field(
        {}, json_schema_extra=NOT_IDENTITY
    )
    recordings: Annotated[Mapping[str, LocalPath], BeforeValidator(lambda given: given or {})] = Field(
        json_schema_extra=NOT_IDENTITY
    )

    @property
    def voices(self) -> Mapping[str, Path]:
        """All of them."""
        return {**self.prompts, **self.recordings}


class _Similarity:
    def __init__(self, settings: SimilaritySettings) -> None:
        import torch

        from voicegen.quality.voice_encoder import VoiceEncoder

        torch.set_num_threads(1)  # there are quality.workers of them
        self._encoder = VoiceEncoder.of(WEIGHTS.read())
        self._voices: dict[str | None, NDArray[np.float32]] = {
            name: self._embedded(_speech_in(_recorded(name, path))) for name, path in settings.voices.items()
        }

    def __call__(self, takes: Sequence[Speech]) -> list[Scores]:
        return [{"voice_similarity": self._similarity(take)} for take in takes]

    def _similarity(self, take: Speech) -> float | None:
        voice = self._voices.get(take.utterance.voice)
        if voice is None or (speech := _speech_in(take)).duration < _LEAST:
            return None
        return round(float(self._embedded(speech) @ voice), 3)

    def _embedded(self, speech: Speech) -> NDArray[np.float32]:
        from voicegen.quality.voice_encoder import RATE

        return np.asarray(self._encoder.embed(resample(speech.samples, speech.sampling_rate, RATE)))


def _speech_in(take: Speech) -> Speech:
    """What of it is speech, all of one level: the encoder looks at power."""
    frames = sound_of(take).frames
    beside = np.convolve(frames, np.ones(2 * _KEPT + 1))[_KEPT : _KEPT + len(frames)] > 0
    kept = np.repeat(beside, max(1, round(FRAME * take.sampling_rate)))[: len(take.samples)]
    samples = take.samples[: len(kept)][kept]
    level = float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
    return replace(take, samples=samples * np.float32(_LEVEL / level) if level else samples)


def _recorded(name: str, path: Path) -> Speech:
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise ConfigError(f"quality.checks.similarity.recordings.{name}={path}: {error}") from None
    return Speech(Utterance(0, "", name), samples.mean(axis=1), rate)


def _look(settings: SimilaritySettings) -> None:
    if not settings.voices:
        raise ConfigError(
            "quality.checks.similarity knows no voice: give voice.prompts, or a recording of each in "
            "quality.checks.similarity.recordings={NAME: FILE.wav}"
        )
    WEIGHTS.find()
    for name, path in settings.voices.items():
        if _speech_in(_recorded(name, path)).duration < _LEAST:
            raise ConfigError(
                f"quality.checks.similarity.recordings.{name}={path}: it holds less than {_LEAST:g} s of speech"
            )


SPEC: Final = CheckSpec(
    name="similarity",
    settings=SimilaritySettings,
    measurements=(
        Measurement(
            "voice_similarity",
            "How like the take's voice is to the recording of it, at most 1 (cosine of Resemblyzer's vectors); null "
            "where there is none, and for less than a second of speech.",
            "it has another voice",
        ),
    ),
    make=_Similarity,
    look=_look,
    apart=True,
    of_takes=True,
)
