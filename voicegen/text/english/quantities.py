"""Money, measures, percentages, fractions, ranges, ratios, and numbers alone."""

from __future__ import annotations

import re

from voicegen.text.english.numbers import cardinal, digits, number, ordinal, plural
from voicegen.text.english.rules import alternatives, kind, number_rule, rule

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_DASH = r"\s?[-–—]\s?"
_SCALE = {
    "k": "thousand", "K": "thousand", "M": "million", "m": "million", "mn": "million", "mm": "million",
    "MM": "million", "B": "billion", "b": "billion", "bn": "billion", "Bn": "billion", "T": "trillion",
    "t": "trillion", "tn": "trillion", "thousand": "thousand", "million": "million", "billion": "billion",
    "trillion": "trillion",
}  # fmt: skip
_CURRENCIES = {  # one, several, a hundredth, hundredths
    "$": ("dollar", "dollars", "cent", "cents"),
    "US$": ("US dollar", "US dollars", "cent", "cents"),
    "A$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "C$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "€": ("euro", "euros", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "jeon", "jeon"),
    "₽": ("ruble", "rubles", "kopek", "kopeks"),
    "₿": ("bitcoin", "bitcoins", "cent", "cents"),
    "Rs.": ("rupee", "rupees", "paisa", "paise"),
}
_CODES = {
    "USD": ("US dollar", "US dollars", "cent", "cents"), "EUR": _CURRENCIES["€"], "GBP": _CURRENCIES["£"],
    "JPY": _CURRENCIES["¥"], "INR": _CURRENCIES["₹"], "CAD": _CURRENCIES["C$"], "AUD": _CURRENCIES["A$"],
    "CHF": ("Swiss franc", "Swiss francs", "rappen", "rappen"), "CNY": ("yuan", "yuan", "fen", "fen"),
    "BTC": _CURRENCIES["₿"],
}  # fmt: skip
_INITIALS = "".join(code[0] for code in _CODES)
_PER = {
    "mo": "month", "month": "month", "yr": "year", "year": "year", "day": "day", "hr": "hour", "h": "hour",
    "hour": "hour", "week": "week", "wk": "week", "kg": "kilogram", "lb": "pound", "person": "person", "user": "user",
    "night": "night", "GB": "gigabyte", "min": "minute", "minute": "minute", "s": "second", "sec": "second",
    "m": "meter", "unit": "unit", "share": "share", "item": "item", "m²": "square meter", "m2": "square meter",
}  # fmt: skip
_UNITS = {
    "mm": "millimeter", "cm": "centimeter", "km": "kilometer", "nm": "nanometer", "µm": "micrometer",
    "μm": "micrometer", "m": "meter", "mmHg": "millimeter of mercury", "mpg": "mile per gallon", "mg": "milligram",
    "kg": "kilogram", "µg": "microgram", "μg": "microgram", "mcg": "microgram", "g": "gram", "ml": "milliliter",
    "mL": "milliliter", "cl": "centiliter", "dl": "deciliter", "L": "liter", "l": "liter", "oz": "ounce",
    "lb": "pound", "lbs": "pound", "mi": "mile", "yd": "yard", "yds": "yard", "gal": "gallon", "qt": "quart",
    "pt": "pint", "tbsp": "tablespoon", "tsp": "teaspoon", "Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz",
    "GHz": "gigahertz", "THz": "terahertz", "W": "watt", "kW": "kilowatt", "MW": "megawatt", "GW": "gigawatt",
    "TW": "terawatt", "mW": "milliwatt", "Wh": "watt hour", "kWh": "kilowatt hour", "MWh": "megawatt hour",
    "GWh": "gigawatt hour", "TWh": "terawatt hour", "mAh": "milliamp hour", "Ah": "amp hour", "V": "volt",
    "kV": "kilovolt", "mV": "millivolt", "A": "amp", "mA": "milliamp", "Ω": "ohm", "kΩ": "kilohm", "MΩ": "megaohm",
    "J": "joule", "kJ": "kilojoule", "MJ": "megajoule", "eV": "electronvolt", "keV": "kiloelectronvolt",
    "MeV": "megaelectronvolt", "GeV": "gigaelectronvolt", "TeV": "teraelectronvolt", "kcal": "kilocalorie",
    "cal": "calorie", "N": "newton", "kN": "kilonewton", "Pa": "pascal", "hPa": "hectopascal", "kPa": "kilopascal",
    "MPa": "megapascal", "GPa": "gigapascal", "bar": "bar", "mbar": "millibar", "psi": "PSI", "atm": "atmosphere",
    "mol": "mole", "mmol": "millimole", "dB": "decibel", "K": "kelvin", "s": "second", "sec": "second",
    "secs": "second", "ms": "millisecond", "µs": "microsecond", "μs": "microsecond", "ns": "nanosecond", "h": "hour",
    "hr": "hour", "hrs": "hour", "min": "minute", "mins": "minute", "yr": "year", "yrs": "year", "wk": "week",
    "wks": "week", "mph": "mile per hour", "kph": "kilometer per hour", "km/h": "kilometer per hour",
    "kmh": "kilometer per hour", "m/s": "meter per second", "km/s": "kilometer per second", "ft/s": "foot per second",
    "mi/h": "mile per hour", "m/s²": "meter per second squared", "m/s^2": "meter per second squared",
    "m/s2": "meter per second squared", "g/mol": "gram per mole", "kJ/mol": "kilojoule per mole",
    "g/L": "gram per liter", "mg/L": "milligram per liter", "mg/dL": "milligram per deciliter",
    "mg/kg": "milligram per kilogram", "g/cm³": "gram per cubic centimeter", "g/cm^3": "gram per cubic centimeter",
    "g/cm3": "gram per cubic centimeter", "kg/m³": "kilogram per cubic meter", "kg/m^3": "kilogram per cubic meter",
    "kg/m3": "kilogram per cubic meter", "W/m²": "watt per square meter", "km²": "square kilometer",
    "km2": "square kilometer", "km^2": "square kilometer", "m²": "square meter", "m2": "square meter",
    "m^2": "square meter", "cm²": "square centimeter", "cm2": "square centimeter", "cm^2": "square centimeter",
    "mm²": "square millimeter", "mm^2": "square millimeter", "m³": "cubic meter", "m3": "cubic meter",
    "m^3": "cubic meter", "cm³": "cubic centimeter", "cm3": "cubic centimeter", "cm^3": "cubic centimeter",
    "km³": "cubic kilometer", "sq ft": "square foot", "sq. ft.": "square foot", "sq mi": "square mile",
    "sq km": "square kilometer", "sq m": "square meter", "ft²": "square foot", "ft^2": "square foot",
    "ft³": "cubic foot", "cu ft": "cubic foot", "mi²": "square mile", "ft": "foot", "bit": "bit", "KB": "kilobyte",
    "kB": "kilobyte", "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte", "PB": "petabyte", "EB": "exabyte",
    "KiB": "kibibyte", "MiB": "mebibyte", "GiB": "gibibyte", "TiB": "tebibyte", "kb": "kilobit", "Mb": "megabit",
    "Gb": "gigabit", "kbps": "kilobit per second", "Kbps": "kilobit per second", "Mbps": "megabit per second",
    "Gbps": "gigabit per second", "MB/s": "megabyte per second", "GB/s": "gigabyte per second",
    "TB/s": "terabyte per second", "Mbit/s": "megabit per second", "Gbit/s": "gigabit per second",
    "fps": "frame per second", "rpm": "revolution per minute", "RPM": "revolution per minute",
    "bpm": "beat per minute", "ppm": "part per million", "ppb": "part per billion", "ly": "light-year",
    "AU": "astronomical unit", "pc": "parsec", "kpc": "kiloparsec", "Mpc": "megaparsec", "px": "pixel",
    "MP": "megapixel", "dpi": "dot per inch", "ha": "hectare", "hp": "horsepower", "cc": "cubic centimeter",
    "acre": "acre", "tok/s": "token per second", "FLOPS": "FLOPS", "TFLOPS": "teraflops", "GFLOPS": "gigaflops",
    "lm": "lumen", "cd": "candela", "lx": "lux", "T": "tesla", "F": "farad", "µF": "microfarad", "rad": "radian",
    "°C": "degree Celsius", "℃": "degree Celsius", "°F": "degree Fahrenheit", "℉": "degree Fahrenheit",
    "° C": "degree Celsius", "° F": "degree Fahrenheit", "ºC": "degree Celsius", "ºF": "degree Fahrenheit",
    "°": "degree", "º": "degree",
}  # fmt: skip
UNIT = rf"(?:{alternatives(_UNITS)})(?![\w²³^/°])"
_SAME = {"hertz", "kilohertz", "megahertz", "gigahertz", "terahertz", "kelvin", "PSI", "horsepower", "FLOPS",
         "teraflops", "gigaflops", "lux"}  # fmt: skip
