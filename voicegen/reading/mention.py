"""Tags that an answer only talks about, such as in "Use the <think> tag", told by what stands around them."""

from __future__ import annotations

import re
from typing import Final

_FENCE: Final = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_PARAGRAPH: Final = re.compile(r"\n[ \t]*\n")
_TICKS: Final = re.compile("`+")
_OPENED: Final = re.compile(r"(?:^|\s)[\"'(“‘*_]+$")
_WITHIN_SENTENCE: Final = re.compile(r"[\w,;][)\"'”’*_]*[ \t]+$")
_GOES_ON: Final = re.compile(r"[.,;:!?)\"'”’]|[ \t]+[a-z]")
_SENTENCE_END: Final = re.compile(r"[.!?](?:\s|$)")
_FEW_WORDS: Final = 3
_LAST: Final = 2000  # characters to look back for the start of code in a line


def is_mentioned(before: str) -> bool:
    """Whether a tag, with all of `before` before it, stands in code or in quotes."""
    return _in_code(before) or _OPENED.search(before[-20:]) is not None


def stands_in_sentence(before: str) -> bool:
    """Whether a tag, with all of `before` before it, follows a word of its sentence."""
    return _WITHIN_SENTENCE.search(before[-40:]) is not None


def is_talk(between: str) -> bool:
    """Whether what stands `between` two tags within a sentence is part of that, and no reasoning."""
    within = between.startswith(" ") and between[1:2].islower()
    ends = "\n" in between or _SENTENCE_END.search(between) is not None
    return len(between.split()) <= _FEW_WORDS or (within and not ends)


def end_is_mentioned(before: str) -> bool:
    """Whether the end of a reasoning that has no start is only talked about, in code or in quotes."""
    in_code = before.endswith("`") and _in_code(before)
    return in_code or (before[-1:] != "*" and _OPENED.search(before[-20:]) is not None)


def may_be_mentioned(before: str) -> bool:
    """Whether what follows the end of a reasoning that has no start must tell: it stands within the first line."""
    return "\n" not in before and stands_in_sentence(before)


def goes_on(after: str) -> bool:
    """Whether `after` goes on with the sentence in which such an end stands."""
    return _GOES_ON.match(after) is not None


def _in_code(before: str) -> bool:
    if len(_FENCE.findall(before)) % 2:
        return True
    line = _PARAGRAPH.split(before[-_LAST:])[-1]
    opened = ""
    for ticks in _TICKS.findall(line):
        opened = ticks if not opened else "" if ticks == opened else opened
    return bool(opened)
