"""Piper voices (VITS in ONNX) on the CPU: several utterances at a time, each sounding the same in any company."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voicegen.backend import Voice
from voicegen.errors import ModelError
from voicegen.model_files import ModelFiles, find_model
from voicegen.protocols import SpeechStream, Traits
from voicegen.records import Failure, ModelInfo, Speech, Utterance
from voicegen.text.languages import family
from voicegen.tts.piper.spec import STARTER_VOICE
from voicegen.tts.threads import only_onnx, open_session, spoken_by_threads, usual_threads
from voicegen.tts.voices import check_voice_name

_NOISE_PER_PHONEME: Final = 1024  # values: 192 channels for the five frames that a slow phoneme lasts


class PiperSpeech:
    """A `SpeechModel` over one Piper voice; make it with `PiperSpeech.load`.

    A batch in one call of the model would save nothing, and change the ends of its shorter utterances.

    Attributes:
        voices: names that `Utterance.voice` may have; the first is the default.
        language: the code of the language that the voice speaks.
    """

    def __init__(
        self,
        session: Any,
        frontend: Any,
        noise_inputs: list[str],
        info: ModelInfo,
        speed: float,
        threads: int,
        language: str | None = None,
    ) -> None:
        config = frontend.config
        self.language = language
        self.info = info
        self.sample_rate: int = config.sample_rate
        self._session = session
        self._frontend = frontend
        self._noise_inputs = noise_inputs
        self._threads = threads
        self._speed = speed
        self._speakers: Mapping[str, int] = _speakers(config.num_speakers, config.speaker_id_map)
        self.voices = tuple(self._speakers) or (Path(info.id).stem,)
        self._scales = np.array(
            [config.noise_scale, config.length_scale * length_scale(speed), config.noise_w_scale], dtype=np.float32
        )

    @classmethod
    def load(
        cls,
        model: str = STARTER_VOICE,
        *,
        revision: str | None = None,
        language: str | None = None,
        threads: int | None = None,
    ) -> PiperSpeech:
        """Loads a voice.

        Args:
            model: a starter voice, a path of an .onnx file with its .onnx.json beside it, a folder that holds one such
                pair, or a file on the hub as `org/repository/path/voice.onnx`.
            revision: commit or tag on the hub.
            language: refuse a voice of another language than this code, such as `en` or `en-US`.
            threads: utterances spoken at once; by default one for each processor, at most 8.

        Raises:
            MissingDependency: the wheel of a starter voice is not installed.
            ModelError: the voice cannot be found, is no Piper voice or speaks another language.
        """
        files, path, settings = _found(model, revision, language)
        frontend, session, noise_inputs = _open(path, settings)
        info = ModelInfo(id=files.id, backend="piper", revision=files.revision, licence=files.licence)
        return cls(session, frontend, noise_inputs, info, 1.0, threads or usual_threads(), _language(settings))

    @property
    def traits(self) -> Traits:
        """Speaks one language, faster or slower by itself, with voices that it knows; streams."""
        return Traits(self.language, self.at_speed, self.check_voices, stream=self.stream)

    def at_speed(self, speed: float) -> PiperSpeech:
        """The same voice, sharing the loaded model, `speed` times as fast as its own pace."""
        return PiperSpeech(
            self._session, self._frontend, self._noise_inputs, self.info, speed, self._threads, self.language
        )

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        """Yields one record an utterance in completion order; at most two utterances a thread are in hand."""
        return spoken_by_threads(utterances, self._speak_one, self._threads)

    def stream(self, utterance: Utterance) -> SpeechStream:
        """Yields the waveform a sentence at a time; the pieces join to what `speak` gives.

        Raises:
            ModelError: the text holds nothing to pronounce, or there is no such voice.
        """
        speaker = self._speaker_id(utterance.voice)
        sentences = self._phoneme_ids(utterance.text)
        if not sentences:
            raise ModelError(f"the voice finds nothing to pronounce in {_shortened(utterance.text)!r}")
        noise = np.random.default_rng(utterance.seed)
        for ids in sentences:
            yield self._synthesize(ids, speaker, noise)
        return "stop"

    def check_voices(self, names: Iterable[str]) -> None:
        """Refuses names that no utterance could be spoken with.

        Raises:
            ModelError: there is no such voice; says the nearest names.
        """
        for name in names:
            self._speaker_id(name)

    def _speak_one(self, utterance: Utterance) -> Speech | Failure:
        started = time.thread_time()
        try:
            samples = np.concatenate(list(self.stream(utterance)))
        except ModelError as error:
            return Failure(utterance.index, "tts", str(error), utterance.part)
        spoken = replace(utterance, voice=utterance.voice or self.voices[0])
        seconds = time.thread_time() - started
        return Speech(spoken, samples, self.sample_rate, seconds=seconds, speed=self._speed)

    def _phoneme_ids(self, text: str) -> list[list[int]]:
        """Phoneme ids of each sentence that has a sound; `[[...]]`, Piper's raw phonemes, is taken for plain text."""
        sentences = self._frontend.phonemize(text.replace("[[", "[ ["))
        spoken = [phonemes for phonemes in sentences if any(phoneme.isalpha() for phoneme in "".join(phonemes))]
        return [self._frontend.phonemes_to_ids(phonemes) for phonemes in spoken]

    def _synthesize(self, ids: list[int], speaker: int | None, noise: np.random.Generator) -> NDArray[np.float32]:
        """Runs the model on one sentence; samples (N,) in [-1, 1]."""
        inputs: dict[str, NDArray[Any]] = {
            "input": np.array([ids], dtype=np.int64),
            "input_lengths": np.array([len(ids)], dtype=np.int64),
            "scales": self._scales,
        }
        if speaker is not None:
            inputs["sid"] = np.array([speaker], dtype=np.int64)
        for name in self._noise_inputs:
            inputs[name] = noise.standard_normal(_NOISE_PER_PHONEME * len(ids), dtype=np.float32)
        (samples,) = self._session.run(["output"], inputs)
        return np.clip(samples.reshape(-1), -1.0, 1.0)

    def _speaker_id(self, voice: str | None) -> int | None:
        voice = voice or self.voices[0]
        check_voice_name(voice, self.voices)
        return self._speakers.get(voice)


