"""The audio in a server's reply, as samples; a reply that holds none, or not all of it, is told from one that does."""

from __future__ import annotations

import io
import struct
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from voicegen.servers.failures import TryAgain

_UNKNOWN_SIZE: Final = 0x7FFF_0000  # bytes; a writer that streams puts 0, or at least this, where a WAV's size belongs


def decode(data: bytes, pcm_rate: int | None = None) -> tuple[NDArray[np.float32], int]:
    """Float32 mono samples (N,) and their rate in Hz, of a WAV or another file that libsndfile reads.

    Args:
        data: the whole reply.
        pcm_rate: the rate, where `data` is bare 16-bit little-endian mono samples.

    Raises:
        TryAgain: it is no audio, or was cut off.
    """
    if pcm_rate is not None:
        return _pcm(data), pcm_rate
    try:
        samples, rate = soundfile.read(io.BytesIO(_with_its_size(data)), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError:
        raise TryAgain(f"the server's reply is no audio: {_beginning(data)}") from None
    return samples.mean(axis=1), rate


def _pcm(data: bytes) -> NDArray[np.float32]:
    if data.lstrip()[:1] in (b"{", b"<") and data.isascii():
        raise TryAgain(f"the server's reply is no audio: {_beginning(data)}")
    if data[:4] == b"RIFF":
        raise TryAgain("the server's reply is a WAV, not bare samples: set tts.response_format=wav")
    if len(data) % 2:
        raise TryAgain("the server's reply was cut in the middle of a sample")
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(32768)


def _with_its_size(data: bytes) -> bytes:
    """A WAV whose header says how long its samples are, as it does not where it was written as a stream.

    Raises:
        TryAgain: the samples end before they should.
    """
    place = 12
    while data[:4] == b"RIFF" and place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        if name == b"data":
            there = len(data) - place - 8
            if there < size < _UNKNOWN_SIZE:
                raise TryAgain(f"the server's WAV was cut: {there} of its {size} bytes are there")
            is_known = 0 < size < _UNKNOWN_SIZE
            return data if is_known else data[: place + 4] + struct.pack("<I", there) + data[place + 8 :]
        place += 8 + size + size % 2
    return data


def _beginning(data: bytes) -> str:
    return repr(data[:2000].decode(errors="replace"))
