"""Dates, years, decades and centuries, in American order where the order is open."""

from __future__ import annotations

import re

from voicegen.text.english.clock import clock, counted
from voicegen.text.english.numbers import cardinal, ordinal, plural, year
from voicegen.text.english.rules import alternatives, kind, number_rule, rule
from voicegen.text.english.units import UNITS

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_ALSO_WORDS = ("may", "march", "mar")
_SHORT = {month[:3]: month for month in MONTHS} | {"Sept": "September"}
_MONTH = alternatives([*MONTHS, *(f"{short}." for short in _SHORT), *_SHORT])
_DAYS = {
    "Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday", "Thur": "Thursday",
    "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday",
}  # fmt: skip
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?P<year>[1-9]\d{3})"
_AMOUNTS = alternatives(unit for unit in UNITS if unit.isalpha() and len(unit) > 1)  # follow no year


def _month(written: str) -> str:
    name = written.rstrip(".").capitalize()
    return _SHORT.get(name, name)


def _is_word(month: str) -> bool:
    """Whether what may be a month is as likely a word: "you may 10 times"."""
    return month.rstrip(".") in _ALSO_WORDS


def _date(month: str, day: int, written_year: str | None) -> str:
    return f"{month} {ordinal(day)}" + (f", {year(int(written_year))}" if written_year else "")


def _numbered(month: str, day: str, written_year: str) -> str | None:
    first, second = int(month), int(day)
    if first > 12 >= second:
        first, second = second, first
    if not (1 <= first <= 12 and 1 <= second <= 31):
        return None
    full = written_year if len(written_year) == 4 else f"{'19' if int(written_year) > 50 else '20'}{written_year}"
    return _date(MONTHS[first - 1], second, full)


@number_rule(r"(?<![\w/.-])" + _YEAR + r"([-/.])(?P<month>0?[1-9]|1[0-2])\2" + _DAY + r"(?![\w/-])(?=T\d|\D|$)")
def _iso_date(date: re.Match[str]) -> str | None:
    if date[2] == "." and min(len(date["month"]), len(date["day"])) < 2:
        return None  # a version
    return _iso_date_said(date)


def _iso_date_said(date: re.Match[str]) -> str:
    return _date(MONTHS[int(date["month"]) - 1], int(date["day"]), date["year"])


@number_rule(
    rf"(?<![\w/.-]){_YEAR}-(?P<month>0[1-9]|1[0-2])-(?P<day>0[1-9]|[12]\d|3[01])[T ]"
    r"(?P<hour>[01]\d|2[0-4]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:[.,]\d+)?)? ?"
    r"(?P<zone>Z|(?P<sign>[+-−])(?P<of>\d\d):?(?P<more>\d\d))?(?![\w:-])"
)
def _timestamp(time: re.Match[str]) -> str:
    said = f"{_iso_date_said(time)}, {clock(time['hour'], time['minute'], exact=True)}"
    if time["second"] and time["second"] != "00":
        said += f" and {counted(int(time['second']), 'second')}"
    if not time["zone"]:
        return said
    if time["zone"] == "Z" or int(time["of"] + time["more"]) == 0:
        return f"{said} UTC"
    minutes = f" {cardinal(int(time['more']))}" if time["more"] != "00" else ""
    return f"{said} UTC {'plus' if time['sign'] == '+' else 'minus'} {cardinal(int(time['of']))}{minutes}"


@number_rule(r"(?<![\w/.-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\w/-]|\.\d)")
def _numeric_date(date: re.Match[str]) -> str | None:
    if date[2] in ".-" and len(date[4]) == 2:
        return None  # a version, or three numbers
    return _numbered(date[3], date[1], date[4]) if date[2] == "." else _numbered(date[1], date[3], date[4])


@rule(
    rf"\b(?P<month>{_MONTH}) {_DAY}(?:st|nd|rd|th)?(?P<to> ?[-–] ?(?P<last>\d\d?)(?:st|nd|rd|th)?)?(?:,? {_YEAR})?"
    r"(?![\w:%]|[,.]\d)",
    re.IGNORECASE,
)
def _month_and_day(date: re.Match[str]) -> str | None:
    if _is_word(date["month"]) and not date["year"]:
        return None
    said = _date(_month(date["month"]), int(date["day"]), None)
    if date["to"]:
        said += f" to {ordinal(int(date['last']))}"
    return said + (f", {year(int(date['year']))}" if date["year"] else "")


