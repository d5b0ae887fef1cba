"""Audio files in and out: float32 samples in [-1, 1] on our side, WAV or FLAC on disk."""

from __future__ import annotations

import io
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from voicegen.audio.audio_format import WAV, AudioFormat
from voicegen.audio.origin import Origin
from voicegen.audio.wav import wav
from voicegen.bounds import Subtype
from voicegen.errors import InputError
from voicegen.files import write_atomic
from voicegen.records import Clip, Speech

NO_TAGS: Final[Mapping[str, str]] = MappingProxyType({})
SILENCE_DBFS: Final = -120.0  # what the peak of digital silence is called: JSON and Parquet readers dislike -inf

_BELOW_ONE = np.float32(1 - 2**-24)  # the next 32-bit float: one itself has no 32-bit whole number


def encode_audio(
    samples: NDArray[np.floating[Any]], rate: int, audio: AudioFormat = WAV, tags: Mapping[str, str] = NO_TAGS
) -> bytes:
    """Encodes mono `samples` (N,) at `rate` Hz as a file; equal input gives equal bytes.

    Samples beyond [-1, 1] are clipped in every subtype, so that a float file sounds like a PCM one. A FLAC holds
    exactly the samples that a WAV of the same subtype does. `tags` go into the file's metadata, as `Origin.tags` names
    them.

    Raises:
        ValueError: `samples` is not one-dimensional or holds NaN or infinity.
    """
    return _encoded(_held(samples, audio.subtype), rate, audio, tags)


def encode_clip(
    speech: Speech, index: int, path: str, audio: AudioFormat = WAV, origin: Origin | None = None
) -> tuple[Clip, bytes]:
    """The file of a take that is to lie at `path`, as datasets know it, and its bytes; `origin` says what made it.

    Raises:
        OutputError: it is to be signed, and cannot be.
        ValueError: as `encode_audio`.
    """
    tags = NO_TAGS if origin is None else origin.tags(index, speech.utterance.voice)
    held = _held(speech.samples, audio.subtype)
    data, sound = _encoded(held, speech.sampling_rate, audio, tags), _sound_sha256(held)
    if origin is not None and origin.signer is not None:
        data = origin.signer.signed(data, audio, origin.claim(index, speech.utterance.voice))
    digest, peak = sha256(data).hexdigest(), round(peak_dbfs(speech.samples), 2)
    return Clip(index, path, speech.sampling_rate, len(speech.samples), digest, peak, len(data), sound), data


def samples_sha256(data: bytes) -> str:
    """The SHA-256 in hex of the samples in a file, as 32-bit floats in little-endian order: of the sound alone.

    Files with other tags, another signature or of another kind (WAV, FLAC) have the same, where they sound the same.
    """
    samples, _ = soundfile.read(io.BytesIO(data), dtype="float32")
    return _sound_sha256(samples)


def write_audio(
    path: Path | str,
    samples: NDArray[np.floating[Any]],
    rate: int,
    audio: AudioFormat = WAV,
    tags: Mapping[str, str] = NO_TAGS,
) -> None:
    """Encodes `samples` as `encode_audio` does and writes them atomically.

    Raises:
        OutputError: the folder cannot be written or the disk is full.
        ValueError: as `encode_audio`.
    """
    write_atomic(path, encode_audio(samples, rate, audio, tags))


def read_audio(path: Path | str, mono: bool = True) -> tuple[NDArray[np.float32], int]:
    """Reads an audio file (WAV, FLAC, OGG and whatever else libsndfile knows).

    Returns:
        float32 samples, (N,) with the channels averaged or (N, C) where `mono` is false, and the rate in Hz.

    Raises:
        InputError: the file is missing or is not audio.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"audio file {path} does not exist")
    samples, rate = _decoded(path, path)
    return (samples.mean(axis=1) if mono else samples), rate


def decode_audio(data: bytes, named: str) -> tuple[NDArray[np.float32], int]:
    """Samples (N,) and the rate in Hz, as `read_audio` gives them, of a file's bytes.

    Raises:
        InputError: they are no audio.
    """
    samples, rate = _decoded(io.BytesIO(data), named)
    return samples.mean(axis=1), rate


def _decoded(file: Path | io.BytesIO, named: object) -> tuple[NDArray[np.float32], int]:
    try:
        samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"cannot read {named} as audio: {error.error_string.rstrip('.')}") from error
    return samples, rate


def peak_dbfs(samples: NDArray[np.floating[Any]]) -> float:
    """The largest magnitude in dBFS: 0 is full scale, `SILENCE_DBFS` is the floor and what no samples at all give."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0:
        return SILENCE_DBFS
    return max(20.0 * float(np.log10(peak)), SILENCE_DBFS)


def _held(samples: NDArray[np.floating[Any]], subtype: Subtype) -> NDArray[Any]:
    """Samples (N,) as a file holds them: 16 bits, 24 bits at the top of 32, or floats.

    As libsndfile rounds floats for a WAV; it rounds them otherwise for FLAC, and takes its time with both.
    """
    if samples.ndim != 1:
        raise ValueError(f"samples must be mono, of shape (N,); got {samples.shape}")
    if not np.isfinite(samples).all():
        raise ValueError("samples hold NaN or infinity")
    if subtype == "FLOAT":
        return np.asarray(np.clip(samples, -1.0, 1.0), np.float32)
    scaled = np.clip(samples.astype(np.float32, copy=False), -1.0, _BELOW_ONE)
    scaled *= np.float32(2**31)
    whole: NDArray[np.int32] = np.rint(scaled, out=scaled).astype(np.int32)
    return np.asarray(whole >> 16, np.int16) if subtype == "PCM_16" else np.asarray(whole & ~0xFF)


def _sound_sha256(held: NDArray[Any]) -> str:
    if held.dtype.kind == "i":
        held = held * np.float32(0.5 ** (8 * held.itemsize - 1))
    return sha256(np.ascontiguousarray(held, "<f4").data).hexdigest()


def _encoded(samples: NDArray[Any], rate: int, audio: AudioFormat, tags: Mapping[str, str]) -> bytes:
    if audio.container == "wav":
        return wav(samples, rate, audio.subtype, tags)
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, channels=1, format="FLAC", subtype=audio.subtype) as file:
        for name, tag in tags.items():
            setattr(file, name, tag)
        file.write(samples)
    return buffer.getvalue()
