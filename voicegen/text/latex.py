r"""Formulas in LaTeX within a text: where they stand, and what takes their place.

`$x$`, `$$x$$`, `\(x\)`, `\[x\]`, environments, and commands that stand alone, as chat models write them; not within
code. English has them in words of our own (`voicegen.text.english.formulas`), other languages in mathra's where it has
them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Final

from voicegen.text.english.formulas import formula_in_words
from voicegen.text.languages import family

_OPENING: Final = re.compile(
    r"(?m:^)[ \t>]*(?P<fence>`{3,}|~{3,})|(?P<ticks>`+)|(?P<escaped>\\[\\$`])|(?P<dollars>\$\$?)|\\(?P<bracket>[\[(])"
    r"|\\begin\{(?P<environment>[a-zA-Z]+\*?)\}|(?<![\w\\:/])\\(?P<command>[a-zA-Z]{2,})"
)
_ENDS: Final = {"$$": r"\$\$", "$": r"(?<!\\)\$|\n\s*\n", "[": r"\\\]", "(": r"\\\)|\n\s*\n"}
_ARGUMENT: Final = re.compile(r"\s?(?:\[[^\[\]{}\n]*\])?\{|[_^](?:[\w*]|\\[a-zA-Z]+)|[_^]\{")
_BRACE: Final = re.compile(r"\\.|[{}]|\n\s*\n", re.DOTALL)
_IS_LATEX: Final = re.compile(r"\\[a-zA-Z,;:! {}%$]|[\^_=<>≤≥]|\{,\}")
_SHORT: Final = re.compile(r"[-+]?[\w.,()+\-−*/'|!:∞π± ]{1,60}")
_WORDS: Final = re.compile(r"(?<![^\W\d_])[a-z]{3,}|(?<!\S)[a-z]{2,}(?!\S)|^\d[\d.,]*[kKmMbB]? [a-z]")
_MONEY_AND_WORDS: Final = re.compile(r"\d[\d.,]*[kKmMbB]?[,;.]? (?:[a-z]+ ){2}")
_ARG_MAX: Final = re.compile(r"\\arg\s*\\(max|min)(?![a-zA-Z])")
_LONGEST: Final = 3_000  # characters of a formula


def replaced(text: str, language: str, unread: Callable[[str], str]) -> str:
    """`text` with its formulas in words, and what `unread` makes of each that has none."""
    if "$" not in text and "\\" not in text:
        return text
    pieces = []
    place = 0
    for start, end, written, source in _formulas(text):
        said = in_words(source, language)
        if said is None:
            if written[0] == "\\" and written[1:2].isalpha() and not written.startswith("\\begin"):
                continue  # a command that is no formula is talk about it
            if not _has_command(source):
                continue
            said = unread(written)
        pieces += [text[place:start], _apart(said, text, start, end)]
        place = end
    return "".join([*pieces, text[place:]])


def in_words(source: str, language: str) -> str | None:
    """A formula's words in a language such as `en` or `pt-BR`; None where it is none, or has no words there."""
    import mathra

    if len(source) > _LONGEST:
        return None
    source = _ARG_MAX.sub(r"\\operatorname{arg\1}", source.replace("{,}", ",").replace(r"\boxed", ""))
    try:
        if family(language) == "en":
            return formula_in_words(json.loads(mathra.tex_to_tree(source, strict=True)))
        locale = _locales().get(language) or _locales().get(family(language))
        return mathra.render(source, locale, strict=True)["speech"] or None if locale else None
    except ValueError:
        return None


@cache
def _locales() -> dict[str, str]:
    import mathra

    codes = [language["code"] for language in mathra.locales()]
    return {family(code): code for code in codes} | {code: code for code in codes}


def _formulas(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yields start, end, what is written there, and the formula in it; the search for an end is made once a kind."""
    place = 0
    endless: set[str] = set()
    braces = _ends_of_braces(text)
    while (opening := _OPENING.search(text, place)) is not None:
        place = opening.end()
        kind = opening.lastgroup or ""
        if kind == "escaped":
            continue
        start = opening.start()
        if kind == "command":
            place = _end_of_command(text, place, braces)
            yield start, place, text[start:place], text[start:place]
            continue
        mark = opening[kind]
        if (closing := _closing(text, kind, mark, place, endless)) is None:
            continue
        end = closing.end()
        if kind in ("fence", "ticks"):
            place = end
            continue
        inside = text[opening.end() : closing.start()]
        if kind == "environment" or (closing[0].strip() and _is_formula(mark, inside, text[end : end + 1])):
            yield start, end, text[start:end], text[start:end] if kind == "environment" else inside.strip()
            place = end


def _closing(text: str, kind: str, mark: str, place: int, endless: set[str]) -> re.Match[str] | None:
    if kind == "fence":
        return re.compile(rf"^[ \t>]*{mark}|\Z", re.MULTILINE).search(text, place)
    key = kind + mark
    if key in endless:
        return None
    if kind == "ticks":
        end = rf"(?<!`){mark}(?!`)"
    elif kind == "environment":
        end = rf"\\end\{{{re.escape(mark)}\}}"
    else:
        end = _ENDS[mark]
    closing = re.compile(end).search(text, place)
    if closing is None:
        endless.add(key)
    return closing


def _is_formula(mark: str, inside: str, after: str) -> bool:
    r"""Whether what stands between two marks is a formula: `$5 and $6` is money, `\[note\]` an escaped bracket."""
    if not inside.strip():
        return False
    if mark == "$":
        if after.isdecimal() or (inside[0].isspace() != inside[-1].isspace()):
            return False
        if _MONEY_AND_WORDS.match(inside) and not _has_command(inside):
            return False
    if _IS_LATEX.search(inside):
        return not inside[0].isspace() or mark != "$" or _has_command(inside)
    return _SHORT.fullmatch(inside.strip()) is not None and not _WORDS.search(inside.strip())


def _has_command(source: str) -> bool:
    return re.search(r"\\[a-zA-Z]", source) is not None


def _end_of_command(text: str, place: int, braces: Mapping[int, int]) -> int:
    """Behind a command's arguments, indexes and powers."""
    while (argument := _ARGUMENT.match(text, place)) is not None:
        end = argument.end()
        if argument[0].endswith("{"):
            closed = braces.get(end)
            if closed is None or closed - end > _LONGEST:
                return place
            end = closed
        place = end
    return place


def _ends_of_braces(text: str) -> dict[int, int]:
    """The place behind each brace that is closed in its paragraph, and that behind the one that closes it."""
    ends: dict[int, int] = {}
    open_ones: list[int] = []
    for brace in _BRACE.finditer(text):
        if brace[0] == "{":
            open_ones.append(brace.end())
        elif brace[0].isspace():
            open_ones.clear()
        elif brace[0] == "}" and open_ones:
            ends[open_ones.pop()] = brace.end()
    return ends


def _apart(said: str, text: str, start: int, end: int) -> str:
    """Kept apart from words beside it."""
    before = " " if start and text[start - 1].isalnum() else ""
    if text.startswith("th", end):
        return f"{before}{said}-"  # "$n$th"
    return before + said + (" " if text[end : end + 1].isalnum() else "")
