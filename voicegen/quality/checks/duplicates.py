"""Whether the very same audio was heard for another text: a server's cache, or a mix-up, and never two recordings."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import numpy as np

from voicegen.quality.check import Check, CheckSettings, CheckSpec, Measurement
from voicegen.records import Scores, Speech


class DuplicatesSettings(CheckSettings):
    """Bounds of `same_audio`."""


class _Duplicates:
    """Knows the audio heard so far, 16 bytes a take; which of two takes comes second depends on their order."""

    def __init__(self) -> None:
        self._texts: dict[int, int] = {}  # by a digest of the audio, that of the text which it was first heard for

    def __call__(self, takes: Sequence[Speech]) -> list[Scores]:
        return [{"same_audio": float(self._is_known(take))} for take in takes]

    def _is_known(self, take: Speech) -> bool:
        """Texts that differ in their letters and figures alone are others: no voice tells "Yes." from "yes"."""
        text = _digest("".join(sign for sign in take.utterance.text.lower() if sign.isalnum()).encode())
        audio = _digest(np.ascontiguousarray(take.samples).data)
        return self._texts.setdefault(audio, text) != text


def _digest(content: bytes | memoryview) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest())


def _make(_settings: DuplicatesSettings) -> Check:
    return _Duplicates()


SPEC: Final = CheckSpec(
    name="duplicates",
    settings=DuplicatesSettings,
    measurements=(
        Measurement(
            "same_audio",
            "1 where the very same samples were heard for another text in this session, else 0.",
            "the same audio was heard for another text",
        ),
    ),
    make=_make,
)
