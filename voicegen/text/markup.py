"""Markup that is not Markdown: tags, comments, footnote marks, markers of chats; gone before Markdown is read."""

from __future__ import annotations

import re

_REFERENCE = re.compile(r"^ {0,3}\[[^\]\n]+\]:\s*(?=(?:<|\w+://|www\.))", re.MULTILINE)
_FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]:?")
TAG_NAMES = (
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
_OF_SETS = (
    "in|range|interval|from|see|and|or|to|by|with|of|is|are|at|array|list|vector|set|point|tuple|sequence|numbers|"
    "values|between|matrix|the|a|on|for|like|as|ref|reference|returns?|gives?|prints?|equals?"
)
_NUMBERS_OF_NOTES = r"\[[1-9]\d{0,2}(?: ?[,–-] ?[1-9]\d{0,2}){0,4}\]"
_NOTE = re.compile(
    rf"(?<=[.,;:!?)”\"’%]){_NUMBERS_OF_NOTES}+(?=[\s.,;:!?)]|$)"
    rf"|(?<= )(?P<word>[^\W\d_]{{4,}}){_NUMBERS_OF_NOTES}+(?=[\s.,;]|$)"
    rf"|\b(?P<last>(?!(?:{_OF_SETS})\b)[^\W\d_]{{3,}}) {_NUMBERS_OF_NOTES}+(?=[.,;:!?)](?:\s|$)|$)"
)
_RAISED_NOTE = re.compile(
    r"(?<=[.,;:!?”\"’])[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}(?:[,⸴˒][⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3})*(?=\s|$)"
    r"|(?<=[^\W\d_]{4})(?<!eter)(?<!etre)(?<!eters)(?<!etres)(?<!inch)(?<!mile)(?<!yard)(?<!feet)(?<!foot)"
    r"[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2}(?=[\s.,;:!?)]|$)"
)
_MARKED = re.compile(r"(?<![=\w])==(?=[^\s=])([^=\n]{1,200}?)(?<=[^\s=])==(?![=\w])")
_RAISED = re.compile(r"(?<=[\w)])\^(\w{1,6}|[-−]\d{1,3})\^")
_LOWERED = re.compile(r"(?<![\w~])([A-Za-z\d()]{1,6})~(\d{1,3}|[a-z]{1,3})~(?!\w*~)")
_UNREAD = re.compile(rf"<!--|<(script|style)(?:{_ATTRIBUTE})*\s*>", re.IGNORECASE)
_END_OF_UNREAD = {
    name: re.compile(end, re.IGNORECASE)
    for name, end in (("", "-->"), ("script", r"</script\s*>"), ("style", r"</style\s*>"))
}
_TAG = re.compile(rf"</?({TAG_NAMES})(?:{_ATTRIBUTE})*\s*/?>", re.IGNORECASE)
_CHAT_MARKER = re.compile(r"<[|｜][^\s<>|｜]{1,40}[|｜]?>|<[^\s<>|｜]{1,40}[|｜]>")
_PLACEHOLDER = re.compile(r"(?<!\w)(?:<|&lt;)(/?)([^\W\d][\w-]*)(?:>|&gt;)")
_TAGS_WITHIN_WORDS = {"a", "b", "em", "i", "mark", "s", "span", "strong", "u"}
_NO_MARKUP = re.compile(  # the signs of "5*3*2", "a*b" and ">90%"
    r"(?<=\d)\*(?=[\d(])|(?<=\b[a-z])\*(?=[a-z\d]\b)|^>(?= ?\d)", re.MULTILINE
)


def without_notes(text: str) -> str:
    """Takes the numbers of notes and sources out of a line that is no code: `so[1]`, `known [2, 3].`, `star.¹`."""
    if "[" in text:
        text = _NOTE.sub(lambda note: note["word"] or note["last"] or "", text)
    return text if text.isascii() else _RAISED_NOTE.sub("", text)


def only_markdown(text: str) -> str:
    """`text` without what is markup and not Markdown's; signs that only look like Markdown's are marked as signs."""
    text = _NO_MARKUP.sub(r"\\\g<0>", text)
    if "==" in text:
        text = _MARKED.sub(r"\1", text)
    if "~" in text:
        text = _LOWERED.sub(lambda sign: sign[1] + (sign[2] if sign[2].isdecimal() else f"_{sign[2]}"), text)
    if "^" in text:
        text = _RAISED.sub(r"^{\1}", text)
    if "[" in text:
        text = _FOOTNOTE.sub("", _REFERENCE.sub("", text))
    if "<" in text or "&lt;" in text:
        text = _TAG.sub(_tag_as_space, without_unread(_CHAT_MARKER.sub(" ", text)))
        text = _PLACEHOLDER.sub(_named, text)
    return text


def without_unread(text: str) -> str:
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


def _named(placeholder: re.Match[str]) -> str:
    """A name in angle brackets; that of an end, such as `</answer>`, with its slash."""
    return f"{placeholder[1]}{placeholder[2]}"