def look(model: str, revision: str | None, language: str | None, voices: Iterable[str]) -> None:
    """Refuses what the voice's own files show before it is loaded, as `PiperSpeech.load` would.

    Raises:
        MissingDependency: the wheel of a starter voice is not installed.
        ModelError: the voice cannot be found, is no Piper voice, speaks another language, or has no such speaker.
    """
    files, _, settings = _found(model, revision, language)
    for name in voices:
        check_voice_name(name, _names(files, settings))


def voices_of(model: str, revision: str | None) -> list[Voice]:
    """The speakers of a voice's file; loads nothing.

    Raises:
        MissingDependency: the wheel of a starter voice is not installed.
        ModelError: the voice cannot be found, or is no Piper voice.
    """
    files, _, settings = _found(model, revision, None)
    return [Voice(name, _language(settings)) for name in _names(files, settings)]


def voice_file(model: str) -> Path:
    """The .onnx file of a voice, named as for `PiperSpeech.load`; its settings lie beside it.

    Raises:
        MissingDependency: the wheel of a starter voice is not installed.
        ModelError: the voice cannot be found.
    """
    return only_onnx(find_model(model).path)


def _found(model: str, revision: str | None, language: str | None) -> tuple[ModelFiles, Path, dict[str, Any]]:
    """The model's files, the voice among them, and its settings, which are those of a voice of the language."""
    files = find_model(model, revision=revision)
    path = only_onnx(files.path)
    settings = _read_settings(path)
    spoken = _language(settings)
    if language and spoken and family(language) != family(spoken):
        raise ModelError(f"the voice {path.stem} speaks {spoken}, not {language}; choose another voice or language")
    return files, path, settings


def _open(path: Path, settings: dict[str, Any]) -> tuple[Any, Any, list[str]]:
    """Makes the text frontend and the onnxruntime session of a voice."""
    from piper import PiperVoice
    from piper.config import PiperConfig

    from voicegen.tts.piper.graph import load_seedable

    graph, noise_inputs = load_seedable(path)
    session = open_session(graph)
    frontend = PiperVoice(session=session, config=PiperConfig.from_dict(settings))
    return frontend, session, noise_inputs


def _read_settings(path: Path) -> dict[str, Any]:
    settings_path = path.with_name(f"{path.name}.json")
    try:
        settings = json.loads(settings_path.read_text(encoding="utf-8"))
        settings["audio"]["sample_rate"], settings["phoneme_id_map"]
    except FileNotFoundError:
        raise ModelError(f"the voice {path} has no settings beside it: {settings_path.name} is missing") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{settings_path} is not the settings file of a Piper voice") from error
    return dict(settings)


def _language(settings: dict[str, Any]) -> str | None:
    return settings.get("language", {}).get("code") or settings.get("espeak", {}).get("voice")


def length_scale(speed: float) -> float:
    """The factor for a voice's own length scale that makes its speech 1 / `speed` times as long.

    Not 1 / `speed` itself: VITS rounds each phoneme up to whole frames, so a quarter of the length stays whatever the
    scale. Measured on en_US-joe at scales from 0.3 to 2.5: length = 0.25 + 0.75 * scale, within 4 percent.
    """
    return max((1.0 / speed - 0.25) / 0.75, 0.1)


def _speakers(count: int, ids: Mapping[str, int]) -> dict[str, int]:
    """Names of a file's several speakers in order of their ids; plain numbers where it names none."""
    named = dict(sorted(ids.items(), key=lambda speaker: speaker[1]))
    return named or {str(number): number for number in range(count)} if count > 1 else {}


def _names(files: ModelFiles, settings: dict[str, Any]) -> tuple[str, ...]:
    """What the speakers of a file are called; one that is alone, as its file."""
    return tuple(_speakers(settings.get("num_speakers", 1), settings.get("speaker_id_map", {}))) or (
        Path(files.id).stem,
    )


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
