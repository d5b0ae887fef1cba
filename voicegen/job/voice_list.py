"""The voices that there are, by backend, and a clip of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicegen import build
from voicegen.audio.audio_file import encode_clip
from voicegen.audio.origin import Origin
from voicegen.backend import Voice
from voicegen.config import JobConfig
from voicegen.errors import ConfigError, VoicegenError
from voicegen.files import write_atomic
from voicegen.job.places import place_of
from voicegen.quality.listener import Listener
from voicegen.records import Failure, Utterance
from voicegen.seeds import derived_seed
from voicegen.text.languages import family
from voicegen.tts.backends import SPEECH
from voicegen.tts.best_of import best_takes
from voicegen.tts.speaking import words_of

SAMPLE = "Hello, this is how I sound. Seven letters came on Monday: who wrote them?"
"""What each voice says, in English."""


@dataclass(frozen=True, slots=True)
class VoiceList:
    """The voices of one backend.

    Attributes:
        place: what the model is and where, or why there is none.
        voices: what it has; none where the model is not here.
    """

    config: JobConfig
    place: str
    voices: Sequence[Voice]

    @classmethod
    def of(cls, config: JobConfig) -> VoiceList:
        """Looks at the model that the settings name, and loads and fetches nothing."""
        kind = config.tts.kind
        here, place = place_of(config.tts)
        if not here:
            return cls(config, place, ())
        try:
            voices = SPEECH[kind].voices(config.tts, config.voice)
        except VoicegenError as error:
            return cls(config, f"{place}: {error}", ())
        if voices is None:
            return cls(config, f"{place}: it gives no list of its voices", ())
        return cls(config, place, voices)

    def lines(self) -> Iterator[str]:
        """The page: what the model is, then a line a voice."""
        yield f"{self.config.tts.kind:<9} {self.place}"
        width = max((len(voice.name) for voice in self.voices), default=0)
        for voice in self.voices:
            yield f"  {voice.name:<{width}}  {voice.language or '':<5}  {voice.source}".rstrip()

    def speak(self, folder: Path, text: str | None) -> Iterator[Path | Failure]:
        """Has each voice say `text`, or the sample, into `KIND-VOICE.wav`, or .flac; a take is judged as a run would.

        Raises:
            VoicegenError: the model or the folder cannot be used, or there is no sample in the language.
        """
        config = self.config
        if text is None and family(config.tts.language) != "en":
            raise ConfigError(f"voices speak {config.tts.language} here: say what, with --text TEXT")
        said = words_of(text or SAMPLE, config.wording)
        names = [voice.name for voice in self.voices]
        utterances = (
            Utterance(place, said, name, derived_seed(config.seed, place)) for place, name in enumerate(names)
        )
        with Listener(config.quality) as listener:
            model = build.speech_model(config)
            takes = best_takes(model, utterances, listener.hear, config.quality.max_attempts)
            for record in takes:
                if isinstance(record, Failure):
                    yield record
                    continue
                speech, _ = record.kept
                name = names[speech.utterance.index]
                path = folder / f"{config.tts.kind}-{_as_file(name)}{config.tts.audio.suffix}"
                write_atomic(path, encode_clip(speech, 0, path.name, config.tts.audio, Origin(model.info))[1])
                yield path


def _as_file(name: str) -> str:
    """A voice's name as part of a file's."""
    return "".join(letter if letter.isalnum() or letter in "._+- " else "_" for letter in name)
