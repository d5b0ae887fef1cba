"""LaTeX formulas as a mathematician reads them aloud, from mathra's tree of what they mean.

Knows nothing of where in a text a formula stands. A tree's nodes are dictionaries with a `type`; a node that has no
words here makes the whole formula unread, as half a formula would say something else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from voicegen.text.english.formula_signs import ACCENTS, FUNCTIONS, LARGE, NUMBER_SETS, SIGNS, VECTORS
from voicegen.text.english.formula_tree import (
    PAIRS,
    Group,
    Node,
    Part,
    calls,
    flat,
    grouped,
    has_operator,
    is_fraction_of_numbers,
    is_function,
    is_name,
    is_number,
    is_sign,
    plain,
    quantity_at,
    symbol,
    upright,
)
from voicegen.text.english.notation import GREEK, to_the
from voicegen.text.english.numbers import cardinal, number
from voicegen.text.english.quantities import fraction
from voicegen.text.english.units import UNITS, units

_ONLY_BASE: Final = ("style", "colored", "framed", "canceled", "forced-class", "bar", "brace", "unit")


_OF_VECTORS: Final[dict[str | None, str]] = {"·": "dot", "⋅": "dot", "×": "cross"}


class _Unread(Exception):
    """A formula holds what has no words."""


def formula_in_words(tree: Node) -> str | None:
    """What a formula says, in words; money and units stay as they are written, for the rules that read those.

    None where it holds what has no words, and where it is empty.
    """
    try:
        said = _node(tree)
    except (_Unread, RecursionError):
        return None
    said = re.sub(r",? \(mod (\w+)\)", r" mod \1", re.sub(r"\s+", " ", said))
    said = re.sub(r"(?:,\s*)+(?=[,.;?!)])|(?<=\()(?:\s*,)+", "", re.sub(r"\s+(?=[,.;?)])|(?<=\()\s+", "", said))
    return said.strip(" ,") or None


def _node(node: Part) -> str:
    if isinstance(node, Group):
        return _group(node)
    kind = node["type"]
    if kind in _ONLY_BASE:
        return _node(node["base"])
    if kind not in _READERS:
        raise _Unread(kind)
    return _READERS[kind](node)


def _row(node: Node) -> str:
    return _sequence(node["children"])


def _sequence(children: Iterable[Part]) -> str:
    parts = list(grouped(flat(children)))
    said: list[str] = []
    place = 0
    while place < len(parts):
        words, taken = _next(parts, place)
        said.append(words)
        place += taken
    return " ".join(word for word in said if word)


def _next(parts: list[Part], place: int) -> tuple[str, int]:
    """The words of the part at `place`, and how many parts they take."""
    part = parts[place]
    before = parts[place - 1] if place else None
    after = parts[place + 1] if place + 1 < len(parts) else None
    quantity = quantity_at(parts, place)
    if quantity:
        return quantity
    if isinstance(part, Group):
        return _joined_to(before, part) + _group(part), 1
    if isinstance(after, Group) and after.opening == "(" and not after.scripts:
        if is_function(part) or calls(part, after):
            return f"{_node(part)} of {_arguments(after)}", 2
    elif is_function(part) and after is not None and not (is_sign(after) and symbol(after) != "−"):
        return f"{_node(part)}{_of(part)}", 1
    if is_number(part) and symbol(after) == "/":
        share: Node = {"type": "fraction", "num": part, "den": parts[place + 2] if place + 2 < len(parts) else part}
        if is_fraction_of_numbers(share) and int(plain(share["num"])) < int(plain(share["den"])):
            return _fraction(share), 3
    if is_fraction_of_numbers(part) and before is not None and is_number(before):
        return f"and {_node(part)}", 1
    return _sign_between(parts, place) or (_node(part), 1)


def _sign_between(parts: list[Part], place: int) -> tuple[str, int] | None:
    """A sign that is said by what stands beside it, and how many parts it takes."""
    sign = symbol(parts[place])
    before = parts[place - 1] if place else None
    after = parts[place + 1] if place + 1 < len(parts) else None
    of_numbers = is_number(before) and is_number(after)
    if sign == "/":
        return "divided by" if of_numbers else "over", 1
    if sign in _OF_VECTORS and before is not None and _is_vector(before):
        return _OF_VECTORS[sign], 1
    if sign != ":":
        return None
    if symbol(after) == "=":
        return "is defined as", 2
    is_map = any(symbol(other) == "→" for other in parts[place:])
    return ("to" if of_numbers else "from" if is_map else ",", 1)


def _is_vector(part: Part) -> bool:
    return symbol(part) == "∇" or (isinstance(part, dict) and part["type"] == "accent" and part["accent"] in VECTORS)


def _of(part: Part) -> str:
    """A function is said with "of" before what it is of, but for the short names: "sine x", "log n"."""
    said = _node(part)
    is_short = not said.startswith("the ") and not said.startswith("log base")
    return "" if is_short or said.endswith(" of") else " of"


def _joined_to(before: Part | None, group: Group) -> str:
    """A product may be written without a sign before a bracket."""
    is_factor = isinstance(before, Group) or (before is not None and (is_number(before) or is_name(before)))
    return "times " if is_factor and group.opening == "(" else ""


def _arguments(group: Group) -> str:
    inside = list(_bars_as(group.inside, "given"))
    return f"({_sequence(inside)})" if has_operator(inside) else _sequence(inside)


def _group(group: Group) -> str:
    opening = group.opening
    inside = _sequence(_bars_as(group.inside, "such that") if opening == "{" else group.inside)
    if " such that " in inside:
        inside = f"of {inside}"
    scripts = _scripts_of(group.scripts) if group.scripts else ""
    if opening in ("(", "[", "⟨"):
        return f"({inside}){scripts}"
    if opening == "{" and not inside:
        return "the empty set"
    if opening == "‖" and group.scripts and group.scripts.get("sub"):
        return f"the {_node(group.scripts['sub'])} norm of {inside}"
    return f"{PAIRS[opening][1]} {inside}{f',{scripts}' if scripts else ''}"


def _bars_as(parts: Iterable[Part], words: str) -> Iterator[Part]:
    for part in parts:
        is_bar = symbol(part) in ("|", "∣", ":") if words == "such that" else symbol(part) in ("|", "∣")
        yield {"type": "words", "words": words} if is_bar else part


def _scripts(node: Node) -> str:
    base = node["base"]
    sub, sup = node.get("sub"), node.get("sup")
    kind = base["type"]
    if kind == "large-operator":
        return _with_bounds(_large(base), sub, sup) + " of"
    if kind == "function":
        return _function_with_scripts(base, sub, sup)
    if kind == "delimited" and base.get("close") == "|" and not base.get("open"):
        return f"{_node(base)}, evaluated{_from_to(sub, sup)},"
    return _node(base) + _scripts_of(node)


def _with_bounds(what: str, sub: Node | None, sup: Node | None) -> str:
    if sub is not None and sup is None:
        return f"{what} over {_node(sub)}"
    return what + _from_to(sub, sup)


def _from_to(sub: Node | None, sup: Node | None) -> str:
    first = f" from {_node(sub)}" if sub is not None else ""
    return first + (f" to {_node(sup)}" if sup is not None else "")


def _function_with_scripts(base: Node, sub: Node | None, sup: Node | None) -> str:
    name = _node(base)
    if sup is not None and plain(sup) == "-1":
        return f"inverse {name}"
    if sub is not None:
        index = _node(sub)
        if base["name"].startswith("lim"):
            name = f"{name} as {index.replace(' to ', ' approaches ', 1)}"
        elif base["name"] in ("log", "lg"):
            name = f"log base {index}"
        else:
            name = f"{name} over {index}"
    return name + (_power(sup) if sup is not None else "")


def _scripts_of(node: Node) -> str:
    """What is said of the index and the power behind a base."""
    sub, sup = node.get("sub"), node.get("sup")
    index = ""
    if sub is not None:
        is_word = sub["type"] in ("number", "text", "function") or (sub["type"] == "row" and upright(sub))
        index = f" {_label(sub)}" if is_word else f" sub {_node(sub)}"
    if sup is not None and plain(sup) == "-1" and re.fullmatch("[A-Zfg]", plain(node["base"])):
        return f"{index} inverse"
    return index + (_power(sup) if sup is not None else "")


def _label(node: Node) -> str:
    return str(node["name"]) if node["type"] == "function" else upright(node) if node["type"] == "row" else _node(node)


def _power(sup: Node) -> str:
    written = plain(sup)
    if written in ("∘", "°"):
        return " degrees"
    if written in ("⊤", "T"):
        return " transposed"
    if written in ("∗", "*"):
        return " star"
    if written and all(sign in "′″‴'" for sign in written):
        return " " + SIGNS.get(written, "prime")
    if re.fullmatch(r"-?\d+", written):
        return to_the(written)
    if sup["type"] == "text" and re.fullmatch(r"\d*[+−-]", written):  # the charge of an ion
        size = written[:-1]
        return f" {f'{cardinal(int(size))} ' if size else ''}{'plus' if written[-1] == '+' else 'minus'}"
    return f" to the power of {_node(sup)}"


def _fraction(node: Node) -> str:
    top, bottom = node["num"], node["den"]
    if node.get("rule") is False:
        return f"{_node(top)} choose {_node(bottom)}"
    if is_fraction_of_numbers(node):
        return _share(int(plain(top)), int(plain(bottom)))
    differential = plain(top)[:1] + plain(bottom)[:1]
    if differential in ("dd", "∂∂"):
        return f"{_node(top)} by {_node(bottom)}{' of' if len(plain(top)) == 1 else ''}"
    above = f"{_node(top)}, all over" if has_operator([top]) else f"{_node(top)} over"
    return f"{above} the quantity {_node(bottom)}," if has_operator([bottom]) else f"{above} {_node(bottom)}"


def _share(top: int, bottom: int) -> str:
    if top <= 20 and (2 <= bottom <= 20 or bottom in (32, 64, 100, 1000)):
        return fraction(top, bottom)
    return f"{cardinal(top)} over {cardinal(bottom)}"


def _root(node: Node) -> str:
    index = plain(node["index"]) if node.get("index") else "2"
    if index in ("2", "3"):
        which = {"2": "square", "3": "cube"}[index]
    else:
        which = to_the(index).removeprefix(" to the ") if index.isdecimal() else f"{_node(node['index'])}-th"
    return f"the {which} root of {_node(node['radicand'])}"


def _accent(node: Node) -> str:
    base = _node(node["base"])
    if node["accent"] in VECTORS:
        return f"vector {base}"
    if node["accent"] not in ACCENTS:
        raise _Unread(node["accent"])
    return f"{base} {ACCENTS[node['accent']]}"


def _delimited(node: Node) -> str:
    opening, closing = node.get("open"), node.get("close")
    middle = {"type": "operator", "symbol": "|", "class": "rel"}
    inside: list[Node] = []
    for part in node["parts"]:
        inside += [middle, part] if inside else [part]
    if opening == "(" and len(inside) == 1 and inside[0].get("rule") is False:
        return _node(inside[0])  # a binomial coefficient
    if opening and opening in PAIRS and closing:
        return _group(Group(opening, list(grouped(flat(inside)))))
    return _sequence(inside)


def _table(node: Node) -> str:
    rows = [[_node(cell) for cell in row] for row in node["rows"]]
    if not rows:
        raise _Unread("a table of nothing")
    shape = node["shape"]
    if shape == "cases":
        return "; ".join(_case([cell.strip(" ,") for cell in row]) for row in rows).replace(";", ",")
    if not shape.endswith("matrix"):
        between = ", " if shape == "array" else " "
        return ", ".join(between.join(cell for cell in row if cell) for row in rows if any(row))
    if len(rows) == 1 or len(rows[0]) == 1:
        return f"the vector {', '.join(cell for row in rows for cell in row)},"
    what = f"{cardinal(len(rows))} by {cardinal(len(rows[0]))} matrix"
    which = f"the determinant of the {what}" if shape.startswith("v") else f"the {what}"
    return f"{which} with rows {', and '.join(', '.join(row) for row in rows)},"


def _case(cells: list[str]) -> str:
    value, *conditions = cells
    condition = " ".join(conditions)
    if not condition:
        return value
    is_said = re.match(r"(?:if|for|when|otherwise|else|where)\b", condition)
    return f"{value} {condition}" if is_said else f"{value} if {condition}"


def _text(node: Node) -> str:
    said = [part["value"] if part["type"] == "text" else _node(part["value"]) for part in node["parts"]]
    written = " ".join(" ".join(said).split())
    if written in FUNCTIONS and not FUNCTIONS[written].startswith("the "):
        return FUNCTIONS[written]  # \mathrm{sin}
    return " ".join(written) if re.fullmatch(r"[A-Z][A-Z]|Na|Cl|Mg|Ca|Fe", written) else written


def _identifier(node: Node) -> str:
    name = str(node["name"])
    if node.get("variant") == "double-struck" and name in NUMBER_SETS:
        return NUMBER_SETS[name]
    folded = unicodedata.normalize("NFKC", name)
    if folded in GREEK:
        return GREEK[folded]
    if not folded.isalnum():
        return _sign(folded)
    return folded


def _operator(node: Node) -> str:
    return _sign(node["symbol"])


def _sign(symbol: str) -> str:
    if symbol in GREEK:
        return GREEK[symbol]
    if symbol not in SIGNS:
        raise _Unread(symbol)
    return SIGNS[symbol]


def _large(node: Node) -> str:
    if node["symbol"] not in LARGE:
        raise _Unread(node["symbol"])
    return LARGE[node["symbol"]]


def _stacked(node: Node) -> str:
    base, below = node["base"], node.get("below")
    if below is not None and base["type"] in ("function", "large-operator"):
        return _scripts({"type": "scripts", "base": base, "sub": below})
    if base.get("symbol") == "=" and node.get("above"):
        return "equals"  # by definition, or in distribution
    return _node(base)


def _written_quantity(node: Node) -> str:
    """A quantity of siunitx, or its unit alone."""
    children = node["unit"]["children"]
    if "value" in node:
        return f"{node['value']} {''.join(map(plain, children[1:]))}".strip()
    unit = "".join(map(plain, children))
    return units(unit) if unit in UNITS else unit


_READERS: Final[dict[str, Callable[[Node], str]]] = {
    "row": _row, "scripts": _scripts, "fraction": _fraction, "root": _root, "accent": _accent,
    "delimited": _delimited, "table": _table, "text": _text, "identifier": _identifier, "operator": _operator,
    "stacked": _stacked, "quantity": _written_quantity,
    "number": lambda node: number(node["value"]),
    "large-operator": lambda node: f"{_large(node)} of",
    "function": lambda node: FUNCTIONS.get(node["name"], str(node["name"])),
    "arrow": lambda node: _sign(node["symbol"]),
    "space": lambda node: "," if node["em"] >= 1 else "",
    "phantom": lambda _node: "",
    "words": lambda node: str(node["words"]),
}  # fmt: skip