_RISKY = {"A", "F", "T", "K", "pc"}  # letters that more often mean something else
_ELECTRIC = re.compile(r"\b(?:\d ?[kmM]?[VWΩ]|volts?|amps?|current|circuit|tesla|magnet|capacit)")
_TAKES = re.compile(
    r"\b(?:took|takes?|after|for|every|lasts?|lasted|waits?|waited|within|under|over|about|only|another) $|[~<>] ?$"
)
_MARKS_BEFORE = re.compile(r"(?:rat\w+|scor\w+|gave|got|pain\w*) (?:\w+ ){0,3}$")
_FRACTION_SIGNS = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5),
    "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8), "⅐": (1, 7),
    "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip


def _money(amount: str, names: tuple[str, str, str, str], scale: str | None) -> str:
    one, several, cent, cents = names
    if scale:
        return f"{number(amount)} {_SCALE[scale]} {several}"
    whole, _, fraction = amount.replace(",", "").partition(".")
    if len(fraction) == 2 or not fraction:
        main, hundredths = int(whole or 0), int(fraction or 0)
        parts = [f"{cardinal(main)} {one if main == 1 else several}"] if main or not hundredths else []
        if hundredths:
            parts.append(f"{cardinal(hundredths)} {cent if hundredths == 1 else cents}")
        return " and ".join(parts)
    return f"{number(amount)} {several}"


