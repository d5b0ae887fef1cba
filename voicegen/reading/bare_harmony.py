"""Harmony from a server that leaves its special tokens out, such as `analysisHm.assistantfinalYes`.

What is left of them are the names of the channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from voicegen.reading.beginning import Beginning
from voicegen.reading.known_markers import END, TURN_MARKS
from voicegen.reading.marker_scanner import Control
from voicegen.records import Delta

_CHANNELS = ("analysis", "commentary", "final")
_HEADERS: Final = tuple(f"assistant{channel}" for channel in _CHANNELS)
_ENDS: Final = TURN_MARKS | {END}
_OPENS_A_TEXT = "\"'“‘«([{*_`#$¿¡"

BARE_OPENINGS: Final = (*_CHANNELS, *_HEADERS)
"""What a reply begins with that is written so."""

BARE_MARKERS: Final = _ENDS.union(_HEADERS)
"""What to look for in the rest of it."""


class BareHarmonyGrammar:
    """Takes the headers and text of one reply. After `final` has begun, all is the answer.

    A call cannot be told from a preamble, and counts as reasoning too.
    """

    def __init__(self, opening: str) -> None:
        """`opening` is the one of `BARE_OPENINGS` that the reply begins with."""
        self.answer_begun = opening.endswith("final")
        self.answer_was_reasoning = False
        self.began = Beginning.UNKNOWN  # the headers say all
        self.in_doubt = False
        self.stopped = False

    @property
    def in_reasoning(self) -> bool:
        """Whether `final` has not come yet."""
        return not self.answer_begun

    def control(self, marker: Control) -> Iterator[Delta]:
        """Takes the header of the next message, or the end of the reply."""
        if marker.name in _ENDS:
            self.stopped = True
        elif self.answer_begun or marker.name not in _HEADERS:
            yield from self.text(marker.text)
        elif marker.name.endswith("final"):
            self.answer_begun = True
        else:
            yield from self.text("\n")

    def text(self, text: str) -> Iterator[Delta]:
        """Takes text between headers."""
        if not self.stopped:
            yield Delta(text=text, channel="answer" if self.answer_begun else "reasoning")

    def end(self, _cut: bool, /) -> Iterator[Delta]:
        """Takes the end of the stream, cut or not."""
        return iter(())

    def force_answer(self) -> str:
        """Nothing: what would be fed are the tokens that are left out."""
        return ""


def bare_opening(text: str) -> str | None:
    """The one of `BARE_OPENINGS` with which `text` begins; None where it is any other text.

    A text may begin with the word "analysis" or "finally" too; in harmony no space, sign or small letter follows, but
    at once the message.
    """
    for opening in BARE_OPENINGS:
        after = text.removeprefix(opening)[:1] if text.startswith(opening) else ""
        may_be_a_word = opening == "final" and after.islower()
        if after and (after.isalnum() or after in _OPENS_A_TEXT) and not may_be_a_word:
            return opening
    return None
