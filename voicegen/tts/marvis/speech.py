"""Marvis as a `SpeechModel`: utterances with voices by name, spoken by the batched engine."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from voicegen.backend import Voice
from voicegen.errors import ModelError, VoicegenError
from voicegen.protocols import SpeechStream, Traits
from voicegen.records import Failure, Speech, Utterance
from voicegen.settings import VoiceConfig
from voicegen.tts.adjusted import resampled
from voicegen.tts.marvis.checkpoint import Checkpoint
from voicegen.tts.marvis.engine import Marvis
from voicegen.tts.marvis.orders import MAX_FRAMES, SpeechRequest
from voicegen.tts.marvis.spec import DEFAULT_MODEL, MarvisSettings
from voicegen.tts.speaking import taken_out
from voicegen.tts.voices import PromptFiles, VoiceCatalog, VoicePrompt

logger = logging.getLogger(__name__)

_SHORT_TEXT: Final = "Yes."


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
        sample_rate: int | None = None,
    ) -> None:
        """Speaks with an engine.

        Args:
            engine: a loaded one.
            voices: by name.
            temperature: of the sampling.
            top_k: codes that are drawn among.
            max_frames: of a take.
            sample_rate: Hz that is asked for; takes have it where the device resamples many at once, else the codec's.
        """
        self.info = engine.info
        self._resampler = engine.resampler(sample_rate) if sample_rate else None
        self.sample_rate = self._resampler.rate if self._resampler else engine.sample_rate
        self.voices = voices or VoiceCatalog({})
        self._engine = engine
        self._sampling: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "max_frames": max_frames}

    @classmethod
    def load(cls, settings: MarvisSettings, voices: VoiceConfig) -> MarvisSpeech:
        """Loads what a job's settings name, and checks every voice that the job will use.

        Raises:
            InputError: a voice's audio file is missing or cannot be read.
            ModelError: the checkpoint, the codec or the device cannot be used, or a voice.
        """
        model = cls.open(
            settings.model,
            revision=settings.revision,
            codec=settings.codec,
            device=settings.device,
            dtype=settings.dtype,
            slots=settings.slots,
            codebooks=settings.codebooks,
            exact=settings.exact,
            prompts=_own(voices),
            language=settings.language,
            temperature=settings.temperature,
            top_k=settings.top_k,
            max_frames=settings.max_frames,
            sample_rate=settings.sample_rate,
        )
        model.check_voices(_used(voices))
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
        slots: int | Literal["auto"] | None = None,
        codebooks: int | None = None,
        exact: bool = True,
        prompts: dict[str, PromptFiles] | dict[str, VoicePrompt] | None = None,
        language: str | None = None,
        **sampling: Any,
    ) -> MarvisSpeech:
        """Loads a checkpoint with the voices that it brings and those in `prompts`.

        An utterance that names no voice has the first of `prompts`, else the checkpoint's `conversational_a`, else the
        first of the checkpoint's voices, else whatever the model falls into; the checkpoint's only if its config does
        not say `use_default_voice_prompt: false`.

        Args:
            model: a folder, or `org/repository` on the hub.
            revision: branch, tag or commit on the hub.
            codec: a folder or repository; the checkpoint's own, else kyutai/mimi, if None.
            device: `auto`, `metal`, `mlx`, `cuda`, `mps` or `cpu`.
            dtype: `auto`, `float32`, `bfloat16` or `float16`.
            slots: utterances spoken at once; as many as the memory holds if None.
            codebooks: codebooks to generate; all if None.
            exact: whether a take's bits are the same in any company on the CPU.
            prompts: voices by name, in place of the checkpoint's where names are the same.
            language: refuse voice prompts of another language than this code.
            **sampling: `temperature`, `top_k`, `max_frames` and `sample_rate`.

        Raises:
            ModelError: the checkpoint, the codec or the device cannot be used.
        """
        engine = Marvis.load(model, device, dtype, codec, revision, slots=slots, codebooks=codebooks, exact=exact)
        checkpoint = Checkpoint.find(model, revision)
        catalog = _catalog(checkpoint, prompts or {}, language)
        for name, files in catalog.prompts.items():
            if isinstance(files, PromptFiles) and files.missing and name not in (prompts or {}):
                logger.warning("the voice %r is left out: its transcript %s is missing", name, files.missing)
        if checkpoint.voice_sources and not catalog.prompts:
            where = " or ".join(checkpoint.voice_sources)
            logger.warning(
                "%s brings no voice, and none is to be had from %s: the model falls into any voice "
                "(voice.prompts gives it one)",
                checkpoint.files.id,
                where,
            )
        return cls(engine, catalog, **sampling)

    @property
    def traits(self) -> Traits:
        """Knows its voices and its room; streams."""
        return Traits(check_voices=self.check_voices, fits=self.fits, stream=self.stream)

    def check_voices(self, names: Iterable[str | None]) -> None:
        """Makes voices ready, and refuses the first that could say nothing; None is the default voice.

        Raises:
            InputError: its audio file is missing or cannot be read.
            ModelError: there is no such voice, it cannot serve, or leaves no room for speech in the model's context.
        """
        for name in names:
            voice = self.voices.get(name)
            try:
                self._engine.check(SpeechRequest(_SHORT_TEXT, voice=voice))
            except ModelError as error:
                raise (ModelError(f"voice {name or self.voices.default!r}: {error}") if voice else error) from None

    def fits(self, utterance: Utterance) -> bool:
        """Whether text and voice leave room in the model's context for the speech; true where either cannot be used."""
        try:
            request = self._request(utterance)
        except VoicegenError:
            return True
        return self._engine.fits(request, self._sampling["max_frames"])

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        """Yields one record an utterance in completion order, pulling utterances as slots come free."""
        refused: list[Failure] = []
        for record in self._engine.speak(
            self._requests(utterances, refused), **self._sampling, resampler=self._resampler
        ):
            yield record
            yield from taken_out(refused)
        yield from refused

    def stream(self, utterance: Utterance) -> SpeechStream:
        """Yields the waveform in pieces as it is made, and returns the finish reason.

        Raises:
            VoicegenError: there is no such voice, or the text cannot be spoken.
        """
        stream = self._engine.stream(self._request(utterance), **self._sampling)
        if self._resampler is None:
            return (yield from stream)
        return (yield from resampled(stream, self._engine.sample_rate, self.sample_rate))

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
        voice = self.voices.get(utterance.voice)
        spoken = replace(utterance, voice=utterance.voice or self.voices.default)
        return SpeechRequest(utterance.text, voice=voice, seed=utterance.seed, utterance=spoken)


