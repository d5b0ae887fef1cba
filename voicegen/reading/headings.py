"""Reasoning and answer below headings of plain words, as in "**Thinking:** ... **Answer:** ..." and ReAct's "Thought:".

They count only together: a reply that begins as a reasoning does is one where the answer's heading follows.
"""

from __future__ import annotations

import re
from typing import Final

_REASONING: Final = (
    "thinking", "thoughts", "thought", "my thoughts", "thought process", "thinking process", "reasoning",
    "my reasoning", "reasoning process", "chain of thought", "chain-of-thought", "inner monologue",
    "internal monologue", "internal reasoning", "scratchpad",
)  # fmt: skip
_LEADS: Final = "#*_> \t\n"
_NAMES: Final = "|".join(sorted(map(re.escape, _REASONING), key=len, reverse=True))
_ANSWER: Final = r"(?:my |the )?(?:final )?(?:answer|response|reply)"
_BEGINS: Final = re.compile(
    rf"\s*(?:(?:#{{1,6}} *|> *)?[*_]{{0,3}}(?:{_NAMES})[*_]{{0,3}}[ \t]*:"
    rf"|(?:#{{1,6}} *[*_]{{0,3}}|[*_]{{2,3}})(?:{_NAMES})[*_]{{0,3}}[ \t]*\n)",
    re.IGNORECASE,
)
_ENDS: Final = (
    rf"(?:^|\n)[ \t]*(?:#{{1,6}} *|> *)?[*_]{{0,3}}(?i:{_ANSWER})[*_]{{0,3}}[ \t]*:[*_]*"
    rf"|(?:^|\n)[ \t]*(?:#{{1,6}} *[*_]{{0,3}}|[*_]{{2,3}})(?i:{_ANSWER})[*_]{{0,3}}[ \t]*\n"
    rf"|(?<=[.!?)\]\"'”’*]) +[*_]{{0,3}}(?=[A-Z])(?i:{_ANSWER})[*_]{{0,3}}[ \t]*:[*_]*"
    rf"|[ \t][*_]{{2,3}}(?=[A-Z])(?i:{_ANSWER})[*_]{{0,3}}[ \t]*:[*_]*"
)
_END_BEFORE_TEXT: Final = re.compile(rf"(?:{_ENDS})(?=\s*[^\s*_])")
_LAST_END: Final = re.compile(rf"(?:{_ENDS})(?=\s*(?:[^\s*_]|\Z))")

FORCED_ANSWER: Final = "\n\nFinal Answer: "
"""What ends such a reasoning."""


def begins_reasoning(text: str) -> bool | None:
    """Whether a reply that begins so may begin with such a reasoning; None where more of it must tell."""
    if _BEGINS.match(text):
        return True
    words = " ".join(text.strip(_LEADS).lower().split())
    return None if any(name.startswith(words) for name in _REASONING) else False


def answer_heading(text: str, over: bool = False) -> re.Match[str] | None:
    """The heading of the answer, once something of that is behind it or, if that is all of the text, nothing."""
    return (_LAST_END if over else _END_BEFORE_TEXT).search(text)