_NO_NOUN = (
    "was|is|were|are|in|on|for|to|and|or|at|per|of|from|that|which|by|with|as|each|off|back|more|less|worth|you|we"
    "|they|"
    "he|she|it|would|will|can|could|had|has|goes|went|than|if|but|so|when|after|before|over|under|up|down|million"
    "|billion"
)
_SIGNS = alternatives(_CURRENCIES)
_SCALES = r"(?:[ -]?(?P<scale>thousand|million|billion|trillion)\b|(?P<short>[kKmMbBtT]|bn|Bn|mn|tn|MM|mm)(?![\w/]))?"
_PER_WHAT = rf"(?: ?/ ?(?P<per>{alternatives(_PER)})(?!\w))?"


@rule(
    rf"(?P<minus>[-−](?=\S))?(?P<sign>{_SIGNS}) ?"
    rf"(?P<low>{_NUMBER}){_SCALES.replace('scale', 'scale1').replace('short', 'short1')}{_DASH}(?:{_SIGNS})? ?"
    rf"(?P<high>{_NUMBER}){_SCALES}{_PER_WHAT}(?![\w]|[,.]\d)"
)
def _money_range(money: re.Match[str]) -> str:
    names = _CURRENCIES[money["sign"]]
    scale = money["scale"] or money["short"]
    first_scale = money["scale1"] or money["short1"]
    low = _money(money["low"], names, first_scale) if first_scale and first_scale != scale else number(money["low"])
    if "." in money["low"] and not scale and not first_scale:
        low = _money(money["low"], names, None)
    return f"{low} to {_money(money['high'], names, scale)}{_per(money['per'])}"


@rule(
    rf"(?P<minus>[-−](?=\S))?(?P<sign>{_SIGNS}) ?(?P<minus2>[-−])?(?P<amount>{_NUMBER}){_SCALES}"
    rf"(?P<plus>\+)?{_PER_WHAT}(?![\w]|[,.]\d)"
)
def _money_with_sign(money: re.Match[str]) -> str:
    said = _money(money["amount"], _CURRENCIES[money["sign"]], money["scale"] or money["short"])
    minus = "minus " if money["minus"] or money["minus2"] else ""
    return f"{minus}{said}{' plus' if money['plus'] else ''}{_per(money['per'])}"


