"""The bytes of a WAV file, as libsndfile writes them, which makes ten times the work of a short one.

RIFF (Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0", 1991): chunks of a name, a size
and that many bytes, and one more where they are odd; the tags are texts in a list `INFO`.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import pack
from typing import Any, Final

from numpy.typing import NDArray

from voicegen.bounds import Subtype

_TAGS: Final = {"title": b"INAM", "artist": b"IART", "album": b"IPRD", "genre": b"IGNR", "comment": b"ICMT"}
_FORMATS: Final = {"PCM_16": (1, 2), "PCM_24": (1, 3), "FLOAT": (3, 4)}  # the format's number, and bytes a sample


def wav(samples: NDArray[Any], rate: int, subtype: Subtype, tags: Mapping[str, str]) -> bytes:
    """A WAV file of mono samples (N,) at `rate` Hz: int16, int32 with 24 bits at the top, or float32.

    Args:
        samples: of the type that the subtype has.
        rate: in Hz.
        subtype: as soundfile names it.
        tags: by the names that libsndfile has for them.
    """
    number, size = _FORMATS[subtype]
    data = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
    if subtype == "PCM_24":
        data = data.view("u1").reshape(-1, 4)[:, 1:]
    chunks = [_chunk(b"fmt ", pack("<HHIIHH", number, 1, rate, rate * size, size, 8 * size))]
    if subtype == "FLOAT":
        chunks.append(_chunk(b"fact", pack("<I", len(samples))))
    if tags:
        texts = [_chunk(_TAGS[name], _ended(tag.encode())) for name, tag in tags.items()]
        chunks.append(_chunk(b"LIST", b"INFO" + b"".join(texts)))
    chunks.append(_chunk(b"data", data.tobytes()))
    return _chunk(b"RIFF", b"WAVE" + b"".join(chunks))


def _ended(text: bytes) -> bytes:
    return text + bytes(2 - len(text) % 2)


def _chunk(name: bytes, data: bytes) -> bytes:
    odd = len(data) % 2
    return pack("<4sI", name, len(data)) + data + bytes(odd)
