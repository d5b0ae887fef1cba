"""Our own lexicon: names of the field that voices say wrongly as they are written."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from voicegen.text.lexicon import Lexicon, read_lexicon


@cache
def names() -> Lexicon:
    """What is in `names.yaml`, beside this file."""
    return read_lexicon(Path(__file__).with_name("names.yaml"))
