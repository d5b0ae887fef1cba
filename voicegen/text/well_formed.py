"""Text as UTF-8 can hold it."""

from __future__ import annotations


def well_formed(text: str) -> str:
    """`text` with U+FFFD for each half of a surrogate pair, which JSON can name and UTF-8 cannot hold."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
