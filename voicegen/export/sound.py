"""The audio of a row as an export holds it: the run's own bytes where nothing changes, else encoded anew."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import soundfile

from voicegen.audio.audio_file import encode_audio, peak_dbfs
from voicegen.audio.audio_format import AudioFormat
from voicegen.audio.resample import resample
from voicegen.bounds import Container, Subtype
from voicegen.errors import InputError

_FLAC_SUBTYPES: Final[Mapping[str, Subtype]] = {"PCM_16": "PCM_16", "PCM_24": "PCM_24", "FLOAT": "PCM_24"}


@dataclass(frozen=True, slots=True)
class Sound:
    """An audio file in memory; `sampling_rate` in Hz, `num_samples` a channel, `sha256` of `data` in hex.

    `peak` is in dBFS, and None for bytes that are the run's own.
    """

    data: bytes
    container: Container
    sampling_rate: int
    num_samples: int
    sha256: str
    peak: float | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the audio of an export is to be; None: as it is in the run."""

    sampling_rate: int | None = None
    container: Container | None = None


def read_sound(path: Path, rate: int, num_samples: int, digest: str | None, wanted: Wanted) -> Sound:
    """The audio at `path`, of which the manifest gives the rate, the samples and the SHA-256, as it is wanted.

    What its metadata says of it is kept.

    Raises:
        InputError: it is missing or is not what the manifest says; says how to make it again.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path} cannot be read: {reason}; {_REMEDY}") from None
    if digest is not None and (found := sha256(data).hexdigest()) != digest:
        raise InputError(f"{path} is not what the manifest says: its SHA-256 is {found[:12]}...; {_REMEDY}")
    container = AudioFormat.of_name(path).container
    target = Wanted(wanted.sampling_rate or rate, wanted.container or container)
    if target == Wanted(rate, container):
        return Sound(data, container, rate, num_samples, digest or sha256(data).hexdigest())
    return _encoded(path, data, target)


_REMEDY = "run `voicegen verify RUN --fix`, then the run's command again"


def _encoded(path: Path, data: bytes, wanted: Wanted) -> Sound:
    rate, container = wanted.sampling_rate, wanted.container
    assert rate is not None
    assert container is not None
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as source:
            samples, from_rate = source.read(dtype="float32"), source.samplerate
            subtype, tags = source.subtype, source.copy_metadata()
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path} cannot be read as audio: {error.error_string.rstrip('.')}; {_REMEDY}") from None
    samples = resample(samples, from_rate, rate)
    audio = AudioFormat(container, _FLAC_SUBTYPES[subtype] if container == "flac" else subtype)
    encoded = encode_audio(samples, rate, audio, tags)
    return Sound(encoded, container, rate, len(samples), sha256(encoded).hexdigest(), round(peak_dbfs(samples), 2))
