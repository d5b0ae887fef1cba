"""Cuts an answer into pieces that can be spoken while the rest of it is still being written.

A piece is a whole sentence, or a heading, a list item, a table; the very first may be a clause or a phrase, so that
audio starts soon. Nothing is cut before it is known to be over: an end is certain only when a whole word follows it,
and there are no ends inside emphasis, links, code, formulas and tables. Knows nothing of models and audio.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from voicegen.text.split import split_sentences
from voicegen.text.spoken import spoken_form
from voicegen.text.whole import whole_sentences
from voicegen.text.wording import IN_ENGLISH, Wording

SHORTEST_CLAUSE: Final = 20
"""Characters of a first clause: less would be over before the next piece is ready."""

SHORTEST_PHRASE: Final = 24
"""Characters of a first phrase that no mark ends, as in "Bees collect nectar from flowers | and make honey"."""

_FENCE = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(?P<mark>`{3,}|~{3,})")
_TABLE_ROW = re.compile(r"[ \t]*\|")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]")
_BLOCK_START = re.compile(r"[ \t]*(?:#{1,6}[ \t]|(?:[-*+]|\d{1,9}[.)])[ \t]|>|`{3}|~{3}|\|)")
_CLAUSE_END = re.compile(r"(?<![.\s])[,;:—–][\"'”’»)\]]*\s+(?=[^\W\d])")
_PHRASE_END = re.compile(
    r"(?<=\w)\s+(?=(?:and|but|or|because|which|who|when|while|where|if|since|so|although|though|unless|until|whereas"
    r"|after|before|by|with|through|during|due|as)\s+[^\W\d])"
)
_AWAITS_AND = re.compile(r"\b(?:between|both|either|neither|whether|not only)\b", re.IGNORECASE)
_WHOLE_WORD = re.compile(r"\s*\S+\s")
_CLOSED_MARKUP = re.compile(
    r"(?P<code>`+)[^`]+(?P=code)"
    r"|\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\)|\\begin\{(?P<name>\w+\*?)\}.+?\\end\{(?P=name)\}|\$(?=[\\a-z])[^$]*\$"
    r"|!?\[[^\[\]]*\](?:\([^()]*\)|(?!\())"
    r"|<!--.*?-->|</?[A-Za-z][^<>]*>"
    r"|(?P<run>(?<!\w)_{1,3}|\*{1,3})(?![\s*_])[^*]+?(?<=\S)(?P=run)",
    re.DOTALL,
)
_OPEN_FORMULA = re.compile(r"\\[\[(]|\$\$|\\begin\{")
_OPEN_MARKUP = re.compile(
    _OPEN_FORMULA.pattern + r"|\$(?=[\\a-z])|`|\[|<(?:!--|/?[A-Za-z])|(?<!\w)_{1,3}(?![\s_])|\*{1,3}(?![\s*])"
)


class SpeakablePieces:
    """Takes an answer's text in deltas of any size and gives its spoken pieces in order.

    The pieces say every word of the answer once, whatever the deltas are.

    Args:
        wording: how the answer is put in words.

    Attributes:
        left_out: what the pieces so far do not say.
        problem: why that is too much, as `voicegen.text.spoken.SpokenForm` has it.
    """

    def __init__(self, wording: Wording = IN_ENGLISH) -> None:
        self._wording = wording
        self.left_out: list[str] = []
        self.problem: str | None = None
        self._text = ""  # what no piece has taken yet; it begins a block or goes on with one
        self._started = False

    def add(self, delta: str) -> list[str]:
        """Takes more text and returns the pieces that are complete now."""
        self._text += delta
        return self._spoken(self._complete())

    def finish(self, cut: bool = False) -> list[str]:
        """Returns what is left: the answer is over, or was cut, so that only what is whole of it is said."""
        rest, self._text = self._text, ""
        if cut and self._wording.cut != "keep":
            whole = whole_sentences(rest)
            self.left_out += [unfinished] if (unfinished := rest[len(whole) :].strip()) else []
            rest = whole
        return self._spoken(_pieces(rest))

    def _spoken(self, raw: Iterator[str]) -> list[str]:
        pieces = [spoken for piece in raw if (spoken := self._said(piece))]
        self._started = self._started or bool(pieces)
        return pieces

    def _said(self, piece: str) -> str:
        form = spoken_form(piece, self._wording)
        self.left_out += [left.text for left in form.left_out]
        self.problem = self.problem or form.problem
        return form.text

    def _complete(self) -> Iterator[str]:
        while (end := _block_end(self._text)) is not None:
            block, self._text = self._text[:end], self._text[end:]
            yield from _block_pieces(block)
        while (end := self._certain_end()) is not None:
            piece, self._text = self._text[:end], self._text[end:]
            yield piece

    def _certain_end(self) -> int | None:
        """Where the first piece of a block that is still being written ends, if that is certain already."""
        if _FENCE.match(self._text) or _TABLE_ROW.match(self._text):
            return None
        ends = [end for end in _sentence_ends(self._text) if _WHOLE_WORD.match(self._text, end)]
        if not self._started:
            ends += _first_ends(self._text, self._wording.family == "en")
        return min(ends, default=None)


def _pieces(text: str) -> Iterator[str]:
    """The pieces of a text that is over."""
    while (end := _block_end(text)) is not None:
        yield from _block_pieces(text[:end])
        text = text[end:]
    yield from _block_pieces(text)


def _block_pieces(block: str) -> Iterator[str]:
    """A whole block's sentences; code and tables stay whole."""
    start = 0
    if not _FENCE.match(block) and not _TABLE_ROW.match(block):
        for end in _sentence_ends(block):
            yield block[start:end]
            start = end
    yield block[start:]


