"""Money, with signs and codes of currencies."""

from __future__ import annotations

import re

from voicegen.text.english.numbers import cardinal, number
from voicegen.text.english.rules import alternatives, kind, number_rule, rule
from voicegen.text.english.units import DASH, NUMBER, PER, SCALES, per

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


def _money(amount: str, names: tuple[str, str, str, str], scale: str | None) -> str:
    one, several, cent, cents = names
    if scale:
        return f"{number(amount)} {SCALES[scale]} {several}"
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
_PER_WHAT = rf"(?: ?/ ?(?P<per>{alternatives(PER)})(?!\w))?"


@rule(
    rf"(?P<minus>[-−](?=\S))?(?P<sign>{_SIGNS}) ?"
    rf"(?P<low>{NUMBER}){_SCALES.replace('scale', 'scale1').replace('short', 'short1')}{DASH}(?:{_SIGNS})? ?"
    rf"(?P<high>{NUMBER}){_SCALES}{_PER_WHAT}(?![\w]|[,.]\d)"
)
def _money_range(money: re.Match[str]) -> str:
    names = _CURRENCIES[money["sign"]]
    scale = money["scale"] or money["short"]
    first_scale = money["scale1"] or money["short1"]
    low = _money(money["low"], names, first_scale) if first_scale and first_scale != scale else number(money["low"])
    if "." in money["low"] and not scale and not first_scale:
        low = _money(money["low"], names, None)
    return f"{low} to {_money(money['high'], names, scale)}{per(money['per'])}"


@rule(
    rf"(?P<minus>[-−](?=\S))?(?P<sign>{_SIGNS}) ?(?P<minus2>[-−])?(?P<amount>{NUMBER}){_SCALES}"
    rf"(?P<plus>\+)?{_PER_WHAT}(?![\w]|[,.]\d)"
)
def _money_with_sign(money: re.Match[str]) -> str:
    said = _money(money["amount"], _CURRENCIES[money["sign"]], money["scale"] or money["short"])
    minus = "minus " if money["minus"] or money["minus2"] else ""
    return f"{minus}{said}{' plus' if money['plus'] else ''}{per(money['per'])}"


@rule(
    rf"(?P<before>\b(?:[Aa]n?|[Tt]he|[Tt]h(?:is|at)|[Aa]nother|[Ee]ach|[Ee]very|[Oo]ne) )(?P<sign>{_SIGNS}) ?"
    rf"(?P<amount>{NUMBER}){_SCALES}(?P<join>[ -])(?!(?:{_NO_NOUN})\b)(?=[a-z]{{2,}})"
)
def _money_as_adjective(money: re.Match[str]) -> str:
    one, _, cent, cents = _CURRENCIES[money["sign"]]
    said = _money(money["amount"], (one, one, cent, cents), money["scale"] or money["short"])
    return f"{money['before']}{said}{money['join']}"


@number_rule(rf"(?<![\w.,])(?P<amount>{NUMBER}){_SCALES} ?(?P<sign>[$€£¥₹₩₽₿])(?!\w)")
def _money_before_sign(money: re.Match[str]) -> str:
    return _money(money["amount"], _CURRENCIES[money["sign"]], money["scale"] or money["short"])


@rule(
    rf"(?<![\w.,])(?P<amount>{NUMBER}){_SCALES} (?P<code>{alternatives(_CODES)})(?!\w)|\b"
    rf"(?P<code2>{alternatives(_CODES)}) (?P<amount2>{NUMBER})(?: (?P<scale2>million|billion|trillion))?(?![\w]"
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


MONEY = kind(
    "digits",
    rf"[$€£¥₹₩₽₿¢R{_INITIALS}](?:(?<=[$€£¥₹₩₽₿¢])|s\.|(?:{'|'.join(code[1:] for code in _CODES)}))",
    _money_range, _money_as_adjective, _money_with_sign, _money_before_sign, _money_with_code, _cents,
)  # fmt: skip
