"""Whether the very same audio was made for another text: a server's cache, or a mix-up, and never two recordings.

A take alone cannot tell, and which of two comes first must not hang on which was made first. So a take is measured by a
hash of its samples, and of rows with the same hash those after the first fall short, once all rows of a run are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicegen.quality.check import CheckSettings, CheckSpec, Measurement
from voicegen.records import Scores, Speech
from voicegen.scratch.same_keys import SameKeys

HASH: Final = "samples_hash"
"""The name of the measurement of a take."""

SAME_AUDIO: Final = Measurement(
    "same_audio",
    "1 where a row before it has the very same samples for another text, which is known when all are made; else 0.",
    "the same audio was made for another text",
)


class DuplicatesSettings(CheckSettings):
    """Bounds of `same_audio`."""


def _measured(take: Speech) -> Scores:
    digest = blake2b(np.ascontiguousarray(take.samples).data, digest_size=8).hexdigest()
    return {SAME_AUDIO.name: 0.0, HASH: digest}


def hash_in(scores: Scores) -> int:
    """The hash among what was measured of a take; 0 where there is none."""
    found = scores.get(HASH)
    return int(found, 16) if isinstance(found, str) else 0


def alike(hashes: Iterable[tuple[int, NDArray[np.uint64]]]) -> Iterator[list[int]]:
    """The places of each hash that is there more than once, in order; 0 is none.

    Args:
        hashes: of consecutive places, each block with its first place.
    """
    keys = SameKeys()
    for first, block in hashes:
        known = np.flatnonzero(block)
        keys.add(block[known], first + known)
    for found in keys.alike():
        yield from (group.tolist() for group in np.split(found.places, np.flatnonzero(np.diff(found.first)) + 1))


def heard_alike(text: str | None, other: str | None) -> bool:
    """Whether two texts may have the same audio: no voice tells "Yes." from "yes"."""
    return _letters(text) == _letters(other)


def _letters(text: str | None) -> str:
    return "".join(sign for sign in (text or "").lower() if sign.isalnum())


SPEC: Final = CheckSpec(
    name="duplicates",
    settings=DuplicatesSettings,
    measurements=(
        SAME_AUDIO,
        Measurement(HASH, "BLAKE2b of the take's samples (float32, as they were made) in 8 bytes.", type=str),
    ),
    make=lambda _settings: lambda takes: list(map(_measured, takes)),
)
