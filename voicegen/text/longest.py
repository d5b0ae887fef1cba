"""How long a text of one row may be."""

from __future__ import annotations

from typing import Final

LONGEST_TEXT: Final = 100_000
"""Characters: some two hours of speech. A longer one would hold up a run, and fill its memory."""


def too_long(text: str) -> str | None:
    """Why `text` cannot be taken as one row, if it is that long."""
    if len(text) <= LONGEST_TEXT:
        return None
    return f"{len(text):,} characters, more than the {LONGEST_TEXT:,} (some two hours) that one row may hold: split it"
