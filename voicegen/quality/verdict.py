"""Whether a take is good: the one place that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from voicegen.records import Speech

_CUT: Final = {
    "length": "the take was cut before the text was over",
    "runaway": "the take did not stop where the text was over",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`ok`; `rejected`, where the audio may not say its text; `failed`, where it is no audio. `reason` says why.

    `retry` is a take that may not say its text where another attempt is to be made, since a later one may.
    """

    status: Literal["ok", "retry", "rejected", "failed"] = "ok"
    reason: str | None = None


def judge(speech: Speech) -> Verdict:
    """What a take is worth."""
    if speech.finish_reason != "stop":
        return Verdict("rejected", _CUT[speech.finish_reason])
    if len(speech.samples) == 0:
        return Verdict("failed", "the take holds no audio")
    if not np.isfinite(speech.samples).all():
        return Verdict("failed", "the take holds NaN or infinity")
    return Verdict()
