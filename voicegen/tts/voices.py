"""Voices for models that copy one: a recording with its transcript, checked, and found by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from voicegen.audio.audio_file import read_audio
from voicegen.errors import ModelError
from voicegen.files import given_path
from voicegen.text.languages import family
from voicegen.text.spoken import is_speakable

Mode = Literal["match", "context"]

SHORTEST: Final = 3.0  # seconds
LONGEST: Final = 30.0

_FRAME: Final = 0.05  # seconds over which a level is measured
_SILENCE: Final = 10 ** (-50 / 20)  # of full scale: the level under which a frame holds no voice
_LEAST_SOUND: Final = 1.0  # seconds
_FLAT_RUN: Final = 4  # equal samples in a row at the peak: what a recorder leaves that was driven too hard
_CLIPPED_SHARE: Final = 0.0005  # of all samples


@dataclass(frozen=True, eq=False, slots=True)
class VoicePrompt:
    """A reference for a voice: what was said, and how it sounded.

    `match` lets the model go on speaking where the recording ends, which copies the voice most closely; `context`
    gives it the recording as an earlier turn of a conversation.

    Attributes:
        audio: float32 mono samples (N,), 3 to 30 s; several channels (N, C) are averaged.
        transcript: the words of `audio`.
        sampling_rate: Hz.
        mode: how the model uses it.
        language: the code of the language spoken, where it is known.
        name: for messages.

    Raises:
        ModelError: the recording cannot serve: too short or long, silent, clipped, no transcript.
    """

    audio: NDArray[np.float32]
    transcript: str
    sampling_rate: int = 24_000
    mode: Mode = "match"
    language: str | None = None
    name: str = ""

    def __post_init__(self) -> None:
        channels = np.asarray(self.audio, dtype=np.float32)
        problem = _problem(channels, self.sampling_rate, self.transcript, self.mode)
        if problem:
            raise ModelError(f"voice prompt{f' {self.name!r}' if self.name else ''}: {problem}")
        object.__setattr__(self, "audio", channels if channels.ndim == 1 else channels.mean(axis=1))

    @classmethod
    def from_files(
        cls,
        audio: Path | str,
        transcript: Path | str,
        mode: Mode = "match",
        *,
        language: str | None = None,
        name: str | None = None,
    ) -> VoicePrompt:
        """Reads a voice prompt.

        Args:
            audio: a WAV, FLAC or OGG of any rate, mono or stereo.
            transcript: the words; or a .txt file that holds them.
            mode: `match` or `context`.
            language: the code of the language spoken.
            name: for messages; the file's stem if none is given.

        Raises:
            ConfigError: a file is a URL.
            InputError: the audio file is missing or cannot be read.
            ModelError: the transcript is missing, or the recording cannot serve.
        """
        audio = given_path("audio", audio)
        samples, rate = read_audio(audio, mono=False)
        words = _transcript(transcript, audio)
        return cls(samples, words, rate, mode, language, audio.stem if name is None else name)

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.audio) / self.sampling_rate


@dataclass(frozen=True, slots=True)
class PromptFiles:
    """Where a voice prompt is, read when it is first asked for.

    Raises:
        ConfigError: a file is a URL.
    """

    audio: Path
    transcript: Path | str
    mode: Mode = "match"
    language: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "audio", given_path("audio", self.audio))
        if isinstance(self.transcript, Path):
            object.__setattr__(self, "transcript", given_path("transcript", self.transcript))

    @property
    def missing(self) -> Path | None:
        """The file of the transcript, where it is not there."""
        return self.transcript if isinstance(self.transcript, Path) and not self.transcript.is_file() else None


def discover_prompts(folder: Path) -> dict[str, PromptFiles]:
    """The voices that a checkpoint brings: `prompts/NAME.wav` with `prompts/NAME.txt`, by name.

    A voice whose transcript is missing is among them: asking for it is an error that names the file.
    """
    recordings = sorted((folder / "prompts").glob("*.wav"))
    return {audio.stem: PromptFiles(audio, audio.with_suffix(".txt")) for audio in recordings}


@dataclass(slots=True)
class VoiceCatalog:
    """Voices by name; each is read and checked once.

    Attributes:
        prompts: all that there are.
        default: the voice of an utterance that names none; None where the model is to choose.
        language: the code of the language to be spoken; a voice of another one is refused.
    """

    prompts: Mapping[str, PromptFiles | VoicePrompt]
    default: str | None = None
    language: str | None = None
    _read: dict[str, VoicePrompt] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Sorted."""
        return tuple(sorted(self.prompts))

    def get(self, name: str | None) -> VoicePrompt | None:
        """The voice of that name; the default voice for None.

        Raises:
            InputError: its audio file is missing or cannot be read.
            ModelError: there is no such voice (says the nearest names), it cannot serve or is of another language.
        """
        name = self.default if name is None else name
        if name is None:
            return None
        if name not in self.prompts:
            raise ModelError(self._unknown(name))
        if name not in self._read:
            self._read[name] = self._load(name, self.prompts[name])
        return self._read[name]

    def _load(self, name: str, prompt: PromptFiles | VoicePrompt) -> VoicePrompt:
        if isinstance(prompt, PromptFiles):
            prompt = VoicePrompt.from_files(
                prompt.audio, prompt.transcript, prompt.mode, language=prompt.language, name=name
            )
        if self.language and prompt.language and family(prompt.language) != family(self.language):
            raise ModelError(
                f"voice prompt {name!r} is in {prompt.language}, and {self.language} is to be spoken: "
                "use a recording in that language, or set the language to the recording's"
            )
        return prompt

    def _unknown(self, name: str) -> str:
        if not self.prompts:
            return f"there is no voice {name!r}: the model brings none, and none is configured under voice.prompts"
        near = difflib.get_close_matches(name, self.names, n=3, cutoff=0.4) or list(self.names[:5])
        return f"there is no voice {name!r}; the nearest names are {', '.join(near)}"


