"""Mathematics, chemistry, and signs that stand for words."""

from __future__ import annotations

import re
import string
import unicodedata

from voicegen.text.english.numbers import cardinal, number, ordinal
from voicegen.text.english.rules import alternatives, kind, number_rule, rule
from voicegen.text.english.units import UNIT, units

GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
    "ς": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma",
    "Δ": "delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi",
    "Ω": "Omega", "µ": "mu", "ϕ": "phi", "ϵ": "epsilon",
}  # fmt: skip
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ", "0123456789+-ni", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ₙₓ", "0123456789+-nx", strict=True))
OPERATORS = {
    "≠": "is not equal to", "!=": "is not equal to", "==": "equals", "≤": "is less than or equal to",
    "≥": "is greater than or equal to", "<=": "is less than or equal to", ">=": "is greater than or equal to",
    "≈": "is approximately", "≅": "is congruent to", "≡": "is equivalent to", "∝": "is proportional to",
    "±": "plus or minus", "∓": "minus or plus", "×": "times", "÷": "divided by", "·": "times", "⋅": "times", "→": "to",
    "->": "to", "⇒": "implies", "=>": "to", "←": "from", "↔": "if and only if", "⇔": "if and only if", "∈": "in",
    "∉": "not in", "⊂": "is a subset of", "⊆": "is a subset of", "∪": "union", "∩": "intersection", "∧": "and",
    "∨": "or", "¬": "not", "∀": "for all", "∃": "there exists", "∞": "infinity", "∅": "the empty set", "∂": "partial",
    "∇": "nabla", "∫": "the integral of", "∑": "the sum of", "∏": "the product of", "√": "the square root of",
    "∛": "the cube root of", "∴": "therefore", "∵": "because", "∘": "of", "⊕": "x or", "⊗": "tensor",
    "∥": "is parallel to", "⊥": "is perpendicular to", "∠": "angle", "↑": "up", "↓": "down", "⟶": "to", "−": "minus",
    "<<": "is much less than", ">>": "is much greater than", "&&": "and", "||": "or", "∕": "divided by",
    "∗": "times", "∙": "times", "≦": "is less than or equal to", "≧": "is greater than or equal to",
    "≪": "is much less than", "≫": "is much greater than",
}  # fmt: skip
_SIGNS = {
    "&": "and", "%": "percent", "§": "section", "§§": "sections", "¶": "paragraph", "©": "copyright",
    "®": "registered", "™": "trademark", "°": "degrees", "‰": "per mille", "†": "", "‡": "", "@": "at", "+": "plus",
    "=": "equals", "#": "number", "$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "^": "caret", "|": "",
    "~": "about", "\\": "backslash", "/": "slash", "<": "less than", ">": "greater than", "*": "",
}  # fmt: skip
_ELEMENTS = (
    "He|Li|Be|Ne|Na|Mg|Al|Si|Cl|Ar|Ca|Sc|Ti|Cr|Mn|Fe|Co|Ni|Cu|Zn|Ga|Ge|As|Se|Br|Kr|Rb|Sr|Zr|Nb|Mo|Ag|Cd|Sn|Sb|Te|Xe|"
    "Cs|Ba|La|Ce|Pt|Au|Hg|Pb|Bi|Rn|Ra|Th|U|H|B|C|N|O|F|P|S|K|V|I|W|Y"
)
_USUAL = frozenset(string.ascii_letters + string.digits + " .,;:!?'\"’“”‘()…—–-\u00a0\u202f")
_USUAL_MATHS = re.compile(r"[(!\d](?:(?<=\w\()|(?<=log\d)|(?<=[\dn]!)|(?<=\d)(?:[eE]| - \d))")
_FUNCTIONS = {"sin": "sine", "cos": "cosine", "tan": "tangent", "log": "log", "ln": "natural log", "exp": "exp"}
_BOUNDS = {
    "<": "less than", ">": "greater than", "≤": "at most", "≥": "at least", "<=": "at most", ">=": "at least",
}  # fmt: skip
_AMOUNT_FOLLOWS = (
    "is|are|was|were|be|been|aged|ages|stays?|keeps?|remains?|at|of|to|with|for|in|by|from|and|or|only|usually|typically|often"
    "|ha(?:s|ve|d)|needs?|requires?|takes?|took|costs?|lasts?|lasted|weighs?|earns?|uses?|contains?|gets?|spends?|pays?"
    "|sleeps?|eats?|drinks?|scores?|scored|rose|fell|dropped"
)
_CHARGES = {"+": "plus", "-": "minus", "−": "minus", "⁺": "plus", "⁻": "minus"}