@rule(
    rf"(?P<before>\b(?:[Aa]n?|[Tt]he|[Tt]h(?:is|at)|[Aa]nother|[Ee]ach|[Ee]very|[Oo]ne) )(?P<sign>{_SIGNS}) ?"
    rf"(?P<amount>{_NUMBER}){_SCALES}(?P<join>[ -])(?!(?:{_NO_NOUN})\b)(?=[a-z]{{2,}})"
)
def _money_as_adjective(money: re.Match[str]) -> str:
    one, _, cent, cents = _CURRENCIES[money["sign"]]
    said = _money(money["amount"], (one, one, cent, cents), money["scale"] or money["short"])
    return f"{money['before']}{said}{money['join']}"


@number_rule(rf"(?<![\w.,])(?P<amount>{_NUMBER}){_SCALES} ?(?P<sign>[$€£¥₹₩₽₿])(?!\w)")
def _money_before_sign(money: re.Match[str]) -> str:
    return _money(money["amount"], _CURRENCIES[money["sign"]], money["scale"] or money["short"])


@rule(
    rf"(?<![\w.,])(?P<amount>{_NUMBER}){_SCALES} (?P<code>{alternatives(_CODES)})(?!\w)|\b"
    rf"(?P<code2>{alternatives(_CODES)}) (?P<amount2>{_NUMBER})(?: (?P<scale2>million|billion|trillion))?(?![\w]"
    r"|[,.]\d)"
)
def _money_with_code(money: re.Match[str]) -> str:
    if money["code"]:
        return _money(money["amount"], _CODES[money["code"]], money["scale"] or money["short"])
    return _money(money["amount2"], _CODES[money["code2"]], money["scale2"])


@number_rule(r"(?<![\w.,])(?P<amount>\d+) ?¢")
def _cents(money: re.Match[str]) -> str:
    amount = int(money["amount"])
    return f"{cardinal(amount)} cent{'' if amount == 1 else 's'}"


def _per(unit: str | None) -> str:
    return f" per {_PER[unit]}" if unit else ""


@number_rule(
    rf"(?P<about>~ ?)?(?<![\w.,])(?P<minus>(?<![\w)\]])[-−+])?(?P<low>{_NUMBER})(?:%?{_DASH}(?P<high>{_NUMBER}))? ?"
    r"(?:%|percent\b)(?!\w)"
)
def _percent(share: re.Match[str]) -> str:
    about = "about " if share["about"] else ""
    sign = {"-": "minus ", "−": "minus ", "+": "plus "}.get(share["minus"] or "", "")
    to = f" to {number(share['high'])}" if share["high"] else ""
    return f"{about}{sign}{number(share['low'])}{to} percent"


@number_rule(
    rf"(?P<minus>(?<![\w)\]])[-−])?(?<![\w.,$€£/])(?P<low>{_NUMBER})(?:{_DASH}(?P<high>{_NUMBER}))?"
    rf"(?P<scale> (?:thousand|million|billion|trillion))?(?P<gap>[ \u00a0\u202f]?|-)(?P<unit>{alternatives(_UNITS)})"
    rf"(?:(?P<stop>\.)|/(?P<per>{alternatives(_PER)}))?(?![\w²³^/°])"
)
def _measure(measure: re.Match[str]) -> str | None:
    unit, gap = measure["unit"], measure["gap"]
    if unit in _RISKY and (not gap or (unit != "K" and not _ELECTRIC.search(measure.string))):
        return None
    if unit == "s" and not gap and not _TAKES.search(measure.string[: measure.start()]) and measure["low"].isdecimal():
        return None  # "0s and 1s", "in their 20s"
    scale = measure["scale"] or ""
    several = measure["high"] is not None or measure["low"] != "1" or scale
    low = f"{'minus ' if measure['minus'] else ''}{number(measure['low'])}"
    to = f" to {number(measure['high'])}" if measure["high"] else ""
    before_noun = gap == "-"
    name = _UNITS[unit] if before_noun else _several(_UNITS[unit]) if several else _UNITS[unit]
    stop = measure["stop"] or ""
    if stop and re.match(r"\s+[a-z(]", measure.string[measure.end() :]):
        stop = ""  # of the abbreviation
    return f"{low}{to}{scale}{'-' if before_noun else ' '}{name}{_per(measure['per'])}{stop}"


