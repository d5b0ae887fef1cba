"""The audio that a server gives its clients: files in one folder, and what clients are told of each."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from voicegen.audio.audio_file import encode_clip
from voicegen.audio.audio_format import AudioFormat
from voicegen.audio.origin import Origin
from voicegen.files import inside, write_atomic
from voicegen.mcp_server.refusals import Refusal
from voicegen.quality.verdict import Verdict
from voicegen.records import Speech

CLIPS = "clips"
"""The folder of them, in the output folder."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A take and what it is worth."""

    speech: Speech
    verdict: Verdict
    origin: Origin


@dataclass(frozen=True, slots=True)
class KeptClip:
    """An audio file of a server; `data` are its bytes."""

    name: str
    path: Path
    data: bytes
    seconds: float
    sampling_rate: int
    voice: str | None
    verdict: Verdict
    mime_type: str


class Clips:
    """Audio files under names that nobody can guess.

    Args:
        root: the output folder.
        audio: what the files are.
    """

    def __init__(self, root: Path, audio: AudioFormat) -> None:
        self._folder = root.absolute() / CLIPS
        self._audio = audio

    def keep(self, spoken: Spoken) -> KeptClip:
        """Writes a take to a file.

        Raises:
            OutputError: the folder cannot be written.
        """
        speech = spoken.speech
        name = f"{secrets.token_hex(12)}{self._audio.suffix}"
        path = self._folder / name
        clip, data = encode_clip(speech, 0, name, self._audio, spoken.origin)
        write_atomic(path, data)
        voice = speech.utterance.voice
        return KeptClip(name, path, data, clip.duration, clip.sampling_rate, voice, spoken.verdict, mime_type(name))

    def read(self, name: str) -> bytes:
        """A file's bytes.

        Raises:
            InputError: the name leads out of the folder.
            Refusal: there is no such clip.
        """
        path = inside(self._folder, name)
        if path.suffix not in (".wav", ".flac") or path.is_symlink() or not path.is_file():
            raise Refusal("unknown_clip", f"there is no clip {name!r}: use the link as it was given")
        return path.read_bytes()


def mime_type(name: str) -> str:
    """Of an audio file of that name."""
    return "audio/flac" if name.endswith(".flac") else "audio/wav"
