"""The parts of a formula: what mathra's tree holds, with brackets put together, and what can be asked of a part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from voicegen.text.english.units import UNIT

Node = dict[str, Any]

PAIRS: Final = {
    "|": ("|", "the absolute value of"), "‖": ("‖", "the norm of"), "⌊": ("⌋", "the floor of"),
    "⌈": ("⌉", "the ceiling of"), "(": (")", ""), "[": ("])", ""), "{": ("}", "the set"), "⟨": ("⟩", ""),
}  # fmt: skip
_CALLED: Final = "fghFGHPpEOΘΩφψ"  # letters that are functions more often than factors
_WORDS_BEFORE_BRACKETS: Final = ("if", "for", "when", "where", "and", "or", "with", "of", "is")
_ALSO_CLOSES: Final = {"(": ")]", "[": "])"}  # a half-open interval


@dataclass(frozen=True)
class Group:
    """What stands between two marks that belong together.

    Attributes:
        scripts: the node whose base is the closing mark, where it is raised or has an index.
    """

    opening: str
    inside: list[Node | Group]
    scripts: Node | None = None


Part = Node | Group


def flat(children: Iterable[Part]) -> Iterator[Part]:
    """The parts of a row, those of rows within it in their place; a row of upright letters is a word."""
    for child in children:
        if isinstance(child, dict) and child["type"] == "row":
            word = upright(child)
            if word:
                yield {"type": "text", "parts": [{"type": "text", "value": word}]}
            else:
                yield from flat(child["children"])
        elif not (isinstance(child, dict) and child["type"] == "space" and child["em"] < 1):
            yield child


def upright(row: Node) -> str:
    """The word or the unit that a row of upright letters spells: `km/h`; "" if it is none."""
    children = row["children"]
    letters = [child for child in children if child.get("variant") == "upright"]
    if len(letters) < 1 or not all(child in letters or child.get("symbol") in ("/", "°") for child in children):
        return ""
    word = "".join(child.get("name") or child["symbol"] for child in children)
    return word if len(word) > 1 else ""


def grouped(parts: Iterable[Part]) -> Iterator[Part]:
    """Puts what stands between brackets, or bars that open and close, into groups."""
    rest = list(parts)
    place = 0
    while place < len(rest):
        opening = symbol(rest[place])
        end = _end_of_group(rest, place) if opening in PAIRS else None
        if opening is None or end is None:
            yield rest[place]
            place += 1
            continue
        closing = rest[end]
        scripts = closing if isinstance(closing, dict) and closing["type"] == "scripts" else None
        yield Group(opening, list(grouped(rest[place + 1 : end])), scripts)
        place = end + 1


def _end_of_group(parts: list[Part], start: int) -> int | None:
    opening = symbol(parts[start]) or ""
    closing = _ALSO_CLOSES.get(opening, PAIRS[opening][0])
    if opening in "|‖" and start and not is_sign(parts[start - 1]):
        return None  # "a | b"
    depth = 0
    for place in range(start + 1, len(parts)):
        sign = symbol(base_of(parts[place]))
        if sign and sign in closing:
            if depth == 0:
                return place if place > start + 1 or opening in "({" else None
            depth -= 1
        elif sign == opening:
            depth += 1
    return None


def plain(node: Part) -> str:
    """A node in the signs of a plain text, "" if it has none."""
    if isinstance(node, Group):
        return ""
    match node["type"]:
        case "number":
            return str(node["value"])
        case "identifier":
            return str(node["name"])
        case "operator":
            return "-" if node["symbol"] == "−" else str(node["symbol"])
        case "text":
            return "".join(part.get("value", "") for part in node["parts"] if part["type"] == "text").strip()
        case "row":
            return "".join(plain(child) for child in node["children"])
        case "unit":
            return plain(node["base"])
        case "scripts" if not node.get("sub"):
            return f"{plain(node['base'])}^{plain(node['sup'])}"
    return ""


def base_of(node: Part) -> Node:
    """What carries the scripts of a node, or the node."""
    if isinstance(node, Group):
        return {"type": "group"}
    return base_of(node["base"]) if node["type"] == "scripts" else node


def symbol(node: Part | None) -> str | None:
    """The sign of an operator; None of another part."""
    return node.get("symbol") if isinstance(node, dict) and node["type"] == "operator" else None


def is_sign(node: Part) -> bool:
    """Whether it is an operator that takes something on its other side."""
    return isinstance(node, dict) and node.get("class") in ("bin", "rel", "punct", "open", "close")


def is_number(node: Part | None) -> bool:
    """Whether it is a number without an index or a power."""
    return isinstance(node, dict) and node["type"] == "number"


def is_name(node: Part) -> bool:
    """Whether it is a letter, with what is raised or lowered on it."""
    return bool(base_of(node)["type"] == "identifier")


def is_function(node: Part) -> bool:
    """Whether it is a function with a name such as sin, with what is raised or lowered on it."""
    return bool(base_of(node)["type"] == "function")


def calls(name: Part, arguments: Group) -> bool:
    """Whether what stands before a bracket is a function's name, and no factor: `f(x)`, `y(t)`, and not `n(n + 1)`."""
    inside = arguments.inside
    takes = len(inside) == 1 or any(symbol(part) == "," for part in inside)
    if is_name(name):
        return takes or base_of(name)["name"] in _CALLED
    return takes and base_of(name)["type"] == "text" and plain(name) not in _WORDS_BEFORE_BRACKETS


def is_fraction_of_numbers(node: Part) -> bool:
    """Whether it is a fraction of two whole numbers."""
    if not isinstance(node, dict) or node["type"] != "fraction" or node.get("rule") is False:
        return False
    return all(plain(node[part]).isdecimal() and len(plain(node[part])) <= 4 for part in ("num", "den"))


def has_operator(parts: Iterable[Part]) -> bool:
    """Whether something is added or compared in it, or divided: it must be heard where it ends."""
    return any(
        isinstance(part, Group)
        or part["type"] == "fraction"
        or (part["type"] == "operator" and part["class"] in ("bin", "rel") and part["symbol"] not in "×·⋅")
        for part in flat(parts)
    )


def quantity_at(parts: list[Part], place: int) -> tuple[str, int] | None:
    """Money, a temperature, or a number and its unit as a plain text has them, and how many parts they take."""
    part = parts[place]
    after = parts[place + 1] if place + 1 < len(parts) else None
    if after is None or isinstance(part, Group):
        return None
    if symbol(part) in ("$", "€", "£", "¥") and is_number(after):
        return f"{symbol(part)}{plain(after)}", 2
    if part["type"] == "scripts" and plain(after) in ("C", "F") and plain(part.get("sup") or after) in ("∘", "°"):
        return f"{plain(part['base'])} °{plain(after)}", 2
    is_unit = base_of(after)["type"] in ("text", "unit") and re.fullmatch(UNIT, plain(after))
    return (f"{plain(part)} {plain(after)}", 2) if is_number(part) and is_unit else None
