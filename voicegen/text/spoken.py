"""Turns a written answer into text that can be spoken: what only the eye reads goes, every word stays.

English then has all in words that is said in words (`voicegen.text.english`); in another language numbers, symbols and
abbreviations are left to the voice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from voicegen.text.english import in_words
from voicegen.text.languages import family

_URL = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.)(?:\([^\s<>()]*\)|[^\s<>()])+(?<![.,;:!?\]}'\"”’*_])", re.IGNORECASE
)
_REFERENCE = re.compile(r"^ {0,3}\[[^\]\n]+\]:\s*(?=(?:<|\w+://|www\.))", re.MULTILINE)
_FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]:?")
_TAG_NAMES = (
    "a|abbr|address|article|aside|audio|b|bdi|bdo|big|blockquote|body|br|button|caption|center|cite|code|col|colgroup|"
    "dd|del|details|dfn|div|dl|dt|em|embed|fieldset|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|html|i|"
    "iframe|img|input|ins|kbd|label|legend|li|link|main|mark|meta|nav|object|ol|option|p|param|picture|pre|q|rp|rt|"
    "ruby|s|samp|script|section|select|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody|td|"
    "textarea|tfoot|th|thead|time|title|tr|tt|u|ul|var|video|wbr|"
    "speak|voice|prosody|emphasis|break|say-as|phoneme|lexicon|metadata|desc"
)
_ATTRIBUTE = (
    r"""\s+(?:[a-z][\w:.-]*\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>=]+)|controls|disabled|checked|hidden|open|selected)"""
)
_UNREAD = re.compile(rf"<!--|<(script|style)(?:{_ATTRIBUTE})*\s*>", re.IGNORECASE)
_END_OF_UNREAD = {
    name: re.compile(end, re.IGNORECASE)
    for name, end in (("", "-->"), ("script", r"</script\s*>"), ("style", r"</style\s*>"))
}
_TAG = re.compile(rf"</?({_TAG_NAMES})(?:{_ATTRIBUTE})*\s*/?>", re.IGNORECASE)
_CHAT_MARKER = re.compile(r"<[|｜][^\s<>|｜]{1,40}[|｜]?>|<[^\s<>|｜]{1,40}[|｜]>")
_PLACEHOLDER = re.compile(r"(?<!\w)<([^\W\d][\w-]*)>")
_ESCAPES = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\\]|\x9d)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)|\x1b[ -/]*[0-~]"
)
_LETTERS_IN_DISGUISE = ("<font>", "<wide>", "<narrow>", "<circle>", "<initial>", "<medial>", "<final>", "<isolated>")
_LIGATURES_AND_NUMERALS = re.compile("[\ufb00-\ufb06\u2160-\u217f]")
_HALF_WIDTH_JAMO = re.compile("[\uffa0-\uffdc]")  # their full forms would no longer join to syllables
_LINE = "\x1f"  # stands for a line break of the source, whose own control characters are gone
_WRAPPED_AT = 50  # characters: a line as long as this may be prose that goes on in the next
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
LONGEST_TEXT = 100_000  # characters: some two hours of speech
_FULL_STOPS = {"zh": "。", "ja": "。", "hi": "।"}


def to_spoken(text: str, language: str = "en") -> str:
    """Gives `text`, which may be Markdown, as one line that a speech model can read aloud.

    Headings, list items and table rows become sentences; a table's cells are separated by commas; links and images
    become their text; short lines are sentences of their own. Code blocks, emoji, known tags of HTML and SSML, markers
    such as `<|im_end|>`, escape sequences and control characters are left out; other words in angle brackets stay.
    English has addresses and inline code read; another language has addresses left out, and inline code where it is no
    words. Letters and digits in another dress (full width, mathematical) become plain ones.

    Args:
        text: the answer as the model wrote it.
        language: a language code such as `en` or `zh-CN`; it decides what is put in words, and which full stop closes a
            heading.

    Returns:
        The spoken form; "" when nothing in `text` can be spoken, which the caller must report as a failed row.
    """
    spoken_language = family(language)
    stop = _FULL_STOPS.get(spoken_language, ".")
    unmarked = _CHAT_MARKER.sub(" ", _FOOTNOTE.sub("", _REFERENCE.sub("", _printable(text))))
    source = _PLACEHOLDER.sub(r"\1", _TAG.sub(_tag_as_space, _without_unread(unmarked)))
    reads = spoken_language == "en"
    blocks = [clean for block in _blocks(_parser().parse(source), reads) if (clean := _tidy(block, stop, reads))]
    if reads:
        blocks = [said for block in blocks if (said := in_words(block))]
    spoken = " ".join([_closed(block, stop) for block in blocks[:-1]] + blocks[-1:])
    return spoken if is_speakable(spoken) else ""


def is_speakable(text: str) -> bool:
    """Whether `text` holds a letter or a digit of any script."""
    return any(character.isalnum() for character in text)


def too_long(text: str) -> str | None:
    """Why `text` cannot be spoken in one piece, if it is that long: it would hold up a run, and fill its memory."""
    if len(text) <= LONGEST_TEXT:
        return None
    return f"{len(text):,} characters, more than the {LONGEST_TEXT:,} (some two hours) that one row may hold: split it"


@cache
def _parser() -> MarkdownIt:
    """CommonMark with tables; indented text is not code, and `[word]: text` is not a definition: both are answers."""
    rules = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    return rules.disable(["code", "reference", "html_block", "html_inline"])


def _printable(text: str) -> str:
    """Composes accents, undresses letters and drops escape sequences, controls, invisible and private characters."""
    text = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = unicodedata.normalize("NFC", text if text.isascii() else "".join(map(_plain, text)))
    return "".join(
        character
        for character in text
        if character in "\n\t" + _JOINERS or character.isprintable() or unicodedata.category(character)[0] == "Z"
    )


def _plain(character: str) -> str:
    """A letter or digit without its dress; raised and lowered ones and fractions stay, as they mean something else."""
    if not character.isalnum() or _HALF_WIDTH_JAMO.match(character):
        return character
    dressed = unicodedata.decomposition(character).startswith(_LETTERS_IN_DISGUISE)
    folds = dressed or _LIGATURES_AND_NUMERALS.match(character)
    return unicodedata.normalize("NFKC", character) if folds else character


def _without_unread(text: str) -> str:
    """Takes out comments, scripts and style sheets that end; the search for an end that is not there is made once."""
    pieces: list[str] = []
    place = 0
    endless: set[str] = set()
    for opening in _UNREAD.finditer(text):
        name = (opening[1] or "").lower()
        if opening.start() < place or name in endless:
            continue
        end = _END_OF_UNREAD[name].search(text, opening.end())
        if end is None:
            endless.add(name)
            continue
        pieces += [text[place : opening.start()], " "]
        place = end.end()
    return "".join([*pieces, text[place:]])


def _tag_as_space(tag: re.Match[str]) -> str:
    return "" if tag[1].lower() in _TAGS_WITHIN_WORDS else " "


def _blocks(tokens: list[Token], reads: bool) -> Iterator[str]:
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
            content = _inline(token, reads)
            if cells is not None:
                cells.append(content)
            else:
                yield f"{number} {content}"
                number = ""
        elif token.type in ("fence", "list_item_close") and number:
            yield number  # "42." alone is a list item without text for Markdown, and an answer for us
            number = ""


def _inline(token: Token, reads: bool) -> str:
    """The words of a line: emphasis unwrapped, links and images as their text, code only where it is words."""
    words = []
    for child in token.children or []:
        if child.type == "code_inline":
            is_words = _CODE_OF_WORDS.fullmatch(child.content) is not None
            if reads:
                words.append(child.content)
            else:
                words.append(child.content.replace("_", " ").replace("()", "") if is_words else "")
        elif child.type == "image":
            words.append(_inline(child, reads))
        elif child.type == "softbreak":
            words.append(_LINE)
        elif child.type == "hardbreak":
            words.append("\n")
        else:
            words.append(_printable(child.content))  # an entity may stand for a control character
    return "".join(words)


def _tidy(block: str, stop: str, reads: bool) -> str:
    """Takes addresses, emoji and markup that was never closed out of `block`, and the holes that they leave."""
    block = _STRAY_MARKUP.sub("", _EMOJI.sub(" ", block if reads else _URL.sub(" ", block)))
    lines = [" ".join(line.split()) for line in _lines_as_sentences(block, stop).split("\n")]
    block = " ".join([line if line.endswith(_TERMINAL) else f"{line}," for line in lines[:-1] if line] + lines[-1:])
    block = _SPACE_BEFORE_MARK.sub("", _EMPTY_BRACKETS.sub("", block))
    return " ".join(block.split())


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


def _closed(block: str, stop: str) -> str:
    """Ends a heading or list item as a sentence, so that the voice rests there."""
    return block if block.rstrip(_CLOSING).endswith(_TERMINAL) else block + stop
