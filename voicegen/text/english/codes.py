"""Numbers that name something and count nothing: of telephones, accounts, machines, places and answers of servers."""

from __future__ import annotations

import re

from voicegen.text.english.numbers import by_pairs, cardinal, digits
from voicegen.text.english.rules import kind, number_rule, rule

_FEWEST_DIGITS = 7  # of a telephone number with its country


@rule(
    r"(?<![\w.,/$€£])(?P<plus>\+ ?)?(?:(?P<country>\d{1,3})[ .-])?(?:\((?P<area>\d{2,4})\)[ -]?|(?P<area2>\d{3})[ .-])"
    r"(?P<a>\d{3})[ .-](?P<b>\d{4})(?:,? ?(?:ext\.?|x) ?(?P<ext>\d+))?(?![\w]|[.,-]\d)"
)
def _telephone(number: re.Match[str]) -> str:
    groups = [number["country"], number["area"] or number["area2"], number["a"], number["b"]]
    said = ", ".join(digits(group) for group in groups if group)
    extension = f", extension {digits(number['ext'])}" if number["ext"] else ""
    return f"{'plus ' if number['plus'] else ''}{said}{extension}"


@number_rule(
    r"(?<![\w.,])\+ ?\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,6}(?![\w]|[.,-]\d)|(?<![\w.,:/$€£-])(?:0\d{1,4}[ -]"
    r"(?:\d{2,4}[ -])*\d{3,}|\d{3}-\d{4})(?![\w-]|[.,]\d)"
)
def _international(number: re.Match[str]) -> str | None:
    if number[0].startswith("+") and sum(map(str.isdecimal, number[0])) < _FEWEST_DIGITS:
        return None  # "+1.25"
    said = ", ".join(digits(group) for group in re.findall(r"\d+", number[0]))
    return f"plus {said}" if number[0].startswith("+") else said


@rule(
    r"(?<!\w)(?P<what>SSN|social security number|ISBN|PIN|[Zz]ip code|ZIP code|[Pp]ostcode|OTP|[Aa]ccount number"
    r"|[Ss]erial number|[Cc]ode|[Pp]assword|[Pp]asscode)"
    r"(?P<gap>:? (?:is |was |of )?)(?P<code>[\d][\d -]*[\dX])(?!\w|[.,]\d)"
    r"|(?<!\w)(?P<kind>(?:[Aa]ccount|[Aa]cct\.?|[Cc]ard|[Ii]nvoice|[Oo]rder|[Tt]icket|[Tt]racking|[Pp]olicy|[Bb]ooking"
    r"|[Cc]onfirmation|[Rr]eference|[Rr]outing|[Mm]ember|[Cc]ustomer)(?: number| no\.?| ID)?(?: is)?:? )"
    r"#?(?P<number>\d{5,})(?!\w|[.,]\d)"
    r"|(?<!\w)(?P<ending>(?:[Cc]ard|[Aa]ccount|[Nn]umber|[Pp]hone)s? (?:that )?(?:ends|ending) (?:in|with) )"
    r"(?P<last>\d{2,})(?!\w|[.,]\d)"
)
def _code(code: re.Match[str]) -> str:
    if code["kind"]:
        return code["kind"] + digits(code["number"])
    if code["ending"]:
        return code["ending"] + digits(code["last"])
    groups = re.findall(r"[\dX]+", code["code"])
    return code["what"] + code["gap"] + ", ".join(digits(group) + (" X" if "X" in group else "") for group in groups)


@number_rule(r"(?<!\w)(?P<a>\d{3})-(?P<b>\d{2})-(?P<c>\d{4})(?!\w)")
def _social_security(code: re.Match[str]) -> str:
    return ", ".join(digits(group) for group in code.groups())


