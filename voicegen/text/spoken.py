"""Turns a written answer into text that can be spoken: what only the eye reads goes, every word stays.

A first, plain version: it removes Markdown, code, addresses, emoji and control characters, and leaves numbers,
symbols and abbreviations as they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

_URL = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.)(?:\([^\s<>()]*\)|[^\s<>()])+(?<![.,;:!?\]}'\"”’*_])", re.IGNORECASE
)
_REFERENCE = re.compile(r"^ {0,3}\[[^\]\n]+\]:\s*(?=(?:<|\w+://|www\.))", re.MULTILINE)
_FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]:?")
_HTML = re.compile(r"<!--.*?-->|</?(?P<tag>[a-z][a-z0-9-]*)(?:\s[^<>]*)?/?>", re.IGNORECASE | re.DOTALL)
_TAGS_WITHIN_WORDS = {"a", "b", "em", "i", "mark", "s", "span", "strong", "u"}
_EMOJI = re.compile(
    "[\N{WATCH}-\N{BLACK SQUARE FOR STOP}\u2600-\u27bf\u2b05-\u2b55\U0001f000-\U0001faff]"
    "[\ufe0e\ufe0f\u200d\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
    "|(?<=[0-9#*])\ufe0f?\u20e3|[\ufe0e\ufe0f\ufffd]"
)
_STRAY_MARKUP = re.compile(r"\*{2,}|`+|(?<!\w)_{2,}|_{2,}(?!\w)|~{2,}")
_CODE_OF_WORDS = re.compile(r"[\w .'-]*\w[\w .'-]*(?:\(\))?")
_EMPTY_BRACKETS = re.compile(r"\(\s*[,;:.]?\s*\)|\[\s*\]|\{\s*\}|<\s*>")
_SPACE_BEFORE_MARK = re.compile(r"\s+(?=[,;!?](?:\s|$)|[.:](?:\s|$))")
_JOINERS = "\u200c\u200d"  # letters of some scripts need them
_TERMINAL = (".", "!", "?", ":", ";", ",", "…", "。", "！", "？", "：", "；", "、", "।", "؟", "—", "–")
_CLOSING = "\"'”’»)]"
_FULL_STOPS = {"zh": "。", "ja": "。", "hi": "।"}


def to_spoken(text: str, language: str = "en") -> str:
    """Gives `text`, which may be Markdown, as one line that a speech model can read aloud.

    Headings, list items and table rows become sentences; a table's cells are separated by commas; links and images
    become their text. Code blocks, addresses of web pages, emoji, HTML tags and control characters are left out;
    inline code stays where it reads as words.

    Args:
        text: the answer as the model wrote it.
        language: a language code such as `en` or `zh-CN`; it decides which full stop closes a heading.

    Returns:
        The spoken form; "" when nothing in `text` can be spoken, which the caller must report as a failed row.
    """
    stop = _FULL_STOPS.get(re.split("[-_]", language)[0].lower(), ".")
    source = _HTML.sub(_tag_as_space, _FOOTNOTE.sub("", _REFERENCE.sub("", _printable(text))))
    blocks = [clean for block in _blocks(_parser().parse(source)) if (clean := _tidy(block))]
    spoken = " ".join([_closed(block, stop) for block in blocks[:-1]] + blocks[-1:])
    return spoken if is_speakable(spoken) else ""


def is_speakable(text: str) -> bool:
    """Whether `text` holds a letter or a digit of any script."""
    return any(character.isalnum() for character in text)


@cache
def _parser() -> MarkdownIt:
    """CommonMark with tables; indented text is not code, and `[word]: text` is not a definition: both are answers."""
    rules = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    return rules.disable(["code", "reference", "html_block", "html_inline"])


def _printable(text: str) -> str:
    """Composes accents and drops controls, invisible marks, lone surrogates and private characters."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(
        character
        for character in text
        if character in "\n\t" + _JOINERS or character.isprintable() or unicodedata.category(character)[0] == "Z"
    )


def _tag_as_space(tag: re.Match[str]) -> str:
    return "" if (tag["tag"] or "").lower() in _TAGS_WITHIN_WORDS else " "


def _blocks(tokens: list[Token]) -> Iterator[str]:
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
            content = _inline(token)
            if cells is not None:
                cells.append(content)
            else:
                yield f"{number} {content}"
                number = ""
        elif token.type in ("fence", "list_item_close") and number:
            yield number  # "42." alone is a list item without text for Markdown, and an answer for us
            number = ""


def _inline(token: Token) -> str:
    """The words of a line: emphasis unwrapped, links and images as their text, code only where it is words."""
    words = []
    for child in token.children or []:
        if child.type == "code_inline":
            is_words = _CODE_OF_WORDS.fullmatch(child.content) is not None
            words.append(child.content.replace("_", " ").replace("()", "") if is_words else "")
        elif child.type == "image":
            words.append(_inline(child))
        elif child.type == "softbreak":
            words.append(" ")
        elif child.type == "hardbreak":
            words.append("\n")
        else:
            words.append(child.content)
    return "".join(words)


def _tidy(block: str) -> str:
    """Takes addresses, emoji and markup that was never closed out of `block`, and the holes that they leave."""
    block = _STRAY_MARKUP.sub("", _EMOJI.sub(" ", _URL.sub(" ", block)))
    lines = [" ".join(line.split()) for line in block.split("\n")]
    block = " ".join([line if line.endswith(_TERMINAL) else f"{line}," for line in lines[:-1] if line] + lines[-1:])
    block = _SPACE_BEFORE_MARK.sub("", _EMPTY_BRACKETS.sub("", block))
    return " ".join(block.split())


def _closed(block: str, stop: str) -> str:
    """Ends a heading or list item as a sentence, so that the voice rests there."""
    return block if block.rstrip(_CLOSING).endswith(_TERMINAL) else block + stop
