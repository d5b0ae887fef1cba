"""What a client is told when its request cannot be done: a kind that programs know, and what to do in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voicegen.errors import ConfigError, InputError, MissingDependency, ModelError, OutputError, VoicegenError

_KINDS: Mapping[type[VoicegenError], str] = {
    ConfigError: "config",
    InputError: "input",
    ModelError: "model",
    MissingDependency: "missing_dependency",
    OutputError: "output",
}


class Refusal(VoicegenError):
    """A request that cannot be done as it was made.

    Args:
        kind: for programs, such as `unknown_session`.
        message: what is wrong and what to do, in one line.
        fields: what is wrong with each argument, by its name.
    """

    def __init__(self, kind: str, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.fields = fields or {}


def told(error: VoicegenError) -> dict[str, Any]:
    """An error of ours as data."""
    if isinstance(error, Refusal):
        return {"kind": error.kind, "message": str(error), **({"fields": dict(error.fields)} if error.fields else {})}
    kind = next((kind for of, kind in _KINDS.items() if isinstance(error, of)), "error")
    return {"kind": kind, "message": str(error)}
