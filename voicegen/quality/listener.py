"""Listening to takes: every check that is on measures them, and the rules say what they are worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType, TracebackType
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field

from voicegen.bounds import Positive
from voicegen.files import shipped
from voicegen.quality.apart import Workers
from voicegen.quality.checks import ChecksConfig, checks_on
from voicegen.quality.finishing import FinishConfig, at_clip_time, finish
from voicegen.quality.usual import FIRST, Usual, over, usual_of
from voicegen.quality.verdict import Verdict, judge, judge_by
from voicegen.records import Scores, Speech
from voicegen.settings import NOT_IDENTITY, Settings, identity_unless


class QualityConfig(Settings):
    """How takes are listened to, and what becomes of good ones.

    Attributes:
        max_attempts: at a row in one session, at the most.
        workers: processes for slow checks.
        checks: what is measured of each take, and what it may be.
        finish: how good takes are finished; None leaves them as they were made.
    """

    max_attempts: Positive = Field(json_schema_extra=identity_unless(1))
    workers: Positive = Field(json_schema_extra=NOT_IDENTITY)
    checks: ChecksConfig  # type: ignore[valid-type]
    finish: FinishConfig | None = Field(json_schema_extra=identity_unless(None))


def quality_settings(quality: str | QualityConfig) -> QualityConfig:
    """The settings of this name, such as `basic`, as they come with voicegen; settings as they are.

    Raises:
        ValueError: there are none of that name.
    """
    return _named(quality) if isinstance(quality, str) else quality


@cache
def _named(name: str) -> QualityConfig:
    names = sorted(file.stem for file in shipped("conf", "quality").glob("*.yaml"))
    if name not in names:
        raise ValueError(f"it must be one of {', '.join(names)}, or a QualityConfig")
    return QualityConfig.model_validate(_composed(name))


def _composed(name: str) -> dict[str, Any]:
    """A file of `conf/quality/` over those that its list of defaults names, as Hydra composes them."""
    from omegaconf import OmegaConf

    own = OmegaConf.to_container(OmegaConf.load(shipped("conf", "quality", f"{name}.yaml")))
    assert isinstance(own, dict)
    bases = own.pop("defaults", ["_self_"])
    merged = OmegaConf.merge(*(own if base == "_self_" else _composed(base) for base in bases))
    return {str(key): value for key, value in OmegaConf.to_container(merged).items()}  # type: ignore[union-attr]


Quality = Annotated[str | QualityConfig, AfterValidator(quality_settings)]
"""Quality by its name or as settings, where it is given from Python; becomes settings when it is checked."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was heard of a take: the verdict, what was measured of it, by name, and a good take as it is finished."""

    verdict: Verdict
    scores: Scores = field(default_factory=dict)
    finished: Speech | None = None


def first_rows(settings: QualityConfig) -> int:
    """Rows of each voice that are to be heard before its others; 0 where no check makes anything of them."""
    measured = (measurement for check, _ in checks_on(settings.checks) for measurement in check.measurements)
    return FIRST if any(measurement.usual_over is not None for measurement in measured) else 0


class Listener:
    """Listens to takes by the checks of a job's settings, several takes at a time.

    Args:
        settings: the checks and the rules.
        workers: where the checks run that are apart; processes of its own if None.

    Attributes:
        first_rows: rows of each voice that are to be heard before its others; 0 where no check makes anything of them.
    """

    def __init__(self, settings: QualityConfig, workers: Workers | None = None) -> None:
        on = checks_on(settings.checks)
        self._finish = settings.finish
        self._checks = [check.make(its) for check, its in on if not check.apart]
        measured = [measurement for check, _ in on for measurement in check.measurements]
        self._over_usual = {one.name: one.usual_over for one in measured if one.usual_over is not None}
        self.first_rows = first_rows(settings)
        self._workers = workers or Workers([(check, its) for check, its in on if check.apart], settings.workers)
        self._rules = [
            (measurement, its.rules[measurement.name])
            for check, its in on
            for measurement in check.measurements
            if measurement.name in its.rules
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._workers.close()

    def usual(self, rows: Iterable[Scores]) -> dict[str, float]:
        """What is usual of a voice, by what was measured of its first rows."""
        return usual_of(rows, set(self._over_usual.values()))

    def hear(self, takes: Sequence[Speech], usual: Usual = MappingProxyType({})) -> list[Hearing]:
        """Measures and judges takes, and finishes the good ones; returns one hearing a take, in their order.

        What is said of a take hangs on nothing but the take and what is `usual` of its voice.
        """
        verdicts = [judge(take) for take in takes]
        audible = [place for place, verdict in enumerate(verdicts) if verdict.status != "failed"]
        heard = [takes[place] for place in audible]
        scores: list[dict[str, float | str | None]] = [{} for _ in takes]
        for check in self._checks:
            for place, found in zip(audible, check(heard), strict=True):
                scores[place] |= found
        for place, found in zip(audible, self._workers.measure(heard), strict=True):
            scores[place] |= found
        for place, take in zip(audible, heard, strict=True):
            of_voice = usual.get(take.utterance.voice, {})
            scores[place] |= {
                name: over(of_voice.get(base), scores[place].get(base)) for name, base in self._over_usual.items()
            }
        hearings = [
            Hearing(verdict if verdict.status != "ok" else judge_by(found, self._rules), found)
            for verdict, found in zip(verdicts, scores, strict=True)
        ]
        return hearings if self._finish is None else _finished(takes, hearings, self._finish)


def _finished(takes: Sequence[Speech], hearings: Sequence[Hearing], settings: FinishConfig) -> list[Hearing]:
    good = [take for take, hearing in zip(takes, hearings, strict=True) if hearing.verdict.status == "ok"]
    finished = iter(finish(good, settings))
    return [
        _with_finished(hearing, *next(finished)) if hearing.verdict.status == "ok" else hearing for hearing in hearings
    ]


def _with_finished(hearing: Hearing, speech: Speech, done: Scores) -> Hearing:
    return replace(hearing, scores={**at_clip_time(hearing.scores, done, speech.duration), **done}, finished=speech)
