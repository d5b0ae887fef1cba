"""Turns a written answer into text that can be spoken: formatting goes, every word is said or listed as left out.

English then has all in words that is said in words (`voicegen.text.english`); another language has its sentences with
numbers in words where a library knows how (`voicegen.text.other_languages`), and all else is left to the voice.

Formatting is what a page does not show as words: marks of Markdown, tags, comments, scripts, the address behind a
link's text, footnote marks, rules, bullets, markers of chats, control characters. It is no part of what was left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

from voicegen.text import latex, other_languages
from voicegen.text.characters import printable
from voicegen.text.english import in_words
from voicegen.text.foreign import in_latin, without_foreign
from voicegen.text.loss import lost
from voicegen.text.markup import only_markdown, without_notes
from voicegen.text.shown import shown
from voicegen.text.wording import Wording

_URL = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.)(?:\([^\s<>()]*\)|[^\s<>()])+(?<![.,;:!?\]}'\"”’*_])", re.IGNORECASE
)
_LINE = "\x1f"  # stands for a line break of the source, whose own control characters are gone
_FORMULA = "\ufffc"  # on both sides of the number of a formula that cannot be read
_UNREAD_FORMULA = re.compile(f"{_FORMULA}(\\d+){_FORMULA}")
_WRAPPED_AT = 50  # characters: a line as long as this may be prose that goes on in the next
_EMOJI = re.compile(
    "[\u231a\u231b\u2328\u23cf\u23e9-\u23f3\u23f8-\u23fa\u2600-\u266c\u2670-\u27bf\u2b05-\u2b07\u2b1b-\u2b55"
    "\U0001f000-\U0001faff]"
    "[\ufe0e\ufe0f\u200d\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
    "|(?<=[0-9#*])\ufe0f?\u20e3|[\ufe0e\ufe0f\ufffd]"
)
_EMOJI_BY_NAME = re.compile(r"(?<![\w:/]):(?:[+-]1|[a-z][a-z\d]*(?:_[a-z\d]+)*):(?![\w:/])")
_SELECTORS = "\u20e3\ufe0e\ufe0f\ufffd "  # what is left of an emoji whose digit is read, and what was no character
_MARKS_OF_A_CELL = (
    dict.fromkeys("✓✔✅☑", "yes") | {"✔️": "yes", "☑️": "yes"} | dict.fromkeys("✗✘❌☒✖", "no") | {"✖️": "no"}
)
_PROBLEMS = {
    "code": "a sentence would lose code that is not read in {language}: {what}; text.code=skip leaves it out",
    "url": "a sentence would lose an address that is not read in {language}: {what}; text.url=skip leaves it out",
    "maths": "a sentence would lose a formula that has no words in {language}: {what}; have the model write it in "
    "plain words (chat.system_prompt)",
    "foreign": "these letters are not read in {language}: {what}; set tts.language to what is written, or "
    "text.foreign=romanize to have it in Latin letters",
}
_NAMED = 8  # pieces that a message names
_ITEM_NUMBER = re.compile(r"^\d+\.")
_PLAIN = re.compile(r"(?![-+=]|.*==|\s*\d+[.)](?:\s|$))[^\n\t*_`\[\]<>&\\~|#$^\ufffc]*")  # one paragraph, and no markup
_STRAY_MARKUP = re.compile(r"\*{2,}|`+|(?<!\w)_{2,}|_{2,}(?!\w)|~{2,}")
_CODE_OF_WORDS = re.compile(r"[\w .'-]*\w[\w .'-]*(?:\(\))?")
_EMPTY_BRACKETS = re.compile(r"\(\s*[,;:.]?\s*\)|\[\s*\]|\{\s*\}|<\s*>")
_TASK = re.compile(r"^\[([ xX])\] (?=\S)")
_SPACE_BEFORE_MARK = re.compile(r"\s+(?=[,;!?](?:\s|$)|[.:](?:\s|$))")
_TERMINAL = (".", "!", "?", ":", ";", ",", "…", "。", "！", "？", "：", "；", "、", "।", "؟", "—", "–")
_CLOSING = "\"'”’»)]"
_FULL_STOPS = {"zh": "。", "ja": "。", "hi": "।"}


Kind = Literal["code", "url", "maths", "foreign", "emoji", "image"]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A piece of the text that is not said.

    Attributes:
        kind: what it is; an emoji and a picture without words are no part of a sentence, wherever they stand.
        text: as written.
        inside: whether it is missing from a sentence whose other words are said, or is itself words.
    """

    kind: Kind
    text: str
    inside: bool = False