def check_voice_name(name: str, known: Sequence[str]) -> None:
    """Refuses a name that is none of a model's own voices.

    Raises:
        ModelError: says the nearest names.
    """
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.0)
        raise ModelError(f"there is no voice {name!r} in this model; the nearest names are {', '.join(near)}")


def _problem(channels: NDArray[np.float32], rate: int, transcript: str, mode: Any) -> str | None:
    """Why a recording with these channels (N,) or (N, C) cannot serve, and what to do."""
    if mode not in get_args(Mode):
        return f"mode is {mode!r}; it is match or context"
    if not is_speakable(transcript):
        return "its transcript is empty: write down the words that are spoken"
    if rate <= 0:
        return f"its sampling rate is {rate} Hz"
    if channels.ndim not in (1, 2) or not np.isfinite(channels).all():
        return "its audio must be finite samples of shape (N,) or (N, channels)"
    if channels.ndim == 2 and channels.shape[0] < channels.shape[1]:
        return f"its audio has the shape {channels.shape}, channels first: give (N,) or (N, channels), audio.T"
    duration = len(channels) / rate
    if not SHORTEST <= duration <= LONGEST:
        short = "short: record more" if duration < SHORTEST else "long: cut it"
        return f"its audio is {duration:.1f} s, too {short}; {SHORTEST:.0f} to {LONGEST:.0f} s are needed"
    mono = channels if channels.ndim == 1 else channels.mean(axis=1)
    sound = _seconds_of_sound(mono, rate)
    if sound == 0:
        return "its audio is silent: check the recording"
    if sound < _LEAST_SOUND:
        return f"its audio holds only {sound:.1f} s of sound; {_LEAST_SOUND:.0f} s are needed"
    if any(_clipped_share(channel) > _CLIPPED_SHARE for channel in channels.reshape(len(channels), -1).T):
        return "its audio is clipped: record again at a lower level"
    return None


def _seconds_of_sound(samples: NDArray[np.float32], rate: int) -> float:
    """Time in frames that are neither under the level of silence nor 30 dB under the loudest frame."""
    size = max(1, round(_FRAME * rate))
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    levels = np.sqrt(np.square(frames, dtype=np.float64).mean(axis=1))
    threshold = max(_SILENCE, float(levels.max(initial=0.0)) * 10 ** (-30 / 20))
    return float(np.count_nonzero(levels > threshold)) * size / rate


def _clipped_share(samples: NDArray[np.float32]) -> float:
    """Share of the samples that lie in flat tops: runs of equal samples at the largest magnitude."""
    magnitude = np.abs(samples)
    at_peak = magnitude >= 0.99 * magnitude.max()
    flat = at_peak[1:] & at_peak[:-1] & (np.abs(np.diff(samples)) <= 2**-15)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(np.int8)))
    runs = edges[1::2] - edges[::2] + 1
    return float(runs[runs >= _FLAT_RUN].sum()) / len(samples)


def _transcript(transcript: Path | str, audio: Path) -> str:
    """The words themselves, or those in a .txt file."""
    if not isinstance(transcript, str | Path):
        raise ModelError(
            f"the transcript of the voice prompt {audio} is {transcript!r}: "
            "give the words, or a .txt file that holds them"
        )
    if isinstance(transcript, str) and not transcript.strip().endswith(".txt"):
        return transcript.strip()
    path = given_path("transcript", transcript)
    try:
        return " ".join(path.read_text(encoding="utf-8-sig").split())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
        raise ModelError(f"the transcript {path} of the voice prompt {audio} cannot be read: {reason}") from error
