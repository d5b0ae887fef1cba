"""Generation options as a caller names them, checked one by one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import fields
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from voicegen.errors import ConfigError
from voicegen.protocols import GenerationOptions


def generation_options(given: Mapping[str, Any]) -> GenerationOptions:
    """The options with the values that are given, the rest by default.

    Raises:
        ConfigError: there is no such option, or it cannot have that value.
    """
    known = [field.name for field in fields(GenerationOptions)]
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it may be one of {', '.join(known)}."
            raise ConfigError(f"ChatSession has no option {name!r}: {hint}")
        may_be, holds = _RULES[name]
        if isinstance(value, bool) or not holds(value):
            raise ConfigError(f"{name}={value!r}: it must be {may_be}.")
    return GenerationOptions(**given)


def _whole(value: Any, least: int | None = None) -> bool:
    return isinstance(value, Integral) and (least is None or int(value) >= least)


def _between(value: Any, least: float, most: float) -> bool:
    return isinstance(value, Real) and least <= float(value) <= most


_EFFORTS = get_args(get_args(get_type_hints(GenerationOptions)["reasoning_effort"])[0])

_RULES: Mapping[str, tuple[str, Callable[[Any], bool]]] = MappingProxyType(
    {
        "max_tokens": ("a whole number from 1 on", lambda value: _whole(value, 1)),
        "temperature": ("a number from 0 to 5", lambda value: _between(value, 0, 5)),
        "top_p": ("a number from 0 to 1", lambda value: _between(value, 0, 1)),
        "top_k": ("a whole number from 0 on", lambda value: _whole(value, 0)),
        "min_p": ("a number from 0 to 1", lambda value: _between(value, 0, 1)),
        "repetition_penalty": ("a number over 0", lambda value: _between(value, 1e-9, 1e9)),
        "seed": ("a whole number", _whole),
        "reasoning_effort": (f"None or one of {', '.join(_EFFORTS)}", lambda value: value in (None, *_EFFORTS)),
    }
)
"""What each option may be, in words, and whether a value is that; the same as a job's settings allow."""
