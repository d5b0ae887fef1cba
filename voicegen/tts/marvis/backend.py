"""Marvis as a `SpeechModel`: utterances with voices by name, spoken by the batched engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from voicegen.config import MarvisConfig, VoiceConfig
from voicegen.errors import VoicegenError
from voicegen.model_files import HUB_PATTERNS, find_model
from voicegen.protocols import SpeechStream
from voicegen.records import Failure, Speech, Utterance
from voicegen.tts.marvis.engine import Marvis
from voicegen.tts.marvis.requests import MAX_FRAMES, SpeechRequest
from voicegen.tts.voices import PromptFiles, VoiceCatalog, VoicePrompt, discover_prompts

DEFAULT_MODEL: Final = "Marvis-AI/marvis-tts-100m-v0.2"

_USUAL_VOICE: Final = "conversational_a"  # what the published checkpoints are demonstrated with


class MarvisSpeech:
    """A `SpeechModel` over a loaded engine; `MarvisSpeech.load` and `MarvisSpeech.open` are the usual ways.

    Attributes:
        voices: the names that `Utterance.voice` may have, and the voice of an utterance that names none.
    """

    def __init__(
        self,
        engine: Marvis,
        voices: VoiceCatalog | None = None,
        *,
        temperature: float = 0.9,
        top_k: int = 50,
        max_frames: int = MAX_FRAMES,
    ) -> None:
        self.info = engine.info
        self.sample_rate = engine.sample_rate
        self.voices = voices or VoiceCatalog({})
        self._engine = engine
        self._sampling: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "max_frames": max_frames}

    @classmethod
    def load(cls, settings: MarvisConfig, voices: VoiceConfig) -> MarvisSpeech:
        """Loads what a job's settings name, and checks every voice that the job will use.

        Raises:
            InputError: a voice's audio file is missing or cannot be read.
            ModelError: the checkpoint, the codec or the device cannot be used, or a voice.
        """
        own = {
            name: PromptFiles(prompt.audio, prompt.transcript, prompt.mode, prompt.language)
            for name, prompt in voices.prompts.items()
        }
        model = cls.open(
            settings.model,
            revision=settings.revision,
            codec=settings.codec,
            device=settings.device,
            dtype=settings.dtype,
            slots=None if settings.slots == "auto" else settings.slots,
            codebooks=settings.codebooks,
            prompts=own,
            language=settings.language,
            temperature=settings.temperature,
            top_k=settings.top_k,
            max_frames=settings.max_frames,
        )
        for name in {*voices.names, *own}:
            model.voices.get(name)
        return model

    @classmethod
    def open(
        cls,
        model: str = DEFAULT_MODEL,
        *,
        revision: str | None = None,
        codec: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        slots: int | None = None,
        codebooks: int | None = None,
        prompts: dict[str, PromptFiles] | dict[str, VoicePrompt] | None = None,
        language: str | None = None,
        **sampling: Any,
    ) -> MarvisSpeech:
        """Loads a checkpoint with the voices that it brings and those in `prompts`.

        An utterance that names no voice has the checkpoint's `conversational_a`, else the first voice of its own, else
        the first of `prompts`, else whatever the model falls into.

        Args:
            model: a folder, or `org/repository` on the hub.
            revision: branch, tag or commit on the hub.
            codec: a folder or repository; the checkpoint's own, else kyutai/mimi, if None.
            device: `auto`, `cuda`, `mps` or `cpu`.
            dtype: `auto`, `float32` or `bfloat16`.
            slots: utterances spoken at once; as many as the memory holds if None.
            codebooks: codebooks to generate; all if None.
            prompts: voices by name, in place of the checkpoint's where names are the same.
            language: refuse voice prompts of another language than this code.
            **sampling: `temperature`, `top_k` and `max_frames`.

        Raises:
            ModelError: the checkpoint, the codec or the device cannot be used.
        """
        engine = Marvis.load(model, device, dtype, codec, revision, slots=slots, codebooks=codebooks)
        found = discover_prompts(find_model(model, revision=revision, patterns=(*HUB_PATTERNS, "prompts/*")).path)
        default = _USUAL_VOICE if _USUAL_VOICE in found else next(iter([*found, *(prompts or {})]), None)
        return cls(engine, VoiceCatalog({**found, **(prompts or {})}, default, language), **sampling)

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        """Yields one record an utterance in completion order, pulling utterances as slots come free."""
        refused: list[Failure] = []
        for record in self._engine.speak(self._requests(utterances, refused), **self._sampling):
            yield record
            while refused:
                yield refused.pop(0)
        yield from refused

    def stream(self, utterance: Utterance) -> SpeechStream:
        """Yields the waveform in pieces as it is made, and returns the finish reason.

        Raises:
            VoicegenError: there is no such voice, or the text cannot be spoken.
        """
        return (yield from self._engine.stream(self._request(utterance), **self._sampling))

    def _requests(
        self, utterances: Iterable[Utterance | None], refused: list[Failure]
    ) -> Iterator[SpeechRequest | None]:
        """What the engine is given; utterances whose voice cannot be used are refused, and give way like None."""
        for utterance in utterances:
            if utterance is None:
                yield None
                continue
            try:
                request = self._request(utterance)
            except VoicegenError as error:
                refused.append(Failure(utterance.index, "tts", str(error), utterance.part))
                yield None
            else:
                yield request

    def _request(self, utterance: Utterance) -> SpeechRequest:
        return SpeechRequest(
            utterance.text, voice=self.voices.get(utterance.voice), seed=utterance.seed, utterance=utterance
        )