@rule(
    rf"(?<![\w.,/-])(?P<the>the )?{_DAY}(?:st|nd|rd|th)?(?P<of> of)? (?P<month>{_MONTH})(?:,? {_YEAR})?(?!\w)",
    re.IGNORECASE,
)
def _day_and_month(date: re.Match[str]) -> str | None:
    if _is_word(date["month"]) and not (date["of"] or date["year"]):
        return None
    after = f", {year(int(date['year']))}" if date["year"] else ""
    return f"the {ordinal(int(date['day']))} of {_month(date['month'])}{after}"


@rule(
    rf"(?<![\w/.-])(?:{_DAY}-(?P<month>{_MONTH})|(?P<first>{_MONTH})-(?P<second>[12]\d|3[01]|0?[1-9]))-{_YEAR}(?![\w/-])",
    re.IGNORECASE,
)
def _dashed_date(date: re.Match[str]) -> str:
    if date["day"]:
        return f"the {ordinal(int(date['day']))} of {_month(date['month'])}, {year(int(date['year']))}"
    return _date(_month(date["first"]), int(date["second"]), date["year"])


@rule(rf"\b(?P<month>{_MONTH}),? {_YEAR}(?![\w%]|[,.]\d)", re.IGNORECASE)
def _month_and_year(date: re.Match[str]) -> str | None:
    if _is_word(date["month"]):
        return None
    return f"{_month(date['month'])} {year(int(date['year']))}"


@rule(
    rf"\b(?P<name>{alternatives(_DAYS)})\.?(?=,? (?:{'|'.join(MONTHS)}|the \w+ of|at \d|\d))|\b"
    rf"(?P<first>{alternatives(_DAYS)})\.?(?P<to>[-–/])(?P<last>{alternatives(_DAYS)})\b(?:\.(?= [a-z]))?"
)
def _weekday(day: re.Match[str]) -> str:
    if day["name"]:
        return _DAYS[day["name"]]
    return f"{_DAYS[day['first']]} {'and' if day['to'] == '/' else 'to'} {_DAYS[day['last']]}"


@rule(
    r"\b(?P<when>[Oo]n|[Bb]y|[Dd]ue|[Dd]ated|[Uu]ntil|[Ss]ince|[Bb]efore|[Aa]fter|[Dd]ate:|[Dd]eadline:) "
    r"(?P<month>0?[1-9]|1[0-2])/(?P<day>0?[1-9]|[12]\d|3[01])(?![\w/%]|[.,]\d| (?:of|cup|tsp|tbsp|inch|mile|hour)|-)"
)
def _day_in_digits(date: re.Match[str]) -> str | None:
    if (date["month"], date["day"]) == ("9", "11"):
        return None  # nine eleven
    return f"{date['when']} {_date(MONTHS[int(date['month']) - 1], int(date['day']), None)}"


@number_rule(r"(?<![\w.,/-])(?P<first>19\d\d|20\d\d)/(?P<last>\d\d)(?![\w/-]|[.,]\d)")
def _season(span: re.Match[str]) -> str:
    return f"{year(int(span['first']))} to {'oh ' if span['last'][0] == '0' else ''}{cardinal(int(span['last']))}"


@number_rule(
    r"(?:(?P<to>(?<=\ds)\s?[-–—]\s?)|(?<![\w.,]))(?:(?P<century>1[1-9]|20)(?P<decade>\d)0|['’]?(?P<bare>[2-9])0)['’]?s\b"
)
def _decade(decade: re.Match[str]) -> str:
    said = _decade_said(decade)
    return f" to {said}" if decade["to"] else said


def _decade_said(decade: re.Match[str]) -> str:
    if decade["bare"]:
        return plural(cardinal(int(decade["bare"]) * 10))
    century = cardinal(int(decade["century"]))
    if decade["decade"] == "0":
        return "two thousands" if decade["century"] == "20" else f"{century} hundreds"
    return f"{century} {plural(cardinal(int(decade['decade']) * 10))}"


@number_rule(
    rf"(?<![\w.,-])(?P<first>\d{{3,4}})\s?[-–—]\s?(?P<last>\d{{2,4}})(?![\w.,-]\w|\w| ?(?:{_AMOUNTS})\b)"
    r"(?P<era> (?:BC|AD|BCE|CE)\b)?"
)
def _years(span: re.Match[str]) -> str | None:
    first, last = int(span["first"]), span["last"]
    if not span["era"] and not (
        1100 <= first <= 2100 and (len(last) == 2 or (len(last) == 4 and 1100 <= int(last) <= 2100))
    ):
        return None
    if len(last) == 2 and first >= 1000:
        said = f"oh {cardinal(int(last))}" if last[0] == "0" else cardinal(int(last))
    else:
        said = year(int(last))
    return f"{year(first)} to {said}{_era(span['era'])}"


