"""Text as a terminal may show it, whoever wrote it: a model, a tool, a server, a file."""

from __future__ import annotations

import re
from typing import Final

from voicegen.text.well_formed import well_formed

_STEERING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def shown(text: str) -> str:
    """`text` without what could steer a terminal or turn its lines round; line breaks and tabs stay.

    Unicode's own separators of lines and paragraphs, which only some programs break a line at, do not.

    Half a character, which no terminal can be sent, becomes U+FFFD. Takes pieces of a text as well as the whole.
    """
    return well_formed(_STEERING.sub("", text))