_COUNT = r"(?:\d{1,3}|[₀-₉]+)"
_ATOM = rf"(?:{_ELEMENTS}){_COUNT}?"
_SALTS = re.compile("NaCl|KCl|HCl|NaOH|KOH|CaO|MgO|FeO|ZnO|CuO|LiCl|NaBr|HBr|HF|CaS|FeS")
_MOLECULES_OF_ONE_KIND = re.compile("[HNOFCPS][2348]|C60|I2|Cl2|Br2")


@rule(
    rf"(?<![\w.-])(?P<many>\d{{1,2}} ?)?(?P<formula>(?:{_ATOM}|\((?:{_ATOM})+\){_COUNT})+)"
    r"(?P<charge>[⁰¹²³⁴⁵⁶⁷⁸⁹]*[⁺⁻]|\^?\d?[+−](?!\w))?(?![\w-]*\w)"
)
def _formula(formula: re.Match[str]) -> str | None:
    """A formula letter by letter: only what has counts or a charge can be told from words, or is known."""
    written = "".join(_LOWERED.get(sign, sign) for sign in formula["formula"])
    charge = formula["charge"]
    if not charge and not (_is_molecule(written) or _SALTS.fullmatch(written)):
        return None
    parts = re.findall(rf"{_ELEMENTS}|\d+", written)
    said = [cardinal(int(part)) if part.isdecimal() else " ".join(part.upper()) for part in parts]
    if formula["many"]:
        said.insert(0, cardinal(int(formula["many"])))
    if charge:
        size = "".join(_RAISED.get(sign, sign) for sign in charge if sign not in "^⁺⁻+−")
        said.append(f"{cardinal(int(size))} {_CHARGES[charge[-1]]}" if size else _CHARGES[charge[-1]])
    return " ".join(said)


def _is_molecule(written: str) -> bool:
    """Whether it is no "B12" or "K9": several elements with a count, or a known molecule of one element."""
    if len(re.findall(_ELEMENTS, written)) == 1:
        return _MOLECULES_OF_ONE_KIND.fullmatch(written) is not None
    return any(sign.isdecimal() for sign in written)


@rule(r"(?P<after>(?<=[\w)\]])\s?)?(?P<raised>[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ]+)")
def _raised(sign: re.Match[str]) -> str:
    return "^{" + "".join(_RAISED[mark] for mark in sign["raised"]) + "}"


@rule(
    r"(?<=\d)\s?(?:\^|\*\*)\s?(?P<open>[({])?(?P<power>[-−+]?\d+)(?(open)[)}])"
    rf"(?P<unit> {UNIT})?|(?<=\d)(?P<raised>[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)(?P<of> {UNIT})?"
)
def _power_of_a_number(power: re.Match[str]) -> str:
    unit = power["unit"] or power["of"]
    said = to_the(power["power"] or "".join(_RAISED[mark] for mark in power["raised"]))
    return f"{said} {units(unit.strip())}" if unit else said


@rule(r"(?<=[A-Za-z])_\{(?P<letters>[A-Za-z\d]{1,4})\}")
def _braced_index(sign: re.Match[str]) -> str:
    return f" sub {' '.join(sign['letters'])}"


@rule(r"(?<=\w)(?P<lowered>[₀₁₂₃₄₅₆₇₈₉₊₋ₙₓ]+)")
def _lowered(sign: re.Match[str]) -> str:
    written = "".join(_LOWERED[mark] for mark in sign[0])
    return f" {cardinal(int(written))}" if written.isdecimal() else f" {written}"


@rule(
    r"(?<=[\w)\]])\s?(?:\^|\*\*)\s?(?:\{(?P<braced>[^{}]*)\}|\((?P<bracketed>[^()]*)\)|(?P<power>[-−+]?(?:\d+"
    r"(?:\.\d+)?|[A-Za-zα-ω])))"
)
def _power(power: re.Match[str]) -> str:
    return to_the(power["braced"] or power["bracketed"] or power["power"] or "")


