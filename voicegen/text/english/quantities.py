"""Measures, percentages, fractions, ranges, ratios, and numbers alone."""

from __future__ import annotations

import re

from voicegen.text.english.numbers import by_pairs, cardinal, digits, number, ordinal, plural
from voicegen.text.english.rules import alternatives, kind, number_rule, rule
from voicegen.text.english.units import DASH, NUMBER, PER, SCALES, UNITS, per, several, units

_RISKY = {"A", "F", "T", "K", "pc"}  # letters that more often mean something else
_ELECTRIC = re.compile(r"\b(?:\d ?[kmM]?[VWΩ]|volts?|amps?|current|circuit|tesla|magnet|capacit)")
_TAKES = re.compile(
    r"\b(?:took|takes?|after|for|every|lasts?|lasted|waits?|waited|within|under|over|about|only|another) $|[~<>] ?$"
)
_MARKS = (5, 10, 100)
_MARKS_BEFORE = re.compile(r"(?i:rat\w+|scor\w+|g[ai]ve[sn]?|got|gets?|pain\w*) (?:\w+ ){0,3}$")
_FRACTION_SIGNS = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5),
    "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅐": (1, 7),
    "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip


@number_rule(
    rf"(?P<about>~ ?)?(?<![\w.,])(?P<minus>(?<![\w)\]])[-−+])?(?P<low>{NUMBER})(?:%?{DASH}(?P<high>{NUMBER}))? ?"
    r"(?:%|percent\b)(?!\w)"
)
def _percent(share: re.Match[str]) -> str:
    about = "about " if share["about"] else ""
    sign = {"-": "minus ", "−": "minus ", "+": "plus "}.get(share["minus"] or "", "")
    to = f" to {number(share['high'])}" if share["high"] else ""
    return f"{about}{sign}{number(share['low'])}{to} percent"


@number_rule(
    rf"(?P<minus>(?<![\w)\]])[-−])?(?<![\w.,$€£/])(?P<low>{NUMBER})(?:{DASH}(?P<high>{NUMBER}))?"
    rf"(?P<scale> (?:thousand|million|billion|trillion))?(?P<gap>[ \u00a0\u202f]?|-)(?P<unit>{alternatives(UNITS)})"
    rf"(?:(?P<stop>\.)|/(?P<per>{alternatives(PER)}))?(?![\w²³^/°])"
)
def _measure(measure: re.Match[str]) -> str | None:
    unit, gap = measure["unit"], measure["gap"]
    if unit in _RISKY and (not gap or (unit != "K" and not _ELECTRIC.search(measure.string))):
        return None
    if unit == "s" and not gap and not _TAKES.search(measure.string[: measure.start()]) and measure["low"].isdecimal():
        return None  # "0s and 1s", "in their 20s"
    scale = measure["scale"] or ""
    is_one = measure["low"] == "1" and not measure["high"] and not scale
    low = f"{'minus ' if measure['minus'] else ''}{number(measure['low'])}"
    to = f" to {number(measure['high'])}" if measure["high"] else ""
    before_noun = gap == "-"
    name = UNITS[unit] if before_noun or is_one else several(UNITS[unit])
    stop = measure["stop"] or ""
    if stop and re.match(r"\s+[a-z(]", measure.string[measure.end() :]):
        stop = ""  # of the abbreviation
    return f"{low}{to}{scale}{'-' if before_noun else ' '}{name}{per(measure['per'])}{stop}"


@rule(
    rf"(?:(?<=\d )|(?<=hundred )|(?<=thousand )|(?<=million )|(?<=billion ))"
    rf"(?P<what>[a-z]{{3,}})/(?P<per>{alternatives(PER)})(?![\w/²³])"
    rf"|(?<![\w/])(?P<unit>{alternatives(unit for unit in UNITS if '/' in unit)})(?![\w/²³^])"
)
def _rate(rate: re.Match[str]) -> str:
    return units(rate["unit"]) if rate["unit"] else f"{rate['what']}{per(rate['per'])}"


_COMPASS = {"N": "north", "S": "south", "E": "east", "W": "west"}


@number_rule(
    rf"(?<![\w.,])(?P<degrees>{NUMBER}) ?[°º] ?(?:(?P<minutes>\d{{1,2}}(?:\.\d+)?) ?[′'’] ?"
    r"(?:(?P<seconds>\d{1,2}(?:\.\d+)?) ?(?:[″”\"]|''|′′) ?)?)?(?P<side>[NSEW])?(?!\w)"
)
def _angle(angle: re.Match[str]) -> str | None:
    if not (angle["minutes"] or angle["side"]):
        return None
    parts = [(angle["degrees"], "degree"), (angle["minutes"], "minute"), (angle["seconds"], "second")]
    said = " ".join(f"{number(value)} {unit}{'' if value == '1' else 's'}" for value, unit in parts if value)
    return f"{said} {_COMPASS[angle['side']]}" if angle["side"] else said


