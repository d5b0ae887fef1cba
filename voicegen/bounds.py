"""What single values may be: stated once, for a job's settings and for what is given from Python."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from numbers import Number
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from voicegen.errors import ConfigError


def _language(code: str) -> str:
    if not re.fullmatch(r"[a-z]{2,3}([-_][A-Za-z]{2,4})?", code):
        raise ValueError(f"{code!r} is no code of a language: give one such as en or pt-BR")
    return code


def _stop_strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(string, str) and string for string in value):
        raise ValueError("it must be a list of strings, none of them empty, such as ['###']")
    return tuple(value)


Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # what one take is drawn by: what all of the generators take
Probability = Annotated[float, Field(ge=0, le=1)]
Temperature = Annotated[float, Field(ge=0, le=5)]  # 0 is greedy
Penalty = Annotated[float, Field(gt=0, allow_inf_nan=False)]  # 1 is none
StopStrings = Annotated[tuple[str, ...], BeforeValidator(_stop_strings)]
Effort = Literal["low", "medium", "high"]
Language = Annotated[str, AfterValidator(_language)]
Speed = Annotated[float, Field(ge=0.25, le=4)]  # times the model's own pace
SampleRate = Annotated[int, Field(ge=4000, le=192_000)]  # Hz
Container = Literal["wav", "flac"]  # of a dataset's audio files
Shards = Literal["tar", "parquet"]  # what the clips of a run can be packed in
Subtype = Literal["PCM_16", "PCM_24", "FLOAT"]  # of the samples in them; FLAC has no FLOAT


_PLAIN: Mapping[str, str] = MappingProxyType(
    {
        "int": "it must be a whole number",
        "float": "it must be a number",
        "bool": "it must be true or false",
        "finite": "it must be a finite number",
        "string_type": "it must be text",
        "string_too_short": "it must have at least {min_length} character(s)",
        "string_too_long": "it may have {max_length} characters at the most",
        "list": "it must be a list",
        "tuple": "it must be a list",
        "dict": "it must be an object, with names and values",
        "model": "it must be an object, with names and values",
        "too_short": "it must have at least {min_length} of them",
        "too_long": "it may have {max_length} of them at the most",
    }
)
"""What pydantic says in words of programs, by the names of its errors or what those begin with: int_parsing, ..."""


def checked(of: type, values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values for fields of the dataclass `of`, as the types of its fields have them; a NumPy number is a number.

    Raises:
        ConfigError: a field cannot have its value; names it, after `prefix`, and says what it may be.
    """
    plain = {name: value.item() if _is_numpy(value) else value for name, value in values.items()}
    try:
        model = _model_of(of).model_validate(plain)
    except ValidationError as error:
        problems = error.errors()
        name = str(problems[0]["loc"][0])
        same = [problem for problem in problems if problem["loc"][0] == name]
        raise ConfigError(f"{prefix}{name}={values[name]!r}: {what_it_may_be(same)}") from None
    return {name: getattr(model, name) for name in values}


def what_it_may_be(problems: Sequence[ErrorDetails]) -> str:
    """What pydantic says of one value, which each member of a union refuses for a reason of its own, in a line."""
    reasons = [_reason(problem) for problem in problems]
    others = (reason.removeprefix("it must be ") for reason in reasons[1:])
    return " or ".join([reasons[0], *others])


def _reason(problem: ErrorDetails) -> str:
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    kind = problem["type"]
    said = _PLAIN.get(kind) or _PLAIN.get(kind.partition("_")[0])
    return said.format(**problem.get("ctx", {})) if said else problem["msg"].replace("Input should be", "it must be")


def _is_numpy(value: Any) -> bool:
    return isinstance(value, Number) and hasattr(value, "item")


@cache
def _model_of(of: type) -> type[BaseModel]:
    types = get_type_hints(of, include_extras=True)
    wanted: dict[str, Any] = {field.name: (types[field.name], None) for field in fields(of)}
    return create_model(of.__name__, __config__=ConfigDict(extra="forbid", strict=True), **wanted)