def to_the(power: str) -> str:
    """What follows what is raised to `power`: `2` as " squared", `-3` as " to the power of minus three"."""
    named = {"2": " squared", "3": " cubed", "T": " transposed"}
    if power in named:
        return named[power]
    value = power.lstrip("+").replace("−", "-")
    if not value.lstrip("-").isdecimal():
        return f" to the power of {power}"
    if value.startswith("-") or int(value) > 99:
        return f" to the power of {number(value)}"
    return f" to the {ordinal(int(value))}"


@number_rule(r"(?<![\w.])(?P<number>\d+(?:\.\d+)?)[eE](?P<power>[-−+]?\d+)(?!\w)")
def _scientific(value: re.Match[str]) -> str:
    return f"{number(value['number'])} times ten to the power of {number(value['power'].lstrip('+'))}"


@rule(r"(?P<root>[√∛]) ?(?:\((?P<inside>[^()]*)\)|(?P<one>\w+))|\bsqrt\((?P<code>[^()]*)\)")
def _root(root: re.Match[str]) -> str:
    inside = root["inside"] or root["one"] or root["code"]
    return f"the {'cube' if root['root'] == '∛' else 'square'} root of {inside}"


@rule(
    r"(?<![\w])(?:(?P<name>[fghFGHPpE]['′]?)\((?P<of>[^()]{1,20})\)|(?P<order>[OΘΩ])\((?P<n>[^()]*(?:\([^()]*\)[^()]*)?)\)"
    r"|(?P<known>sin|cos|tan|log|ln|exp)\((?P<inside>[^()]{1,30})\)"
    r"|log_?(?P<base>\d{1,2}|[₀-₉]{1,2})(?:\((?P<number>[^()]{1,30})\)| (?=\d|[A-Za-z]\b)))"
)
def _function(call: re.Match[str]) -> str:
    if call["base"]:
        base = "".join(_LOWERED.get(sign, sign) for sign in call["base"])
        return f"log base {cardinal(int(base))} of {call['number'] or ''}"
    name = call["name"] or call["order"] or _FUNCTIONS[call["known"]]
    inside = call["of"] or call["n"] or call["inside"] or ""
    said = inside.replace(",", " and").replace("|", " given ")
    return f"{name[0]} prime of {said}" if name[1:] in ("'", "′") else f"{name} of {said}"


@rule(r"(?<![\w/])d(?P<y>[a-z])/d(?P<x>[a-z])(?![\w/])|(?<![\w.,/])(?P<top>\d{1,3})/(?P<letter>[a-z])(?![\w/])")
def _quotient(of: re.Match[str]) -> str:
    return f"d {of['y']} by d {of['x']}" if of["y"] else f"{cardinal(int(of['top']))} over {of['letter']}"


@rule(r"(?<![\w|])\|(?P<inside>[^\s|](?:[\w .+*/^−-]{0,20}[^\s|])?)\|(?![\w|])")
def _absolute(value: re.Match[str]) -> str | None:
    return None if re.search(r"[A-Za-z]{3}", value["inside"]) else f"the absolute value of {value['inside']}"


@rule(r"(?<=\d)!(?=\s*(?:[=+*/×÷)-]))|(?<=\bn)!(?=\W|$)")
def _factorial(_sign: re.Match[str]) -> str:
    return " factorial"


@rule(rf"\b(?P<before>(?i:{_AMOUNT_FOLLOWS})) (?P<sign><=|>=|[<>≤≥]) ?(?=\w)")
def _bound(sign: re.Match[str]) -> str:
    return f"{sign['before']} {_BOUNDS[sign['sign']]} "


@rule(r"(?<=[\w)])\s?(?P<sign>[=<>])\s?(?=[-−+\w(√∞π])(?!=)")
def _comparison(sign: re.Match[str]) -> str | None:
    return {"=": " equals ", "<": " is less than ", ">": " is greater than "}[sign["sign"]]


