"""Times of day, and durations written like them."""

from __future__ import annotations

import re

from voicegen.text.english.numbers import cardinal, digits
from voicegen.text.english.rules import kind, number_rule

_ZONES = "UTC|GMT|CET|CEST|BST|EST|EDT|CST|CDT|MST|MDT|PST|PDT|IST|JST"


@number_rule(
    r"(?<![\w.:,-])(?P<hour>[01]?\d|2[0-4])(?:[:.](?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?)? ?"
    r"(?P<half>[ap])\.?m\b(?:\.(?=\s+(?-i:[a-z])|,|\)))?\.?",
    re.IGNORECASE,
)
def _clock_with_half(time: re.Match[str]) -> str | None:
    if not time["minute"] and time[0].endswith(" am") and _is_verb(time):
        return None  # "all 5 am I"
    said = clock(time["hour"], time["minute"], exact=False) + f" {time['half'].upper()}M"
    at_end = time[0].endswith(".") and not time[0].lower().endswith(("a.m.", "p.m."))
    ends = time[0].endswith(".") and re.match(r"\s*(?:$|[A-Z])", time.string[time.end() :])
    return said + ("." if at_end or ends else "")


@number_rule(
    r"(?<![\w.:,/-])(?P<hour>[01]?\d|2[0-3]|24(?=:00)):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d)(?:\.\d+)?)?(?: "
    rf"(?P<zone>{_ZONES})\b)?(?![\w:]|[-–/]\d)"
)
def _clock_alone(time: re.Match[str]) -> str:
    said = clock(time["hour"], time["minute"], exact=True)
    if time["second"]:
        said += f" and {counted(int(time['second']), 'second')}"
    return said + (f" {time['zone']}" if time["zone"] else "")


@number_rule(
    r"(?<![\w.:,/-])(?P<h1>[01]?\d|2[0-3])(?::(?P<m1>[0-5]\d))?(?: ?(?P<half1>[ap])\.?m\.?)?\s?(?:[-–]|to)\s?"
    r"(?P<h2>[01]?\d|2[0-4])(?::(?P<m2>[0-5]\d))? ?(?P<half>[ap])\.?m\b(?:\.(?!\s*(?:$|(?-i:[A-Z]))))?",
    re.IGNORECASE,
)
def _clock_span_with_half(span: re.Match[str]) -> str:
    first = clock(span["h1"], span["m1"], exact=False) + (f" {span['half1'].upper()}M" if span["half1"] else "")
    return f"{first} to {clock(span['h2'], span['m2'], exact=False)} {span['half'].upper()}M"


@number_rule(
    r"(?<![\w.:,/-])(?P<h1>[01]?\d|2[0-3]):(?P<m1>[0-5]\d)\s?[-–]\s?(?P<h2>[01]?\d|2[0-4]):(?P<m2>[0-5]\d)(?![\w:])"
)
def _clock_span(span: re.Match[str]) -> str:
    return f"{clock(span['h1'], span['m1'], exact=True)} to {clock(span['h2'], span['m2'], exact=True)}"


_BEFORE_HOURS = re.compile(r"(?i:\b(?:at|by|until|till|before|after|from|to|around|about|since)) $")


def _is_verb(am: re.Match[str]) -> bool:
    follows = am.string.startswith(" I ", am.end())
    return follows and not _BEFORE_HOURS.search(am.string[: am.start()])


def clock(hour: str, minute: str | None, *, exact: bool) -> str:
    """`15`, `05` as "fifteen oh five"; a full hour is "o'clock" or "hundred" where it is `exact`."""
    hours = digits(hour) if hour == "00" else cardinal(int(hour))
    if minute is None or minute == "00":
        if not exact:
            return hours
        return f"{hours} o'clock" if 1 <= int(hour) <= 12 else f"{hours} hundred"
    return f"{hours} {'oh ' if minute[0] == '0' else ''}{cardinal(int(minute))}"


@number_rule(
    r"(?<![\w.,])(?:(?P<h>\d+) ?h(?:rs?)? ?)(?P<m>\d+) ?m(?:in(?:s|utes)?)?(?: ?(?P<s>\d+) ?s(?:ec)?)?\b|(?<![\w.,])"
    r"(?P<m2>\d+) ?m(?:in)? ?(?P<s2>\d+) ?s(?:ec)?\b"
)
def _duration(time: re.Match[str]) -> str:
    parts = [(time["h"], "hour"), (time["m"] or time["m2"], "minute"), (time["s"] or time["s2"], "second")]
    return " ".join(counted(int(value), unit) for value, unit in parts if value)


def counted(value: int, unit: str) -> str:
    """`2`, "hour" as "two hours"."""
    return f"{cardinal(value)} {unit}{'' if value == 1 else 's'}"


DURATIONS = kind("digits", r"\d ?[hm]", _duration)
CLOCK = kind(
    "digits", r"\d(?: ?[apAP]\.?[mM]\b|:\d)",
    _clock_span_with_half, _clock_with_half, _clock_span, _clock_alone,
)  # fmt: skip
