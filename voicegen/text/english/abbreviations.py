"""Abbreviations, titles, and Roman numerals."""

from __future__ import annotations

import re

from voicegen.text.english.numbers import cardinal, ordinal
from voicegen.text.english.rules import alternatives, kind, rule
from voicegen.text.roman import ROMAN, roman_value

_BEFORE_NAMES = {
    "Dr": "Doctor", "Mr": "Mister", "Mrs": "Missus", "Ms": "Miz", "Prof": "Professor", "Rev": "Reverend",
    "Gen": "General", "Col": "Colonel", "Capt": "Captain", "Lt": "Lieutenant", "Sgt": "Sergeant", "Maj": "Major",
    "Cmdr": "Commander", "Gov": "Governor", "Sen": "Senator", "Rep": "Representative", "Pres": "President",
    "Hon": "Honorable", "Mt": "Mount", "St": "Saint", "Ft": "Fort", "Fr": "Father", "Sr": "Sister",
}  # fmt: skip
_AFTER_NAMES = {
    "Jr": "Junior", "Sr": "Senior", "Inc": "Incorporated", "Ltd": "Limited", "Corp": "Corporation", "Co": "Company",
    "Bros": "Brothers", "Esq": "Esquire",
}  # fmt: skip
_BEFORE_NUMBERS = {
    "p": "page", "pp": "pages", "Fig": "Figure", "fig": "figure", "Figs": "Figures", "figs": "figures",
    "Eq": "Equation", "eq": "equation", "Eqs": "Equations", "eqs": "equations", "Ch": "Chapter", "ch": "chapter",
    "Sec": "Section", "sec": "section", "Vol": "Volume", "vol": "volume", "Ver": "Version", "ver": "version",
    "Art": "Article", "art": "article", "Ex": "Example", "Tab": "Table", "Ref": "Reference", "ref": "reference",
    "Ext": "Extension", "ext": "extension", "Pt": "Part", "pt": "part", "Rm": "Room", "l": "line", "ll": "lines",
    "Op": "Opus", "op": "opus", "ca": "circa", "c": "circa", "Thm": "Theorem", "Def": "Definition",
}  # fmt: skip
_ANYWHERE = {
    "e.g": "for example", "i.e": "that is", "etc": "et cetera", "vs": "versus", "v.s": "versus",
    "approx": "approximately", "et al": "and others", "cf": "compare", "viz": "namely", "a.k.a": "also known as",
    "w.r.t": "with respect to", "resp": "respectively", "dept": "department", "Dept": "Department",
    "est": "established", "max": "maximum", "min": "minimum", "avg": "average", "Avg": "Average",
    "misc": "miscellaneous", "temp": "temperature", "incl": "including", "excl": "excluding", "govt": "government",
    "Govt": "Government", "Univ": "University", "ed": "edition", "eds": "editors", "rev": "revision",
    "assoc": "associate", "dist": "distance", "mgr": "manager", "asst": "assistant", "intl": "international",
    "Intl": "International", "N.B": "note well", "P.S": "P S", "esp": "especially", "orig": "originally",
    "Approx": "Approximately", "E.g": "For example", "I.e": "That is", "Etc": "Et cetera", "Cf": "Compare",
    "Esp": "Especially", "Max": "Maximum", "Min": "Minimum", "Ph.D": "P H D",
}  # fmt: skip
_WITHOUT_POINT = {
    "vs": "versus", "w/o": "without", "w/": "with ", "b/c": "because", "aka": "also known as",
    "approx": "approximately", "24/7": "twenty-four seven", "n/a": "not applicable", "N/A": "not applicable",
    "ASAP": "as soon as possible", "wrt": "with respect to", "mph": "miles per hour", "rpm": "revolutions per minute",
    "iff": "if and only if", "&c": "et cetera", "et al": "and others",
}  # fmt: skip
_REGNAL = (
    "Henry|Louis|Charles|George|Edward|James|William|Richard|Elizabeth|Mary|Philip|Ferdinand|Frederick|Friedrich"
    "|Napoleon|"
    "Peter|Catherine|Nicholas|Alexander|Ivan|Pius|Paul|John|Benedict|Leo|Gregory|Innocent|Clement|Urban|Francis"
    "|Wilhelm|"
    "Otto|Ramses|Ramesses|Thutmose|Amenhotep|Ptolemy|Cleopatra|Darius|Xerxes|Mehmed|Murad|Suleiman|Selim|Gustav"
    "|Christian|"
    "Alfonso|Juan|Pedro|Carlos|Felipe|Umberto|Leopold|Albert|Haakon|Olav|Harald|Rama|Queen|King|Pope|Robert|David|"
    "Edgar|Mahmud|Abdul|Joseph|Maximilian|Rudolf|Sigismund|Theodosius|Constantine|Justinian|Julius|Sixtus|Boniface"
    "|Celestine"
)
_COUNTED = (
    "Chapter|Part|Act|Scene|Book|Volume|Section|Phase|Type|Stage|Level|Class|Grade|Title|Article|Appendix|War|Bowl"
    "|Figure|"
    "Table|Mark|Apollo|Gemini|Saturn|Rocky|Episode|Unit|Schedule|Category|Group|Tier|Division|Round|Lesson|Module"
    "|Canto|"
    "Fantasy|Version|Step|Quest|Grand Theft Auto|Kombat|Age|Layer|Column|Factor|Generation|Civilization|chapter|part"
    "|act|"
    "scene|type|stage|phase|section|volume|level|class|factor"
)
_COUNTED_LOUDLY = "|".join(sorted({word.upper() for word in _COUNTED.split("|")}))
_ROMAN = rf"(?=[IVXLCDM]+(?:\b|[a-c]\b)){ROMAN}"


