"""Kokoro on the CPU: several utterances at a time, each sounding the same in any company and with any seed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voicegen.backend import Voice
from voicegen.errors import ModelError
from voicegen.protocols import Traits
from voicegen.records import Failure, Speech, Utterance
from voicegen.tts.kokoro.parts import ROOM, KokoroFiles, find_kokoro
from voicegen.tts.kokoro.phonemes import check_language, own_language, phonemes_of, speaks, tokens_of
from voicegen.tts.kokoro.spec import STARTER_MODEL
from voicegen.tts.threads import open_session, spoken_by_threads, usual_threads
from voicegen.tts.voices import check_voice_name

_USUAL_VOICE: Final = "af_heart"  # what Kokoro is demonstrated with


class KokoroSpeech:
    """A `SpeechModel` over Kokoro-82M; make it with `KokoroSpeech.load`.

    Attributes:
        voices: names that `Utterance.voice` may have.
        default: the voice of an utterance that names none.
        language: the code of the language that is spoken.
    """

    sample_rate = 24_000

    def __init__(self, session: Any, files: KokoroFiles, language: str, speed: float, threads: int) -> None:
        self.info = files.info
        self.voices = tuple(files.voices)
        self.default = _default(self.voices, language)
        self.language = language
        self._session = session
        self._files = files
        self._speed = speed
        self._threads = threads

    @classmethod
    def load(
        cls,
        model: str = STARTER_MODEL,
        *,
        revision: str | None = None,
        language: str = "en",
        threads: int | None = None,
    ) -> KokoroSpeech:
        """Loads a model with all of its voices.

        Args:
            model: `kokoro-82m`, whose parts are in wheels; a folder or its .onnx file; or `org/repository` on the hub.
            revision: branch, tag or commit on the hub.
            language: of the texts: en, es, fr, hi, it or pt.
            threads: utterances spoken at once; by default one for each processor, at most 8.

        Raises:
            MissingDependency: the wheels are not installed.
            ModelError: the model cannot be found or used, or does not speak the language.
        """
        check_language(language)
        files = find_kokoro(model, revision)
        return cls(_session(files), files, language, 1.0, threads or usual_threads())

    @property
    def traits(self) -> Traits:
        """Speaks one language, faster or slower by itself, with voices that it knows, and knows its room."""
        return Traits(self.language, self.at_speed, self.check_voices, self.fits, draws=False)

    def at_speed(self, speed: float) -> KokoroSpeech:
        """The same voices, sharing the loaded model, `speed` times as fast as their own pace."""
        return KokoroSpeech(self._session, self._files, self.language, speed, self._threads)

    def check_voices(self, names: Iterable[str]) -> None:
        """Refuses the first name that no utterance could be spoken with.

        Raises:
            ModelError: there is no such voice (says the nearest names), or it speaks another language.
        """
        check_voices(names, self.voices, self.language)

    def fits(self, utterance: Utterance) -> bool:
        """Whether the text has no more phonemes than one call takes."""
        return len(self._tokens(utterance.text, utterance.voice or self.default)) <= ROOM

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        """Yields one record an utterance in completion order; at most two utterances a thread are in hand."""
        return spoken_by_threads(utterances, self._speak_one, self._threads)

    def _speak_one(self, utterance: Utterance) -> Speech | Failure:
        started = time.thread_time()
        voice = utterance.voice or self.default
        try:
            self.check_voices([voice])
            samples = self._synthesize(self._tokens(utterance.text, voice), voice)
        except ModelError as error:
            return Failure(utterance.index, "tts", str(error), utterance.part)
        seconds = time.thread_time() - started
        spoken = replace(utterance, voice=voice)
        return Speech(spoken, samples, self.sample_rate, seconds=seconds, speed=self._speed)

    def _tokens(self, text: str, voice: str) -> list[int]:
        return tokens_of(phonemes_of(text, self.language, voice), self._files.vocabulary)

    def _synthesize(self, tokens: list[int], voice: str) -> NDArray[np.float32]:
        """Runs the model on a text; samples (N,) in [-1, 1].

        As Kokoro's own pipeline has it (hexgrad/kokoro, `KPipeline.infer`): a zero at either end, and of a voice's
        styles the one for as many tokens.
        """
        if not 0 < len(tokens) <= ROOM:
            found = f"{len(tokens)} phonemes, and there is room for {ROOM}" if tokens else "nothing to pronounce"
            raise ModelError(f"the voice finds {found} in the text")
        inputs = {
            _token_input(self._session): np.array([[0, *tokens, 0]], dtype=np.int64),
            "style": self._files.voices[voice][len(tokens) - 1][None],
            "speed": np.array([self._speed], dtype=np.float32),
        }
        samples = np.asarray(self._session.run(None, inputs)[0], dtype=np.float32).reshape(-1)
        return np.clip(samples, -1.0, 1.0)


def check_voices(names: Iterable[str], known: tuple[str, ...], language: str) -> None:
    """Refuses the first of `names` that is not among the `known` voices, or that speaks another language.

    Raises:
        ModelError: says the nearest names, or the voices of the language.
    """
    for name in names:
        check_voice_name(name, known)
        if not speaks(name, language):
            fitting = ", ".join(voice for voice in known if speaks(voice, language)) or "none here"
            raise ModelError(f"the voice {name} does not speak {language}; those that do: {fitting}")


def look(model: str, revision: str | None, language: str, voices: Iterable[str]) -> None:
    """Refuses what the files show before the model is loaded, as `KokoroSpeech.load` would.

    Raises:
        MissingDependency: the wheels are not installed.
        ModelError: the model or a voice is not there, or the language is not spoken.
    """
    check_language(language)
    known = tuple(find_kokoro(model, revision).voices)
    check_voices(voices or [_default(known, language)], known, language)


def voices_of(model: str, revision: str | None) -> list[Voice]:
    """All voices of a model, by name; loads nothing.

    Raises:
        MissingDependency: the wheels are not installed.
        ModelError: the model is not there.
    """
    return [Voice(name, own_language(name)) for name in sorted(find_kokoro(model, revision).voices)]


def _default(voices: tuple[str, ...], language: str) -> str:
    """The usual voice, else the first of the language's own, else the first that there is."""
    own = [voice for voice in sorted(voices) if speaks(voice, language)]
    native = [voice for voice in own if not (language[:2] == "en" and voice[:1] not in "ab")]
    return _USUAL_VOICE if _USUAL_VOICE in own else next(iter([*native, *own, *sorted(voices)]))


def _session(files: KokoroFiles) -> Any:
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf

    try:
        session = open_session(files.read_graph())
    except (Fail, InvalidGraph, InvalidProtobuf) as error:
        raise ModelError(f"{files.graph[0]} is not an ONNX model; download it again") from error
    names = {value.name: value.type for value in session.get_inputs()}
    if _token_input(session) not in names or {names.get("style"), names.get("speed")} != {"tensor(float)"}:
        raise ModelError(f"{files.graph[0]} is not Kokoro: its inputs are {', '.join(names)}")
    return session


def _token_input(session: Any) -> str:
    names = [value.name for value in session.get_inputs()]
    return "input_ids" if "input_ids" in names else "tokens"
