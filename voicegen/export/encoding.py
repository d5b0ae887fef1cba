"""How the audio of an export may be encoded: as a run's own, or as Opus and MP3, which are smaller and lose some of it.

Opus is in Ogg (RFC 6716, RFC 7845), MP3 is ISO/IEC 11172-3 and 13818-3, both by libsndfile at its own bit rates. No two
encodings as Opus have the same bytes, so a hash of either is of the samples that were encoded.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np
import soundfile
from numpy.typing import NDArray

from voicegen.audio.audio_file import encode_audio
from voicegen.audio.audio_format import CONTAINERS, AudioFormat
from voicegen.bounds import Container, Subtype
from voicegen.errors import ConfigError

Smaller = Literal["opus", "mp3"]
Encoding = Container | Smaller

_FLAC_SUBTYPES: Final[Mapping[Subtype, Subtype]] = MappingProxyType(
    {"PCM_16": "PCM_16", "PCM_24": "PCM_24", "FLOAT": "PCM_24"}
)

ENCODINGS: Final[tuple[Encoding, ...]] = (*CONTAINERS, *get_args(Smaller))


@dataclass(frozen=True, slots=True)
class _Codec:
    """What libsndfile calls it, and the rates in Hz that it holds."""

    format: str
    subtype: str
    rates: tuple[int, ...]


_CODECS: Final[Mapping[Encoding, _Codec]] = MappingProxyType(
    {
        "opus": _Codec("OGG", "OPUS", (8000, 12_000, 16_000, 24_000, 48_000)),
        "mp3": _Codec("MP3", "MPEG_LAYER_III", (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)),
    }
)


def is_lossy(encoding: Encoding | None) -> bool:
    """Whether it holds other samples than it is given."""
    return encoding in _CODECS


def check_rate(encoding: Encoding, rate: int) -> None:
    """Refuses a rate in Hz that an encoding cannot hold.

    Raises:
        ConfigError: says which it can, and which one to ask for.
    """
    if encoding not in _CODECS or rate in _CODECS[encoding].rates:
        return
    rates = _CODECS[encoding].rates
    near = next((held for held in rates if held > rate), rates[-1])
    held = f"{', '.join(map(str, rates[:-1]))} or {rates[-1]}"
    raise ConfigError(f"--format {encoding} holds audio of {held} Hz, not of {rate}: give --sample-rate {near}")


def encoded(
    samples: NDArray[np.float32], rate: int, encoding: Encoding, subtype: Subtype, tags: Mapping[str, str]
) -> tuple[bytes, str]:
    """Encodes mono `samples` (N,) at `rate` Hz, those beyond [-1, 1] clipped; a decoder gives N of them back.

    Args:
        samples: of an audio file.
        rate: one that `check_rate` lets pass.
        encoding: how.
        subtype: of the file that they are of, which WAV keeps, and FLAC where it can.
        tags: for the file's metadata, as `Origin.tags` names them.

    Returns:
        The file, and its SHA-256 in hex; of Opus and MP3 that of the samples, as 32-bit floats in little-endian order.
    """
    match encoding:
        case "wav" | "flac":
            held = _FLAC_SUBTYPES[subtype] if encoding == "flac" else subtype
            data = encode_audio(samples, rate, AudioFormat(encoding, held), tags)
            return data, sha256(data).hexdigest()
        case "opus" | "mp3":
            clipped = np.clip(samples, -1.0, 1.0).astype("<f4")
            return _by_codec(clipped, rate, _CODECS[encoding], tags), sha256(clipped.tobytes()).hexdigest()


def _by_codec(samples: NDArray[np.float32], rate: int, codec: _Codec, tags: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, channels=1, format=codec.format, subtype=codec.subtype) as file:
        for name, tag in tags.items():
            setattr(file, name, tag)
        file.write(samples)
    return buffer.getvalue()