def look(settings: MarvisSettings, voices: VoiceConfig) -> None:
    """Refuses what the checkpoint's folder and the recordings show before anything is loaded.

    Raises:
        InputError: a voice's audio file is missing or cannot be read.
        ModelError: the checkpoint cannot be found or is none of Marvis, or a voice cannot serve.
    """
    checkpoint = Checkpoint.find(settings.model, settings.revision)
    catalog = _catalog(checkpoint, _own(voices), settings.language)
    for name in _used(voices):
        catalog.get(name)


def voices_of(settings: MarvisSettings, voices: VoiceConfig) -> list[Voice]:
    """The voices of a checkpoint, and those of one's own, which take the place of its; loads nothing.

    Raises:
        ModelError: the checkpoint cannot be found or is none of Marvis.
    """
    found, own = Checkpoint.find(settings.model, settings.revision).voices(), _own(voices)
    theirs = [Voice(name, files.language, str(files.audio.parent)) for name, files in found.items() if name not in own]
    return [*theirs, *(Voice(name, files.language, "voice.prompts") for name, files in own.items())]


def _own(voices: VoiceConfig) -> dict[str, PromptFiles]:
    return {
        name: PromptFiles(prompt.audio, prompt.transcript, prompt.mode, prompt.language)
        for name, prompt in voices.all_prompts.items()
    }


def _used(voices: VoiceConfig) -> Iterable[str | None]:
    return dict.fromkeys([*voices.all_speaking, *voices.all_prompts]) or [None]


def _catalog(
    checkpoint: Checkpoint, own: Mapping[str, PromptFiles | VoicePrompt], language: str | None
) -> VoiceCatalog:
    """The voices of a checkpoint and those of one's own."""
    found = checkpoint.voices()
    return VoiceCatalog({**found, **own}, next(iter(own), checkpoint.unasked(found)), language)