@dataclass(frozen=True, slots=True)
class SpokenForm:
    """What is said of a text, "" where nothing can be.

    Attributes:
        left_out: what is not said of it, in order.
        problem: why the text may not be taken as said, where a sentence of it would lose what was not to be left out.
        plain: `text` before words were respelled by a lexicon.
    """

    text: str
    left_out: tuple[LeftOut, ...] = ()
    problem: str | None = None
    plain: str = ""


def spoken_form(text: str, wording: Wording) -> SpokenForm:
    """Gives `text`, which may be Markdown, as one line that a speech model can read aloud, and what is left out of it.

    Headings, list items and table rows become sentences; a table's cells are separated by commas; links and images
    become their text; short lines are sentences of their own. Letters and digits in another dress (full width,
    mathematical) become plain ones.

    Code blocks, emoji and images without words are left out. English has addresses and inline code read; in another
    language addresses are left out, and inline code where it is no words. `wording` may have them left out in English.
    Words in a script that the language does not have are left out or, if `wording` says so, in Latin letters.

    Args:
        text: the answer as the model wrote it.
        wording: its language, which decides what is put in words and which full stop closes a heading; and more.
    """
    reader = _Reader(wording)
    english = wording.family == "en"
    stop = _FULL_STOPS.get(wording.family, ".")
    source = printable(text)
    if _PLAIN.fullmatch(source):
        found: Iterable[str] = [without_notes(source)]
    else:
        worded = latex.replaced(source.replace(_FORMULA, ""), wording.language, reader.formula)
        found = reader.blocks(_parser().parse(only_markdown(worded)))
    blocks = [clean for block in found if (clean := reader.tidied(block, stop))]
    if english:
        blocks = [said for block in blocks if (said := in_words(block))]
    else:
        blocks = [other_languages.in_words(block, wording.language) for block in blocks]
    plain = " ".join([_closed(block, stop) for block in blocks[:-1]] + blocks[-1:])
    left_out = tuple(reader.left_out)
    if not is_speakable(plain):
        return SpokenForm("", left_out, _problem(left_out, wording))
    spoken = plain if wording.respelled is None else wording.respelled.apply(plain)
    return SpokenForm(spoken, left_out, _problem(left_out, wording), plain)


def checked_form(text: str, wording: Wording) -> SpokenForm:
    """The `spoken_form`, with a `problem` also where it has `lost` a part of `text` that nobody knows of."""
    form = spoken_form(text, wording)
    if form.problem is not None or not form.text:
        return form
    missing = lost(text, form.plain, [piece.text for piece in form.left_out], english=wording.family == "en")
    if not missing:
        return form
    what = ", ".join(shown(piece) for piece in missing[:_NAMED]) + (" ..." if len(missing) > _NAMED else "")
    return replace(form, problem=f"the spoken form has lost a part of the text: {what}; write it in plain words")


def to_spoken(text: str, language: str = "en") -> str:
    """What is said of `text`, in a language such as `en` or `zh-CN`; "" when nothing in it can be spoken."""
    return spoken_form(text, Wording(language)).text


def is_speakable(text: str) -> bool:
    """Whether `text` holds a letter or a digit of any script."""
    return any(character.isalnum() for character in text)


@cache
def _parser() -> MarkdownIt:
    """CommonMark with tables; indented text is not code, and `[word]: text` is not a definition: both are answers."""
    rules = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    return rules.disable(["code", "reference", "html_block", "html_inline"])


def _problem(left_out: Iterable[LeftOut], wording: Wording) -> str | None:
    for piece in left_out:
        if piece.inside and wording.wants(piece.kind):
            what = shown(piece.text if len(piece.text) <= 60 else f"{piece.text[:57]}...")
            return _PROBLEMS[piece.kind].format(what=what, language=wording.language)
    return None