@rule(
    rf"(?<=\d )(?P<what>[a-z]{{3,}})/(?P<per>{alternatives(_PER)})(?![\w/²³])"
    rf"|(?<![\w/])(?P<unit>{alternatives(unit for unit in _UNITS if '/' in unit)})(?![\w/²³^])"
)
def _rate(rate: re.Match[str]) -> str:
    return units(rate["unit"]) if rate["unit"] else f"{rate['what']}{_per(rate['per'])}"


def units(written: str) -> str:
    """Several of a unit, by its abbreviation."""
    return _several(_UNITS[written])


def _several(unit: str) -> str:
    first, per, rest = unit.partition(" per ")
    if first in _SAME:
        return unit
    if first.startswith("degree"):
        first = first.replace("degree", "degrees")
    elif first.endswith("foot"):
        first = first[:-4] + "feet"
    elif " of " in first:
        first = first.replace(" of ", "s of ")
    else:
        first += "s"
    return first + per + rest


_COMPASS = {"N": "north", "S": "south", "E": "east", "W": "west"}


@number_rule(
    rf"(?<![\w.,])(?P<degrees>{_NUMBER}) ?[°º] ?(?:(?P<minutes>\d{{1,2}}(?:\.\d+)?) ?[′'’] ?"
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


@number_rule(rf"(?<![\w.,/\"“])(?P<size>{_NUMBER}) ?(?:″|\"(?=[\s.,;)]|$)|in\.(?= [a-z(,]|,)| ?inch(?:es)?\b)")
def _inches(size: re.Match[str]) -> str:
    if size[0].endswith("inch"):
        return f"{number(size['size'])} inch"
    return f"{number(size['size'])} inch{'' if size['size'] == '1' else 'es'}"


@rule(
    rf"(?<![\w.,])(?:(?P<whole>\d+)[ -]?)?(?P<sign>[{''.join(_FRACTION_SIGNS)}])(?: "
    rf"(?P<unit>{alternatives(_UNITS)})\b(?:\.(?= [a-z]))?)?"
)
def _fraction_sign(fraction: re.Match[str]) -> str:
    return _mixed(fraction["whole"], *_FRACTION_SIGNS[fraction["sign"]]) + _of_unit(fraction)


def _of_unit(fraction: re.Match[str]) -> str:
    if not fraction["unit"]:
        return ""
    return f" {_several(_UNITS[fraction['unit']]) if fraction['whole'] else _UNITS[fraction['unit']]}"


@number_rule(
    r"(?<![\w.,/$€£-])(?:(?P<whole>\d+)[ -])?(?P<top>\d{1,3})[/⁄](?P<bottom>\d{1,4})(?P<th>ths?|rds?|nds?)?(?: "
    r"(?P<unit>tsp|tbsp|oz|lb|lbs|km|mi|mm|cm|kg|mmHg)\b(?:\.(?= [a-z]))?)?(?![\w/%]|[.,]\d)(?P<of> of (?:an? |the )?)?"
)
def _fraction(fraction: re.Match[str]) -> str:
    of = fraction["of"] or ""
    pair = None if fraction["whole"] else _pair(fraction)
    if pair is None:
        return _mixed(fraction["whole"], int(fraction["top"]), int(fraction["bottom"])) + _of_unit(fraction) + of
    return pair + (f" {units(fraction['unit'])}" if fraction["unit"] else "") + of


def _pair(fraction: re.Match[str]) -> str | None:
    """Two numbers with a slash between them that are no parts of something; None of a fraction."""
    top, bottom = int(fraction["top"]), int(fraction["bottom"])
    if (top, bottom) == (24, 7) or top == bottom or (top + bottom == 100 and top > bottom):
        return f"{cardinal(top)} {cardinal(bottom)}"  # twenty-four seven, fifty fifty
    if (top, bottom) == (9, 11):
        return "nine eleven"
    is_blood_pressure = top > bottom >= 20
    if is_blood_pressure or (bottom > 100 and bottom % 100 and bottom not in (128, 256, 512, 1000)):
        return f"{cardinal(top)} over {cardinal(bottom)}"
    is_mark = bottom in (5, 10, 100) and _MARKS_BEFORE.search(fraction.string[: fraction.start()])
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
    rf"(?<![\w.,])(?P<number>{_NUMBER})(?:[ -]?(?P<long>million|billion|trillion)|"
    r"(?P<scale>[kKM]|B(?! [A-Z])|bn|Bn)(?!\w))(?P<plus>\+)?"
)
def _large(large: re.Match[str]) -> str | None:
    if large["scale"] in ("K", "B") and len(large["number"]) == 1:
        return None  # "4K", "Room 4B", "an 8B model"
    scale = large["long"] or _SCALE[large["scale"]]
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
    r"(?<![\w.,])(?P<first>\d+(?:\.\d+)?) ?[x×✕] ?(?P<second>\d+(?:\.\d+)?)(?: ?[x×✕] ?(?P<third>\d+(?:\.\d+)?))?"
    r"(?:\s?(?P<unit>px|cm|mm|m|km|ft)\b|(?=\s?(?:pixels?|feet|inch(?:es)?|grid|matrix|board|array|table|resolution"
    r"|square|image)\b))"
)
def _dimensions(size: re.Match[str]) -> str:
    said = " by ".join(number(side) for side in (size["first"], size["second"], size["third"]) if side)
    return f"{said} {_several(_UNITS[size['unit']])}" if size["unit"] else said


