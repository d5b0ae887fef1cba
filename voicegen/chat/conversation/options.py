"""Generation options as a caller names them, checked one by one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from voicegen.bounds import checked
from voicegen.errors import ConfigError
from voicegen.protocols import GenerationOptions


def generation_options(given: Mapping[str, Any]) -> GenerationOptions:
    """The options with the values that are given, the rest by default.

    Raises:
        ConfigError: there is no such option, or it cannot have that value.
    """
    known = [field.name for field in fields(GenerationOptions)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it may be one of {', '.join(known)}."
            raise ConfigError(f"ChatSession has no option {name!r}: {hint}")
    return GenerationOptions(**checked(GenerationOptions, given))