@number_rule(
    r"(?<![\w.,])(?P<feet>\d+) ?(?:ft\.?|feet|foot) (?P<inches>\d+(?:\.\d+)?) ?in(?:ch(?:es)?|\b\.?(?=$|[\s,;)]))"
    r"|(?<![\w.,])(?P<only>\d+) ?(?:′|['’](?= (?:tall|high|long|wide|deep|by|x)\b))(?![\w\d])"
)
def _feet(length: re.Match[str]) -> str:
    if length["only"]:
        return f"{cardinal(int(length['only']))} feet"
    inches = f"{number(length['inches'])} inch{'' if length['inches'] == '1' else 'es'}"
    return f"{cardinal(int(length['feet']))} {'foot' if length['feet'] == '1' else 'feet'} {inches}"


@number_rule(r"(?<![\w.,/])(?P<feet>\d+) ?['’′] ?(?P<inches>\d+(?:\.\d+)?) ?(?:[\"”″]|'')")
def _feet_and_inches(height: re.Match[str]) -> str:
    return f"{cardinal(int(height['feet']))} foot {number(height['inches'])}"


@number_rule(rf"(?<![\w.,/\"“])(?P<size>{NUMBER}) ?(?:″|\"(?=[\s.,;)]|$)|in\.(?= [a-z(,]|,)| ?inch(?:es)?\b)")
def _inches(size: re.Match[str]) -> str:
    if size[0].endswith("inch"):
        return f"{number(size['size'])} inch"
    return f"{number(size['size'])} inch{'' if size['size'] == '1' else 'es'}"


@rule(
    rf"(?<![\w.,])(?:(?P<whole>\d+)[ -]?)?(?P<sign>[{''.join(_FRACTION_SIGNS)}])(?: "
    rf"(?P<unit>{alternatives(UNITS)})\b(?:\.(?= [a-z]))?)?"
)
def _fraction_sign(fraction: re.Match[str]) -> str:
    return _mixed(fraction["whole"], *_FRACTION_SIGNS[fraction["sign"]]) + _of_unit(fraction)


def _of_unit(fraction: re.Match[str]) -> str:
    if not fraction["unit"]:
        return ""
    return f" {several(UNITS[fraction['unit']]) if fraction['whole'] else UNITS[fraction['unit']]}"


@number_rule(
    r"(?<![\w.,/$€£-])(?:(?P<whole>\d+)[ -])?(?P<top>\d{1,3})[/⁄](?P<bottom>\d{1,4})(?P<th>(?i:ths?|rds?|nds?))?(?: "
    r"(?P<unit>tsp|tbsp|oz|lb|lbs|km|mi|mm|cm|kg|mmHg)\b(?:\.(?= [a-z]))?)?(?![\w/%]|[.,]\d)(?P<of> of (?:an? |the )?)?"
)
def _fraction(fraction: re.Match[str]) -> str:
    of = fraction["of"] or ""
    pair = None if fraction["whole"] else _pair(fraction)
    if pair is None:
        return _mixed(fraction["whole"], int(fraction["top"]), int(fraction["bottom"])) + _of_unit(fraction) + of
    return pair + (f" {units(fraction['unit'])}" if fraction["unit"] else "") + of


@number_rule(r"(?<![\w.,/$€£-])(?P<mark>\d{1,2}\.\d+)/(?P<most>5|10|20|100)(?![\w/%]|[.,]\d)")
def _mark(mark: re.Match[str]) -> str:
    return f"{number(mark['mark'])} out of {cardinal(int(mark['most']))}"


def _pair(fraction: re.Match[str]) -> str | None:
    """Two numbers with a slash between them that are no parts of something; None of a fraction."""
    top, bottom = int(fraction["top"]), int(fraction["bottom"])
    if (top, bottom) == (24, 7) or (top == bottom and bottom not in _MARKS) or (top + bottom == 100 and top > bottom):
        return f"{cardinal(top)} {cardinal(bottom)}"  # twenty-four seven, fifty fifty
    if (top, bottom) == (9, 11):
        return "nine eleven"
    is_blood_pressure = top > bottom >= 20
    if is_blood_pressure or (bottom > 100 and bottom % 100 and bottom not in (128, 256, 512, 1000)):
        return f"{cardinal(top)} over {cardinal(bottom)}"
    is_mark = bottom in _MARKS and (top == bottom or _MARKS_BEFORE.search(fraction.string[: fraction.start()]))
    if bottom < 2 or is_mark or (top > bottom and bottom == 10):
        return f"{cardinal(top)} out of {cardinal(bottom)}"
    return None


