"""The chat model's rewrite of an answer for speech: what the model is told, and when its rewrite may be spoken.

A rewrite may only add: all that the answer says must be in it (`loss`; of formulas, as rules read them), and the same
numbers and negations as in the spoken form that rules made, in the same order. It begins and ends as that does, or a
model's own words about its task would be spoken. What cannot be seen is another word that is put in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from voicegen.text.heard_numbers import OF_A_NUMBER, numbers_said
from voicegen.text.longest import too_long
from voicegen.text.loss import has_formula, lost
from voicegen.text.spoken import checked_form
from voicegen.text.wording import Wording

INSTRUCTIONS: Final = (
    "You prepare texts for a voice that reads them aloud. Write the text that you are given once more, word for word "
    "and in the same order, with symbols, abbreviations, formulas, lists and tables written as a person would say "
    "them. Keep every word and every number as it is. Add nothing, leave nothing out, and do not answer or explain the "
    "text. Reply with the text alone, without any formatting."
)
"""The system prompt under which an answer is given to the chat model as if it were a question."""

_MOST: Final = 1.5  # times the words that rules make
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_NEGATION: Final = re.compile(r"\b(?:not?|never|none|nothing|nobody|nowhere|neither|nor|without|cannot|\w+n['’]t)\b")
_NOT: Final = re.compile(r"cannot|\w+n['’]t")


def said_of_rewrite(rewrite: str, written: str, left_out: Iterable[str], said: str, wording: Wording) -> str | None:
    """What is said of a `rewrite`; None where it may not be spoken in the place of what rules made.

    Args:
        rewrite: as the model wrote it.
        written: the answer.
        left_out: what of the answer is not said, as written, in order.
        said: its spoken form as rules made it.
        wording: how both are put in words, in English.
    """
    if too_long(rewrite) is not None:
        return None
    form = checked_form(rewrite, wording)
    if not form.text or form.problem is not None or not _is_framed_as(form.text, said):
        return None
    if numbers_said(form.text) != numbers_said(said) or _negations(form.text) != _negations(said):
        return None
    if lost(written, form.plain, left_out) or (has_formula(written) and lost(said, form.text)):
        return None
    return form.text


def _is_framed_as(text: str, said: str) -> bool:
    """Whether both begin with the same word and end with the same, and the one is not much longer."""
    words, before = _WORD.findall(text.casefold()), _WORD.findall(said.casefold())
    return len(words) <= _MOST * len(before) and all(
        one == other or (one in OF_A_NUMBER and other in OF_A_NUMBER)
        for one, other in ((words[0], before[0]), (words[-1], before[-1]))
    )


def _negations(text: str) -> list[str]:
    """The words that turn a sentence around, in order; "can't" is "cannot" is "can not"."""
    return [_NOT.sub("not", word) for word in _NEGATION.findall(text.casefold())]