def _block_end(text: str) -> int | None:
    """Where the Markdown block that `text` begins with ends; None while it may go on."""
    lines = text.splitlines(keepends=True)
    fence = _FENCE.match(text)
    if not fence and lines and (not lines[0].strip() or _HEADING.match(lines[0])):
        return len(lines[0]) if lines[0].endswith("\n") else None
    end = 0
    for number, line in enumerate(lines):
        if fence:
            if number and line.strip().startswith(fence["mark"]) and line.endswith("\n"):
                return end + len(line)
        elif number and _begins_another(line, lines[0]) and not _is_open_formula(text[:end]):
            return end
        end += len(line)
    return None


def _is_open_formula(text: str) -> bool:
    """Whether a formula on lines of its own, in which a line may begin with a minus, is not closed in `text`."""
    return _OPEN_FORMULA.search(text) is not None and _OPEN_FORMULA.search(_CLOSED_MARKUP.sub(" ", text)) is not None


def _begins_another(line: str, first: str) -> bool:
    """Whether `line`, which may still grow, is no part of the block that begins with the line `first`."""
    if not line.strip():
        return line.endswith("\n")
    if _TABLE_ROW.match(first):
        return not _TABLE_ROW.match(line)
    return _BLOCK_START.match(line) is not None


def _sentence_ends(text: str) -> Iterator[int]:
    """Where sentences end inside `text`, outside markup that is open there."""
    position = 0
    for sentence in split_sentences(text)[:-1]:
        position = text.index(sentence, position) + len(sentence)
        if not _is_open(text[:position]):
            yield position


def _first_ends(text: str, english: bool) -> list[int]:
    """Where the first clause ends, and the first phrase where the words that begin one are known."""
    ends = [_first_clause_end(text), _first_phrase_end(text) if english else None]
    return [end for end in ends if end is not None]


def _first_clause_end(text: str) -> int | None:
    for match in _CLAUSE_END.finditer(text):
        if _is_clause(text[: match.end()], SHORTEST_CLAUSE) and _WHOLE_WORD.match(text, match.end()):
            return match.end()
    return None


def _first_phrase_end(text: str) -> int | None:
    for match in _PHRASE_END.finditer(text):
        phrase = text[: match.end()]
        if _is_clause(phrase, SHORTEST_PHRASE) and not _AWAITS_AND.search(phrase):
            return match.end()
    return None


def _is_clause(text: str, shortest: int) -> bool:
    return len(text.strip()) >= shortest and not _is_open(text)


def _is_open(text: str) -> bool:
    """Whether emphasis, code, a link or a tag that `text` begins is not closed in it."""
    return _OPEN_MARKUP.search(_CLOSED_MARKUP.sub(" ", text)) is not None