def _ends_sentence(place: re.Match[str]) -> bool:
    return re.match(r"\s*$|\s+[\"“'(]?[A-Z]", place.string[place.end() :]) is not None


@rule(rf"\b(?P<title>{alternatives(_BEFORE_NAMES)})\.?(?= ?[A-Z][\w'’.-]?| and (?:Mrs|Ms|Dr|Mr)\b)")
def _title(title: re.Match[str]) -> str | None:
    if not title[0].endswith(".") and title["title"] not in ("Dr", "Mr", "Mrs", "Ms", "Prof", "St", "Mt"):
        return None
    return _BEFORE_NAMES[title["title"]] + ("" if title.string[title.end() : title.end() + 1] == " " else " ")


@rule(rf"(?<=\w)(?P<comma>,?) (?P<kind>{alternatives(_AFTER_NAMES)})(?P<point>\.)(?=[\s,;:)]|$)")
def _after_name(name: re.Match[str]) -> str:
    stop = "." if _ends_sentence(name) and not re.match(r"\s+(?:and|of|in|v)\b", name.string[name.end() :]) else ""
    return f"{name['comma']} {_AFTER_NAMES[name['kind']]}{stop}"


@rule(rf"(?<![\w.])(?P<word>{alternatives(_BEFORE_NUMBERS)})\. ?(?=\d|[IVX]+\b|§|(?<=[Ee]q\. |ig\. |qs\. )\(\d)")
def _before_number(word: re.Match[str]) -> str:
    return f"{_BEFORE_NUMBERS[word['word']]} "


@rule(rf"(?<![\w.])(?P<word>{alternatives(_ANYWHERE)})\.(?P<comma>,)?(?!\w)")
def _anywhere(word: re.Match[str]) -> str | None:
    written = word["word"]
    said = _ANYWHERE[written]
    if written in ("max", "min", "ed", "temp", "est", "rev", "dist") and _ends_sentence(word):
        return None
    stop = (
        "."
        if not word["comma"] and _ends_sentence(word) and written not in ("e.g", "i.e", "vs", "cf", "approx")
        else ""
    )
    if written[0].isupper() and said[0].islower() and len(said) > 1:
        said = said[0].upper() + said[1:]
    return said + (word["comma"] or stop)


@rule(rf"(?<![\w./])(?:{alternatives(_WITHOUT_POINT)})(?![\w/]|\.\s\S)|(?<!\w)w/(?=\w)")
def _without_point(word: re.Match[str]) -> str:
    return _WITHOUT_POINT[word[0]].strip() if word[0] != "w/" else "with "