@number_rule(r"(?<!\w)0x(?P<hex>[0-9a-fA-F]+)(?!\w)|(?<!\w)0b(?P<binary>[01]+)(?!\w)")
def _hexadecimal(code: re.Match[str]) -> str:
    if code["binary"]:
        return f"zero b {digits(code['binary'])}"
    return "zero x " + " ".join(digits(sign) if sign.isdecimal() else sign.upper() for sign in code["hex"])


@rule(
    r"\b(?P<verb>(?:[Cc]all|[Dd]ial|[Pp]hone|[Rr]ing|[Tt]ext)(?:s|ing|ed|led)?(?: [A-Z]+ to)?) "
    r"(?P<number>\d{3}|\d{5,6})"
    r"(?: or (?P<other>\d{3}))?(?![\w%-]|[.,:]\d| (?!services|emergency)[a-z]+s\b)"
    r"|(?<![\w.,$€£-])(?P<alone>911|988|112|999|311)"
    r"(?= (?:call|operator|dispatch|emergency|hotline|[Ll]ifeline|system))"
)
def _short_number(call: re.Match[str]) -> str:
    if call["alone"]:
        return digits(call["alone"])
    other = f" or {digits(call['other'])}" if call["other"] else ""
    return f"{call['verb']} {digits(call['number'])}{other}"


@rule(
    r"\b(?P<before>(?:HTTP|[Ss]tatus(?: code)?|[Ee]rror(?: code)?|[Rr]esponse code)(?: of| is|:)? )"
    r"(?P<code>[1-5]\d\d)(?![\w.,]*\d)"
    r"|(?<![\w.,$€£-])(?P<first>[45]\d\d)(?= (?:[Ee]rror|[Pp]age|[Rr]esponse|[Ss]tatus|Not Found|Forbidden))"
)
def _status(code: re.Match[str]) -> str:
    written = code["code"] or code["first"]
    rest = int(written[1:])
    said = cardinal(int(written[0])) + (f" {'oh ' if rest < 10 else ''}{cardinal(rest)}" if rest else " hundred")
    return (code["before"] or "") + said


@number_rule(
    r"(?<![\w-])(?:(?P<one>1)-)?(?P<area>8(?:00|33|44|55|66|77|88)|900)-(?P<words>[A-Z]{2,}(?:-?[A-Z\d]+)*)(?![\w-])"
)
def _vanity(number: re.Match[str]) -> str:
    area = f"{cardinal(int(number['area'][0]))} hundred" if number["area"].endswith("00") else digits(number["area"])
    words = " ".join(digits(part) if part.isdecimal() else part for part in re.findall(r"[A-Z]+|\d+", number["words"]))
    return f"{'one, ' if number['one'] else ''}{area}, {words}"


@number_rule(r"(?<![\w.,-])(?:\d{4}(?:[ -]\d{4}){3}|\d{4}[ -]\d{6}[ -]\d{5})(?![\w-]|[.,]\d)")
def _card(number: re.Match[str]) -> str:
    return ", ".join(digits(group) for group in re.findall(r"\d+", number[0]))


@rule(r"(?<!\w)(?P<country>[A-Z]{2})(?P<check>\d{2})(?P<rest>(?: [A-Z\d]{4}){3,7}(?: [A-Z\d]{1,3})?)(?!\w)")
def _iban(account: re.Match[str]) -> str:
    groups = [_one_by_one(group) for group in account["rest"].split()]
    return ", ".join([f"{' '.join(account['country'])} {digits(account['check'])}", *groups])


def _one_by_one(code: str) -> str:
    return " ".join(digits(sign) if sign.isdecimal() else sign.upper() for sign in code)


@rule(
    r"(?<![\w:-])(?P<mac>[\dA-Fa-f]{2}(?:[:-][\dA-Fa-f]{2}){5})(?![\w:-])"
    r"|(?<![\w:])(?P<six>(?:[\da-fA-F]{1,4}:){7}[\da-fA-F]{1,4}"
    r"|(?:[\da-fA-F]{1,4}:)+:(?:[\da-fA-F]{1,4}(?::[\da-fA-F]{1,4})*)?)(?![\w:])"
)
def _machine(address: re.Match[str]) -> str | None:
    if address["mac"]:
        return ", ".join(_one_by_one(pair) for pair in re.split("[:-]", address["mac"]))
    if not re.search(r"\d", address[0]):
        return None
    return re.sub(r"\s+", " ", _one_by_one(address[0].replace(":", ".")).replace(".", "colon"))