class _Reader:
    """Reads the blocks of one text, and keeps what it leaves out.

    Args:
        wording: what is to be read, where it can be.
    """

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self._english = wording.family == "en"
        self._code = self._english and wording.code == "read"  # else only what of it is words
        self._url = self._english and wording.url == "read"
        self._formulas: list[str] = []
        self._of_block: list[LeftOut] = []
        self.left_out: list[LeftOut] = []

    def formula(self, written: str) -> str:
        """What stands for a formula that cannot be read, until its block is tidied."""
        self._formulas.append(written)
        return f"{_FORMULA}{len(self._formulas) - 1}{_FORMULA}"

    def blocks(self, tokens: list[Token]) -> Iterator[str]:
        """Yields the text of each paragraph, heading, list item and table row."""
        number = ""
        cells: list[str] | None = None
        for token in tokens:
            if token.type == "tr_open":
                cells = []
            elif token.type == "tr_close":
                yield ", ".join(cell for cell in cells or [] if cell.strip())
                cells = None
            elif token.type == "list_item_open":
                if number:
                    yield number
                number = f"{token.info}." if token.info else ""
            elif token.type == "inline":
                content = self._inline(token)
                if cells is not None:
                    cells.append(_MARKS_OF_A_CELL.get(content.strip(), content) if self._english else content)
                else:
                    yield f"{number} {_TASK.sub(_task, content) if self._english else content}"
                    number = ""
            elif token.type in ("fence", "list_item_close") and number:
                yield number  # "42." alone is a list item without text for Markdown, and an answer for us
                number = ""
            if token.type == "fence":
                self.left_out.append(LeftOut("code", token.content.strip()))

    def tidied(self, block: str, stop: str) -> str:
        """Takes addresses, emoji and markup that was never closed out of `block`, and the holes that they leave."""
        block = block if self._url else _URL.sub(lambda url: self._without("url", url[0], inside=True), block)
        if _FORMULA in block:
            block = _UNREAD_FORMULA.sub(
                lambda formula: self._without("maths", self._formulas[int(formula[1])], inside=True), block
            )
        block = without_foreign(block, self._wording.family, self._foreign)
        if ":" in block:
            block = _EMOJI_BY_NAME.sub(lambda emoji: self._without("emoji", emoji[0]), block)
        if not block.isascii():
            block = _EMOJI.sub(lambda emoji: self._without("emoji", emoji[0]), block)
        block = _STRAY_MARKUP.sub("", block)
        lines = [" ".join(line.split()) for line in _lines_as_sentences(block, stop).split("\n")]
        block = " ".join([line if line.endswith(_TERMINAL) else f"{line}," for line in lines[:-1] if line] + lines[-1:])
        block = " ".join(_SPACE_BEFORE_MARK.sub("", _EMPTY_BRACKETS.sub("", block)).split())
        is_sentence = is_speakable(_ITEM_NUMBER.sub("", block))
        self.left_out += [
            replace(piece, inside=piece.inside and (is_sentence or piece.kind == "foreign")) for piece in self._of_block
        ]
        self._of_block.clear()
        return block

    def _inline(self, token: Token) -> str:
        """The words of a line: emphasis unwrapped, links and images as their text."""
        words = []
        for child in token.children or []:
            if child.type == "code_inline":
                words.append(self._inline_code(child.content))
            elif child.type == "image":
                words.append(self._inline(child) or self._without("image", str(child.attrs.get("src", ""))))
            elif child.type == "softbreak":
                words.append(_LINE)
            elif child.type == "hardbreak":
                words.append("\n")
            else:
                words.append(without_notes(printable(child.content)))  # an entity may stand for a control character
        return "".join(words)

    def _inline_code(self, code: str) -> str:
        if self._code:
            return code
        if not self._english and _CODE_OF_WORDS.fullmatch(code):
            return code.replace("_", " ").replace("()", "")
        return self._without("code", code, inside=True)

    def _foreign(self, words: str) -> str:
        if self._wording.foreign == "romanize":
            return in_latin(words)
        return self._without("foreign", words, inside=True)

    def _without(self, kind: Kind, text: str, *, inside: bool = False) -> str:
        """What stands in the place of a piece that is left out."""
        if text.strip(_SELECTORS):
            self._of_block.append(LeftOut(kind, text, inside))
        return " "


def _lines_as_sentences(block: str, stop: str) -> str:
    """Ends short lines as sentences; a long one, or one before a small letter, goes on in the next."""
    *lines, last = [line.strip(" \t") for line in block.split(_LINE)]
    parts = [last]  # from the last to the first
    words_follow = is_speakable(last)
    for line in reversed(lines):
        goes_on = len(line) >= _WRAPPED_AT or parts[-1].lstrip("\"'“‘(")[:1].islower() or not words_follow
        has_words = is_speakable(line)
        parts.append(line if goes_on or not has_words else _closed(line, stop))
        words_follow = words_follow or has_words
    return " ".join(reversed(parts))


def _task(box: re.Match[str]) -> str:
    return "To do: " if box[1] == " " else "Done: "


def _closed(block: str, stop: str) -> str:
    """Ends a heading or list item as a sentence, so that the voice rests there."""
    return block if block.rstrip(_CLOSING).endswith(_TERMINAL) else block + stop