@rule(rf"\b(?P<name>{_REGNAL}) (?P<roman>{_ROMAN})\b(?P<own>['’]s)?(?!\.\w)")
def _regnal(name: re.Match[str]) -> str | None:
    starts = not name.start() or name.string[: name.start()].endswith(
        (". ", "! ", "? ", "Queen ", "King ", "of ", "by ")
    )
    if (
        name["roman"] == "I"
        and not starts
        and re.match(
            r" (?:am|was|have|had|think|will|would|can|do|did|know|could|should|saw|went|want)\b|['’]",
            name.string[name.end() :],
        )
    ):
        return None
    return f"{name['name']} the {ordinal(roman_value(name['roman']))}{name['own'] or ''}"


@rule(rf"\b(?P<what>{_COUNTED}|{_COUNTED_LOUDLY}) (?P<roman>{_ROMAN})(?P<letter>[a-c])?\b(?!['’.]\w)")
def _counted(part: re.Match[str]) -> str | None:
    if part["roman"] in ("C", "D", "L", "M"):
        return None  # a letter: "Type C"
    if (
        part["roman"] == "I"
        and (part["what"][0].islower() or part["what"].isupper())
        and part["what"] not in ("type", "class", "phase", "stage", "part")
    ):
        return None
    said = f"{part['what']} {cardinal(roman_value(part['roman']))}"
    return said + (f" {part['letter'].upper()}" if part["letter"] else "")


@rule(r"(?<![\w.])(?P<roman>(?:X{1,3}(?:IX|IV|V?I{0,3})|V?I{2,3}|IX|IV|VI))(?P<th>th|st|nd|rd)? (?=[Cc]entur)")
def _century(number: re.Match[str]) -> str:
    return f"{ordinal(roman_value(number['roman']))} "


@rule(r"(?<![\w.-])(?P<roman>(?:X{1,3}(?:IX|IV|V?I{1,3})|V?I{2,3}|IX|IV|VI|VII|VIII|XI{1,3}))(?=[.)] [A-Z])")
def _list_number(number: re.Match[str]) -> str:
    return cardinal(roman_value(number["roman"]))


@rule(r"(?<![\w.])(?P<initials>(?:[A-Z]\.){2,})(?P<own>['’]s)?(?!\w)")
def _initials(name: re.Match[str]) -> str:
    """`U.S.` as "U S"; a point is kept where a sentence ends there."""
    said = " ".join(name["initials"].replace(".", ""))
    stop = (
        "."
        if not name["own"]
        and re.match(r"\s*$|\s+(?:The|It|He|She|They|We|In|But|This|That|And|You|I|A)\s", name.string[name.end() :])
        else ""
    )
    return f"{said}{name['own'] or ''}{stop}"


_MARKS_TO_SPACES = str.maketrans(dict.fromkeys(".,;:!?()[]\"'’“”/&-–—0123456789", " "))
_SHORT = frozenset(re.findall(r"[A-Za-z]{2,}", " ".join([*_BEFORE_NAMES, *_AFTER_NAMES, *_BEFORE_NUMBERS,
                                                         *_ANYWHERE, *_WITHOUT_POINT])))  # fmt: skip
_WITH_A_SIGN = re.compile(r"[./](?:[A-Za-z]|(?<=\b[a-zA-Z][./]) ?[\dIVX§]|(?<=\bw/))")
_NUMERALS = frozenset("VXLCDM")
_NAMED = frozenset(f"{_REGNAL}|{_COUNTED}".replace(" ", "|").split("|"))
_MANY = re.compile("[IVXLCDM]{2,}(?:[a-c]|th|st|nd|rd)?(?![A-Za-z])")


def _is_short(text: str) -> bool:
    """Whether something may be an abbreviation or a Roman numeral."""
    words = set(text.translate(_MARKS_TO_SPACES).split())
    if not (words.isdisjoint(_SHORT) and words.isdisjoint(_NUMERALS)) or _WITH_A_SIGN.search(text):
        return True
    return ("I" in words and not words.isdisjoint(_NAMED)) or _MANY.search(text) is not None


ABBREVIATIONS = kind(
    "words", _is_short,
    _without_point, _title, _after_name, _before_number, _anywhere, _regnal, _century, _counted, _list_number,
    _initials,
)  # fmt: skip
