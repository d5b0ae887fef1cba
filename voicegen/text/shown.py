"""Text as a terminal may show it, whoever wrote it: a model, a tool, a server, a file."""

from __future__ import annotations

import re
from typing import Final

_STEERING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_HALF_CHARACTER: Final = re.compile("[\ud800-\udfff]")


def shown(text: str) -> str:
    """`text` without what could steer a terminal or turn its lines round; line breaks and tabs stay.

    Half a character, which no terminal can be sent, becomes U+FFFD. Takes pieces of a text as well as the whole.
    """
    return _HALF_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", _STEERING.sub("", text))
