"""Listening to takes: every check that is on measures them, and the rules say what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from typing import Annotated, Self

from pydantic import AfterValidator, Field

from voicegen.bounds import Positive
from voicegen.files import shipped
from voicegen.quality.checks import ChecksConfig, checks_on
from voicegen.quality.verdict import Verdict, judge, judge_by
from voicegen.records import Scores, Speech
from voicegen.settings import Settings, identity_unless


class QualityConfig(Settings):
    """How takes are listened to: attempts at a row in one session, at the most, and the checks."""

    max_attempts: Positive = Field(json_schema_extra=identity_unless(1))
    checks: ChecksConfig  # type: ignore[valid-type]


def quality_settings(quality: str | QualityConfig) -> QualityConfig:
    """The settings of this name, such as `basic`, as they come with voicegen; settings as they are.

    Raises:
        ValueError: there are none of that name.
    """
    return _named(quality) if isinstance(quality, str) else quality


@cache
def _named(name: str) -> QualityConfig:
    from omegaconf import OmegaConf

    folder = shipped("conf", "quality")
    names = sorted(file.stem for file in folder.glob("*.yaml"))
    if name not in names:
        raise ValueError(f"it must be one of {', '.join(names)}, or a QualityConfig")
    settings = OmegaConf.to_container(OmegaConf.load(folder / f"{name}.yaml"))
    assert isinstance(settings, dict)
    return QualityConfig.model_validate(settings)


Quality = Annotated[str | QualityConfig, AfterValidator(quality_settings)]
"""Quality by its name or as settings, where it is given from Python; becomes settings when it is checked."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was heard of a take: the scores that checks gave it, by measurement, and the verdict."""

    verdict: Verdict
    scores: Scores = field(default_factory=dict)


class Listener:
    """Listens to takes by the checks of a job's settings, several takes at a time."""

    def __init__(self, settings: QualityConfig) -> None:
        on = checks_on(settings.checks)
        self._checks = [check.make(its) for check, its in on]
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
    ) -> None: ...

    def hear(self, takes: Sequence[Speech]) -> list[Hearing]:
        """Measures and judges takes; returns one hearing a take, in their order."""
        verdicts = [judge(take) for take in takes]
        audible = [place for place, verdict in enumerate(verdicts) if verdict.status != "failed"]
        scores: list[dict[str, float | str | None]] = [{} for _ in takes]
        for check in self._checks:
            for place, found in zip(audible, check([takes[place] for place in audible]), strict=True):
                scores[place] |= found
        return [
            Hearing(verdict if verdict.status != "ok" else judge_by(found, self._rules), found)
            for verdict, found in zip(verdicts, scores, strict=True)
        ]