@rule(r"\b(?:(?P<before>AD) )?(?<![\d.,])(?P<year>\d{1,4})(?P<after> ?(?:BCE|BC|CE|AD)\b)|\bAD (?P<anno>\d{1,4})\b")
def _era_year(date: re.Match[str]) -> str:
    return f"AD {year(int(date['anno']))}" if date["anno"] else f"{year(int(date['year']))}{_era(date['after'])}"


def _era(written: str | None) -> str:
    return f" {written.strip()}" if written else ""


_BEFORE_YEARS = {"c": "circa", "ca": "circa", "est": "established", "b": "born", "d": "died"}


@rule(r"(?:(?<![\w.])(?P<word>ca?|[Ee]st)|(?<=\()(?P<lived>[bd]))\. ?(?=(?:1\d|20)\d\d(?!\d|[,.]\d))")
def _before_year(word: re.Match[str]) -> str:
    written = word["word"] or word["lived"]
    said = _BEFORE_YEARS[written.lower()]
    return f"{said.capitalize() if written[0].isupper() else said} "


_LIKELY_YEAR = r"(?:1[1-9]\d\d|20\d\d)"
_NO_AMOUNT = (
    r"(?![\w%°]|[,.]\d|[-–/:]\d| ?(?:people|percent|per cent|times|dollars|euros|pounds|words|calories|feet|meters"
    r"|metres|miles|kilometers|students|degrees|years|days|hours|units|copies))"
)


@number_rule(rf"(?<![\w.,]){_LIKELY_YEAR}(?:, {_LIKELY_YEAR})++(?:,? (?:and|or) {_LIKELY_YEAR})?+{_NO_AMOUNT}")
def _listed_years(years: re.Match[str]) -> str:
    return re.sub(r"\d+", lambda found: year(int(found[0])), years[0])


@rule(
    r"(?<![\w.,$€£¥#+-])(?:(?P<lead>(?:in|since|by|of|from|until|till|before|after|around|circa|during|year|to|and"
    r"|early|late|mid|the|spring|summer|autumn|fall|winter|copyright|©|born|died|founded|established|built|published"
    r"|released) |(?:pre|post|mid)[-–]|[(,;©] ?|^|[-–—])"
    rf"(?P<year>{_LIKELY_YEAR})){_NO_AMOUNT}",
    re.IGNORECASE,
)
def _year_alone(date: re.Match[str]) -> str:
    return f"{date['lead']}{year(int(date['year']))}"


@rule(
    r"\b(?P<lead>in|since|year|circa|until|before|after) (?P<year>10[1-9]\d)(?![\w%°]|[,.]\d|[-–/:]\d"
    r"| (?!(?:is|was|has|as)\b)[a-z]+s\b)",
    re.IGNORECASE,
)
def _early_year(date: re.Match[str]) -> str:
    """Of the eleventh century, where no such number is counted."""
    return f"{date['lead']} {year(int(date['year']))}"


@rule(r"\bFY ?['’]?(?P<year>(?:19|20)?\d\d)(?!\w|[.,]\d)")
def _fiscal_year(of: re.Match[str]) -> str:
    return f"F Y {year(int(of['year']))}"


@rule(r"\b(?P<name>Q|H)(?P<number>[1-4])(?: (?P<year>(?:19|20)\d\d)| ['’]?(?P<short>\d\d)\b)?(?!\w)")
def _quarter(part: re.Match[str]) -> str:
    said = f"{part['name']} {cardinal(int(part['number']))}"
    return (
        f"{said} {year(int(part['year']))}" if part["year"] else said + (f" {part['short']}" if part["short"] else "")
    )


DATES_IN_DIGITS = kind(
    "digits", r"\d[-/.]\d",
    _timestamp, _iso_date, _numeric_date, _day_in_digits,
)  # fmt: skip
DATES = kind(
    "signs",
    rf"[JFMASONDTWjfmasondtw](?i:{'|'.join(sorted({name[1:3] for name in (*MONTHS, *_DAYS)}))})",
    _dashed_date, _month_and_day, _day_and_month, _month_and_year, _weekday,
)  # fmt: skip
WEEKDAYS = kind("words", r"[-–/](?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)", _weekday)
YEARS = kind(
    "digits",
    r"[\dA](?:(?<=\d)(?:0['’]?s\b|\d\d\s?[-–—]\s?\d|\d{3}/\d\d| ?(?:BC|CE|AD))|D )",
    _before_year, _decade, _years, _season, _era_year,
)  # fmt: skip
SINGLE_YEARS = kind(
    "digits", r"[12QHF](?:(?<=[12])\d{3}(?!\d)|(?<=[QH])[1-4]|(?<=F)Y)",
    _before_year, _fiscal_year, _quarter, _listed_years, _year_alone, _early_year,
)  # fmt: skip