def fraction(top: int, bottom: int) -> str:
    """`3`, `4` as "three quarters"; of halves and smaller parts."""
    return _mixed(None, top, bottom)


def _mixed(whole: str | None, top: int, bottom: int) -> str:
    if bottom < 2:
        return f"{cardinal(int(whole or 0))} and {cardinal(top)} over {cardinal(bottom)}"
    if bottom == 2:
        part = "half" if top == 1 else "halves"
    elif bottom == 4:
        part = "quarter" if top == 1 else "quarters"
    else:
        part = ordinal(bottom) if top == 1 else plural(ordinal(bottom))
    if whole:
        return f"{cardinal(int(whole))} and {'a' if top == 1 else cardinal(top)} {part}"
    return f"{cardinal(top)} {part}"


@number_rule(
    rf"(?<![\w.,])(?P<number>{NUMBER})(?:[ -]?(?P<long>million|billion|trillion)|"
    r"(?P<scale>[kKM]|B(?! [A-Z])|bn|Bn)(?!\w))(?P<plus>\+)?"
)
def _large(large: re.Match[str]) -> str | None:
    if large["scale"] in ("K", "B") and len(large["number"]) == 1:
        return None  # "4K", "Room 4B", "an 8B model"
    scale = large["long"] or SCALES[large["scale"]]
    return f"{number(large['number'])} {scale}{' plus' if large['plus'] else ''}"


@number_rule(r"(?<![\w.,])(?P<number>\d{1,3}(?:,\d{3})+|\d+)(?P<ending>st|nd|rd|th)(?P<several>s)?\b", re.IGNORECASE)
def _ordinal(place: re.Match[str]) -> str:
    said = ordinal(int(place["number"].replace(",", "")))
    return plural(said) if place["several"] else said


@number_rule(r"(?<![\w.,:/])(?P<first>\d{1,3}):(?P<second>\d{1,4})(?::(?P<third>\d{1,3}))?(?![\w:/]|[.,]\d)")
def _ratio(ratio: re.Match[str]) -> str:
    parts = [ratio["first"], ratio["second"], ratio["third"]]
    return " to ".join(cardinal(int(part)) for part in parts if part)


@number_rule(
    rf"(?<![\w.,])(?P<first>{NUMBER})(?P<unit> ?(?:[\"″]|(?:mm|cm|m|km|ft|yd|in|inch(?:es)?)\b))"
    rf" ?[x×✕] ?(?P<second>{NUMBER})(?P=unit)(?: ?[x×✕] ?(?P<third>{NUMBER})(?P=unit))?(?!\w)"
)
def _sides(size: re.Match[str]) -> str:
    unit = UNITS.get(size["unit"].strip(), "inch")
    sides = (size[side] for side in ("first", "second", "third") if size[side])
    return " by ".join(f"{number(side)} {unit if side == '1' else several(unit)}" for side in sides)


@number_rule(r"(?<![\w.,])(?P<wide>\d{3,4})[x×](?P<high>\d{3,4})(?![\w.,]*\d|\w| ?(?:cm|mm|m|km|ft)\b)")
def _pixels(size: re.Match[str]) -> str:
    return f"{by_pairs(int(size['wide']))} by {by_pairs(int(size['high']))}"


@number_rule(
    r"(?<![\w.,])(?P<first>\d+(?:\.\d+)?) ?[x×✕] ?(?P<second>\d+(?:\.\d+)?)(?: ?[x×✕] ?(?P<third>\d+(?:\.\d+)?))?"
    r"(?:\s?(?P<unit>px|cm|mm|m|km|ft)\b|(?=\s?(?:pixels?|feet|inch(?:es)?|grid|matrix|board|array|table|resolution"
    r"|square|image|photo|print|poster|canvas)\b))"
)
def _dimensions(size: re.Match[str]) -> str:
    said = " by ".join(number(side) for side in (size["first"], size["second"], size["third"]) if side)
    return f"{said} {several(UNITS[size['unit']])}" if size["unit"] else said