@rule(
    r"(?<=[\d)])\s?(?P<sign>[*/+−-])\s?(?=[\d(]|[a-z]\b)|(?<=[\d)a-z])\s(?P<spaced>[*/+−-])\s(?=[\d(]|[a-zA-Z]\b)|"
    r"(?<=\b[a-zA-Z])\s?(?P<plus>[+*])\s?(?=[\d(]|[a-zA-Z]\b)|(?<=\b[a-z])(?P<over>/)(?=[a-z]\b)"
)
def _arithmetic(sign: re.Match[str]) -> str | None:
    written = sign["sign"] or sign["spaced"] or sign["plus"] or sign["over"]
    text = sign.string
    is_sum = sign["over"] or re.search(
        r"[=×÷^≈<>*+√]|equals|plus|times|squared|cubed|power of", text[max(0, sign.start() - 40) : sign.end() + 40]
    )
    if not is_sum and not (sign["plus"] or written in "*+"):
        return None
    return {
        "*": " times ",
        "/": " over " if sign["over"] else " divided by ",
        "+": " plus ",
        "-": " minus ",
        "−": " minus ",
    }[written]


@rule(
    r"(?:(?<=\()|(?<=[=+*/×÷±<>≤≥] )|(?<=equals ))[-−](?=[a-zα-ω]\b)|(?<!\S)[-−](?=[a-z](?: ?[+=*/^<>]| [-−] | ?\*\*))"
)
def _minus(_sign: re.Match[str]) -> str:
    return "minus "


@rule(rf"\s?(?P<operator>{alternatives(OPERATORS)})\s?")
def _operator(sign: re.Match[str]) -> str:
    return f" {OPERATORS[sign['operator']]} "


@rule(r"(?<=\w)\[(?P<index>[^\[\]]+)\]")
def _index(place: re.Match[str]) -> str:
    return f" {place['index']}"


@rule(r"(?<=\w)/(?P<or>or)\b|(?<=[^\W\d])\s?/\s?(?=[^\W\d])")
def _word_slash(slash: re.Match[str]) -> str | None:
    if slash["or"]:
        return " or"
    left = re.search(r"([\w'’]+)\s?$", slash.string[: slash.start()])
    right = re.match(r"[\w'’]+", slash.string[slash.end() :])
    if left and right and left[1].lower() in _EITHER and right[0].lower() in _EITHER:
        return " or "
    if left and right and left[1].isupper() and right[0].isupper():
        return " "  # TCP/IP
    return " slash "


_EITHER = {
    "he", "she", "him", "her", "his", "hers", "yes", "no", "true", "false", "male", "female",
    "on", "off", "s", "pass", "fail",
}  # fmt: skip


@rule(rf"[{''.join(GREEK)}]")
def _greek(letter: re.Match[str]) -> str:
    return GREEK[letter[0]]


def _is_between_words(sign: re.Match[str]) -> bool:
    text, start, end = sign.string, sign.start(), sign.end()
    return start > 0 and end < len(text) and text[start - 1].isalnum() and text[end].isalnum()


@rule(rf"\s?(?:{alternatives(_SIGNS)})\s?")
def _sign(sign: re.Match[str]) -> str | None:
    written = sign[0].strip()
    said = _SIGNS[written]
    if sign[0] in ("*", " * ") and _is_between_words(sign):
        said = "star"
    return f" {said} " if said else " "


@rule(r"[^\w\s\u2500-\u25ff\u2800-\u28ff]")
def _by_its_name(sign: re.Match[str]) -> str | None:
    """A sign that no other rule has; bullets, blocks and lines of a drawing are formatting."""
    if unicodedata.category(sign[0]) not in ("Sm", "Sc", "So"):
        return None
    return f" {unicodedata.name(sign[0], '').lower()} "


SALTS = kind("words", _SALTS.search, _formula)
CHEMISTRY = kind(
    "signs",
    r"[A-Z(\d](?:(?<!\d)[a-z]?\)?\d|[a-z]?\)?[₀-₉⁺⁻+−^⁰¹²³⁴⁵⁶⁷⁸⁹]|\s?[\^*⁰¹²³⁴⁵⁶⁷⁸⁹⁻])",
    _formula, _power_of_a_number,
)  # fmt: skip
MATHEMATICS = kind(
    "words", lambda text: not _USUAL.issuperset(text) or _USUAL_MATHS.search(text),
    _absolute, _quotient, _raised, _braced_index, _scientific, _root, _power, _function, _factorial,
    _bound, _comparison, _minus,
    _arithmetic, _operator, _lowered,
)  # fmt: skip
SIGNS = kind(
    "signs", lambda text: not _USUAL.issuperset(text),
    _index, _word_slash, _greek, _sign, _by_its_name,
)  # fmt: skip
