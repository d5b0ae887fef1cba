"""Markup that is not Markdown: tags, comments, footnote marks, markers of chats; gone before Markdown is read."""

from __future__ import annotations

import re

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
_PLACEHOLDER = re.compile(r"(?<!\w)(?:<|&lt;)(/?)([^\W\d][\w-]*)(?:>|&gt;)")
_TAGS_WITHIN_WORDS = {"a", "b", "em", "i", "mark", "s", "span", "strong", "u"}
_NO_MARKUP = re.compile(  # the signs of "5*3*2", "a*b" and ">90%"
    r"(?<=\d)\*(?=[\d(])|(?<=\b[a-z])\*(?=[a-z\d]\b)|^>(?= ?\d)", re.MULTILINE
)


def only_markdown(text: str) -> str:
    """`text` without what is markup and not Markdown's; signs that only look like Markdown's are marked as signs."""
    text = _NO_MARKUP.sub(r"\\\g<0>", text)
    if "[" in text:
        text = _FOOTNOTE.sub("", _REFERENCE.sub("", text))
    if "<" in text or "&lt;" in text:
        text = _TAG.sub(_tag_as_space, _without_unread(_CHAT_MARKER.sub(" ", text)))
        text = _PLACEHOLDER.sub(_named, text)
    return text


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


def _named(placeholder: re.Match[str]) -> str:
    """A name in angle brackets; that of an end, such as `</answer>`, with its slash."""
    return f"{placeholder[1]}{placeholder[2]}"