@number_rule(
    r"(?<![\w.,=+*/(−])(?<![=+*/<>×÷−(-] )(?P<number>\d+(?:\.\d+)?)(?:\s?[-–]\s?(?P<high>\d+(?:\.\d+)?))?[x×]"
    r"(?![\w\d]|\s*[-+−*/=^<>≤≥²³])"
)
def _times(factor: re.Match[str]) -> str:
    to = f" to {number(factor['high'])}" if factor["high"] else ""
    return f"{number(factor['number'])}{to} times"


@number_rule(
    rf"(?<![\w.,/+*=^-])(?<![=+*/<>×÷^] )(?P<low>{_NUMBER})(?:\s?[–—]\s?|-| - (?=\d+ [a-z]))(?P<high>{_NUMBER})"
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


@number_rule(rf"(?<![\w)\]])[-−](?P<number>{_NUMBER})(?![\w]|[,.]\d)")
def _negative(place: re.Match[str]) -> str:
    return f"minus {number(place['number'])}"


@number_rule(rf"(?<![\d.,])(?P<number>{_NUMBER})(?P<plus>\+(?![\w\d]))?(?![,.]?\d)")
def _number(place: re.Match[str]) -> str:
    """Any number that no other rule has taken."""
    return number(place["number"]) + (" plus" if place["plus"] else "")


@number_rule(r"\d[\d,.]*\d|\d")
def _any_digits(place: re.Match[str]) -> str:
    """Digits that make no number: one by one, marks within them aloud."""
    pieces = re.split(r"([.,])", place[0])
    return " ".join({".": "point", ",": ""}.get(piece, digits(piece)) for piece in pieces if piece).replace("  ", " ")


MONEY = kind(
    "digits",
    rf"[$€£¥₹₩₽₿¢R{_INITIALS}](?:(?<=[$€£¥₹₩₽₿¢])|s\.|(?:{'|'.join(code[1:] for code in _CODES)}))",
    _money_range, _money_as_adjective, _money_with_sign, _money_before_sign, _money_with_code, _cents,
)  # fmt: skip
RATES = kind("signs", r"/[A-Za-z]", _rate)
THOUSANDS = kind("digits", r"\d[_'’ \u00a0\u202f]\d{3}", _grouped)
MEASURES = kind(
    "digits", "",
    _percent, _angle, _dimensions, _feet, _feet_and_inches, _inches, _measure, _fraction_sign, _fraction, _large,
    _ordinal, _ratio,
    _times, _numbered,
)  # fmt: skip
NUMBERS = kind(
    "digits", "",
    _range, _several_of, _negative, _number, _any_digits,
)  # fmt: skip
