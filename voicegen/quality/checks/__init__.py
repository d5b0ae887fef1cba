"""The checks: each is a module here, its line in this table, and its settings in `conf/quality/`."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field, create_model, model_validator

from voicegen.quality.check import CheckSettings, CheckSpec, Measurement
from voicegen.quality.checks import (
    duplicates,
    edges,
    level,
    loudness,
    mos,
    pace,
    recognition,
    repeats,
    silence,
    similarity,
    voice_activity,
)
from voicegen.settings import Settings, identity_unless

CHECKS: Final[tuple[CheckSpec[Any], ...]] = (
    level.SPEC,
    loudness.SPEC,
    silence.SPEC,
    pace.SPEC,
    repeats.SPEC,
    duplicates.SPEC,
    edges.SPEC,
    recognition.SPEC,
    mos.SPEC,
    similarity.SPEC,
    voice_activity.SPEC,
)

MEASUREMENTS: Final[tuple[Measurement, ...]] = tuple(
    measurement for check in CHECKS for measurement in check.measurements
)


def checks_on(settings: Settings) -> list[tuple[CheckSpec[Any], CheckSettings]]:
    """The checks that are not off, with their settings."""
    pairs = ((check, getattr(settings, check.name)) for check in CHECKS)
    return [(check, its) for check, its in pairs if its is not None]


class _Checks(Settings):
    @model_validator(mode="after")
    def _rules_are_over_what_is_measured(self) -> _Checks:
        for check, settings in checks_on(self):
            measured = [measurement.name for measurement in check.measurements if measurement.type is float]
            for name in settings.rules:
                if name not in measured:
                    raise ValueError(f"{check.name}.rules.{name}: {check.name} measures {', '.join(measured)}")
        return self


_fields: dict[str, Any] = {
    check.name: (check.settings | None, Field(None, json_schema_extra=identity_unless(None))) for check in CHECKS
}
ChecksConfig: Final[type[Settings]] = create_model("ChecksConfig", __base__=_Checks, __module__=__name__, **_fields)
"""The settings of each check by its name; null is a check that is off."""
