"""Whether a take is good: the one place that says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from voicegen.quality.check import Bounds, Measurement
from voicegen.records import Scores, Speech, Status

_CUT: Final = {
    "length": "the take was cut before the text was over",
    "runaway": "the take did not stop where the text was over",
}
_WORST: Final = 1000.0  # the excess of a take of which no rule needs to be asked


@dataclass(frozen=True, slots=True)
class Verdict:
    """`ok`; `rejected`, where the audio may not say its text; `failed`, where it is no audio. `reason` says why.

    Attributes:
        again: whether another attempt may be better.
        excess: how far the take is from being ok, 0 being ok: of several bad takes the one with the least is kept.
        faults: the reason without the values, by which takes are counted; None: it has none.
    """

    status: Status = "ok"
    reason: str | None = None
    again: bool = False
    excess: float = 0.0
    faults: str | None = None

    @property
    def badness(self) -> tuple[bool, float]:
        """Orders verdicts, the best first: what is no audio comes last."""
        return self.status == "failed", self.excess


def judge(speech: Speech) -> Verdict:
    """What a take is worth by itself, before anything is measured."""
    if len(speech.samples) == 0:
        return Verdict("failed", "the take holds no audio", again=True, excess=2 * _WORST)
    if not np.isfinite(speech.samples).all():
        return Verdict("failed", "the take holds NaN or infinity", again=True, excess=2 * _WORST)
    if speech.finish_reason != "stop":
        return Verdict("rejected", _CUT[speech.finish_reason], again=True, excess=_WORST)
    return Verdict()


def judge_by(scores: Scores, rules: Iterable[tuple[Measurement, Bounds]]) -> Verdict:
    """What a take is worth by what was measured of it; what could not be measured breaks no rule.

    The reason names each rule that it breaks, the value and the bound.
    """
    broken = [rule for rule in rules if rule[1].excess(_number(scores, rule[0])) > 0]
    if not broken:
        return Verdict()
    reasons = [_reason(measurement, bounds, _number(scores, measurement)) for measurement, bounds in broken]
    return Verdict(
        "rejected",
        "; ".join(reasons),
        again=all(bounds.then == "retry" for _, bounds in broken),
        excess=sum(bounds.excess(_number(scores, measurement)) for measurement, bounds in broken),
        faults="; ".join(measurement.fault for measurement, _ in broken),
    )


def _number(scores: Mapping[str, float | str | None], measurement: Measurement) -> float:
    value = scores.get(measurement.name)
    return value if isinstance(value, int | float) else float("nan")  # which is within all bounds


def _reason(measurement: Measurement, bounds: Bounds, value: float) -> str:
    below = bounds.min is not None and value < bounds.min
    bound = f"at least {bounds.min:g}" if below else f"at most {bounds.max:g}"
    return f"{measurement.fault} ({measurement.name} {value:.4g}, {bound} is good)"