@rule(r"\b(?P<host>localhost):(?P<port>\d{2,5})(?!\d)")
def _local(address: re.Match[str]) -> str:
    return f"localhost colon {cardinal(int(address['port']))}"


@rule(
    r"\b(?P<name>RTX|GTX|RX|Ryzen \d|Core i\d|Boeing|Route|Peugeot|Xeon"
    r"|Quadro|Radeon|GeForce|Airbus A|A(?=3[0-8]\d\b))[ -]?"
    r"(?P<number>\d{3,4})(?=[A-Z]{0,2}\b)(?![.,]\d)|(?<![\w.,])(?P<lines>360|480|720|1080|1440|2160|4320)p\b"
)
def _model(product: re.Match[str]) -> str:
    said = by_pairs(int(product["number"] or product["lines"]))
    return f"{said} p" if product["lines"] else f"{product['name'].strip()} {said}"


@rule(
    r"(?<![\w.-])(?P<series>[GHTVX])\.(?P<number>\d{2,4})(?![\w.,]*\d)"
    r"|(?<![\w.,])802\.(?P<part>\d{1,2})(?P<letters>[a-z]{0,2})(?![\w.,]*\d)"
)
def _standard(name: re.Match[str]) -> str:
    """Of the ITU, as H.264, and of the IEEE's 802."""
    if name["series"]:
        return f"{name['series']} {digits(name['number'])}"
    return " ".join([f"eight oh two dot {cardinal(int(name['part']))}", *name["letters"].upper()])


@number_rule(
    r"(?<![\w.,$€£(/-])(?P<number>\d{3})\((?P<letter>[a-hk])\)(?:\((?P<part>\d{1,2})\))?(?P<several>s)?(?!\w)"
    r"|(?<![\w.,$€£/-])401(?P<plan>k)(?P<plans>s)?(?!\w)"
)
def _section(place: re.Match[str]) -> str:
    """Of a law, and what is named by it: `401(k)` as "four oh one K"."""
    letter = (place["letter"] or place["plan"]).upper()
    own = "'s" if place["several"] or place["plans"] else ""
    said = f"{by_pairs(int(place['number'] or 401))} {letter}{own}"
    return f"{said} {cardinal(int(place['part']))}" if place["part"] else said


CODES = kind(
    "digits",
    r"[\d:.A-Z-](?:(?<=\d)(?:[(k]|-(?:[A-Z]|\d\d-\d)|\d{3}[ -]\d{4})|(?<=[:-])[\dA-Fa-f]{2}[:-]"
    r"|(?<=:)(?:[\da-fA-F]{0,4}:|\d\d)|(?<=\.)\d\d|(?<=802\.)\d|(?<=[A-Z])[A-Z]\d\d )",
    _section, _standard, _social_security, _iban, _card, _machine, _local, _vanity,
)  # fmt: skip
NAMED_NUMBERS = kind(
    "digits",
    r"[a-zA-Z:.#](?:(?<=[a-z]):? ?#?|(?<=[A-Z])(?:: ?|[ -])?|(?<=:) ?|(?<=[.#]) ?)\d[\dX -]"
    r"|\d\d(?:\d [a-zA-Z]{4}|0p)",
    _short_number, _model, _status, _code,
)  # fmt: skip
TELEPHONES = kind(
    "digits", r"[\d+](?:(?<=\d)(?:\d\d[ .-]\d{4}|\d{1,4}[ -]\d\d|[xb])|(?<=\+) ?\d)",
    _telephone, _international, _hexadecimal,
)  # fmt: skip