@number_rule(
    r"(?<![\w.,=+*/(−])(?<![=+*/<>×÷−(-] )(?P<number>\d+(?:\.\d+)?)(?:\s?[-–]\s?(?P<high>\d+(?:\.\d+)?))?[x×]"
    r"(?![\w\d]|\s*[-+−*/=^<>≤≥²³])"
)
def _times(factor: re.Match[str]) -> str:
    to = f" to {number(factor['high'])}" if factor["high"] else ""
    return f"{number(factor['number'])}{to} times"


@number_rule(
    rf"(?<![\w.,/+*=^-])(?<![=+*/<>×÷^] )(?P<low>{NUMBER})(?:\s?[–—]\s?|-| - (?=\d+ [a-z]))(?P<high>{NUMBER})"
    r"(?![\w%/-]|[,.]\d|\s?[=+*/×÷^])"
)
def _range(span: re.Match[str]) -> str | None:
    if len(span["low"]) > 1 and span["low"][0] == "0":
        return None  # a code
    return f"{number(span['low'])} to {number(span['high'])}"


@number_rule(r"(?<![\w.,+])\d{1,3}(?:(?:_\d{3})+|(?:['’]\d{3})+|(?:[ \u00a0\u202f]\d{3})+)(?![\w,]*\d)(?!\.\d)")
def _grouped(amount: re.Match[str]) -> str | None:
    """Thousands kept apart by spaces, apostrophes or underscores; two numbers may stand beside each other, too."""
    groups = re.split(r"\D", amount[0])
    if " " in amount[0] and len(groups) == 2 and not groups[1].endswith("00"):
        return None
    return number("".join(groups)) if groups[0] != "0" else None


@rule(r"(?<![\w])#(?P<number>\d+)\b|\b[Nn]o\. ?(?P<second>\d+)|\b(?P<several>[Nn]os)\. (?=\d)|\bN[º°] ?(?P<third>\d+)")
def _numbered(place: re.Match[str]) -> str:
    if place["several"]:
        return "Numbers " if place["several"] == "Nos" else "numbers "
    return f"number {number(place['number'] or place['second'] or place['third'])}"


@number_rule(r"(?<![\w.,])(?P<tens>\d{1,2}0)s\b|(?<!\w)(?P<small>\d)s\b")
def _several_of(numbers: re.Match[str]) -> str:
    return plural(cardinal(int(numbers["tens"] or numbers["small"])))


@number_rule(rf"(?<![\w)\]])[-−](?P<number>{NUMBER})(?![\w]|[,.]\d)")
def _negative(place: re.Match[str]) -> str:
    return f"minus {number(place['number'])}"


@number_rule(rf"(?<![\d.,])(?P<number>{NUMBER})(?P<plus>\+(?![\w\d]))?(?![,.]?\d)")
def _number(place: re.Match[str]) -> str:
    """Any number that no other rule has taken."""
    return number(place["number"]) + (" plus" if place["plus"] else "")


@number_rule(r"\d[\d,.]*\d|\d")
def _any_digits(place: re.Match[str]) -> str:
    """Digits that make no number: one by one, marks within them aloud."""
    pieces = re.split(r"([.,])", place[0])
    return " ".join({".": "point", ",": ""}.get(piece, digits(piece)) for piece in pieces if piece).replace("  ", " ")


RATES = kind("signs", r"/[A-Za-z]", _rate)
THOUSANDS = kind("digits", r"\d[_'’ \u00a0\u202f]\d{3}", _grouped)
SIZES = kind(
    "digits", r"\d ?(?:[%x×✕°º′'’″\"”]|pe|f[teo]|in|[mck]m|m|yd)",
    _percent, _angle, _sides, _pixels, _dimensions, _feet, _feet_and_inches, _inches,
)  # fmt: skip
MEASURES = kind("digits", r"\d[ \u00a0\u202f-]?[^\s\d.,;:!?)]", _measure)
FRACTIONS = kind(
    "digits", rf"[\d{''.join(_FRACTION_SIGNS)}](?:(?<=\d)[/⁄]\d|(?<!\d))", _fraction_sign, _mark, _fraction
)
COUNTS = kind(
    "digits", r"\d(?:[ -]?(?:[mb]|tr)illion|[kKMBbx×:]|(?i:st|nd|rd|th))",
    _large, _ordinal, _ratio, _times,
)  # fmt: skip
NUMBERED = kind("digits", r"[#Nn](?:(?<=#)\d|(?<!#)(?:os?\. ?|(?<=N)[º°] ?)\d)", _numbered)
RANGES = kind("digits", r"[\d−-](?:(?<=\d)(?:s|\s?[-–—])|(?<!\d)\d)", _range, _several_of, _negative)
NUMBERS = kind("digits", "", _number, _any_digits)
