"""Addresses of houses: streets, numbers, states and zip codes."""

from __future__ import annotations

import re

from voicegen.text.english.numbers import by_pairs, cardinal, digits
from voicegen.text.english.rules import alternatives, kind, number_rule, rule

_STREETS = {
    "St": "Street", "Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Ln": "Lane", "Dr": "Drive", "Ct": "Court",
    "Pl": "Place", "Sq": "Square", "Hwy": "Highway", "Pkwy": "Parkway", "Expy": "Expressway", "Apt": "Apartment",
}  # fmt: skip
_SIDES = {
    "N": "North", "S": "South", "E": "East", "W": "West", "NE": "Northeast", "NW": "Northwest", "SE": "Southeast",
    "SW": "Southwest",
}  # fmt: skip
_STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DC": "D C", "DE": "Delaware", "FL": "Florida", "GA": "Georgia", "HI": "Hawaii",
    "IA": "Iowa", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "KS": "Kansas", "KY": "Kentucky",
    "LA": "Louisiana", "MA": "Massachusetts", "MD": "Maryland", "ME": "Maine", "MI": "Michigan", "MN": "Minnesota",
    "MO": "Missouri", "MS": "Mississippi", "MT": "Montana", "NC": "North Carolina", "ND": "North Dakota",
    "NE": "Nebraska", "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico", "NV": "Nevada",
    "NY": "New York", "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island",
    "SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VA": "Virginia",
    "VT": "Vermont", "WA": "Washington", "WI": "Wisconsin", "WV": "West Virginia", "WY": "Wyoming",
}  # fmt: skip
_BEFORE_YEARS = re.compile(r"(?i:\b(?:in|by|since|until|before|after|during)) $")


@rule(
    rf"\b(?P<street>(?:[A-Z]\w+|\d+(?:st|nd|rd|th)) )(?P<kind>{alternatives(_STREETS)})(?P<point>\.)?(?=[\s,;)]|$)"
    r"(?!\.? [A-Z][a-z]+ [A-Z])"
)
def _street(street: re.Match[str]) -> str | None:
    before = street.string[max(0, street.start() - 20) : street.start()]
    in_address = re.search(r"\d+ (?:[A-Z]\w*\.? )*$", before) or street["street"][0].isdigit()
    if not in_address and not (street["point"] and street["kind"] in ("Ave", "Blvd", "Rd", "St", "Hwy", "Ln")):
        return None
    stop = (
        "."
        if street["point"]
        and re.match(
            r"\s*$|\s+(?:[A-Z][a-z]+ (?:is|was|are|has|will|and|the)\b|The |It |He |She |They |We )",
            street.string[street.end() :],
        )
        else ""
    )
    return f"{street['street']}{_STREETS[street['kind']]}{stop}"


@number_rule(
    r"(?<![\w.,:$€£/-])(?P<number>[1-9]\d{0,4}) (?:(?P<side>[NS][EW]|[NSEW])\.? )?"
    rf"(?=(?:(?:[A-Z][a-z'’]+|\d{{1,3}}(?:st|nd|rd|th)) ){{1,3}}(?:{alternatives(_STREETS.values())})\b)"
)
def _house(house: re.Match[str]) -> str | None:
    """`1428 Elm Street` by pairs; five digits one by one, three as any number."""
    number = house["number"]
    if len(number) == 4 and _BEFORE_YEARS.search(house.string[: house.start()]):
        return None
    said = digits(number) if len(number) == 5 else by_pairs(int(number)) if len(number) == 4 else cardinal(int(number))
    return f"{said} {_SIDES[house['side']]} " if house["side"] else f"{said} "


@rule(rf"(?<!\w)(?P<state>{alternatives(_STATES)}) (?P<zip>\d{{5}})(?:-(?P<four>\d{{4}}))?(?!\w)")
def _zip(place: re.Match[str]) -> str:
    said = f"{_STATES[place['state']]} {digits(place['zip'])}"
    return f"{said} dash {digits(place['four'])}" if place["four"] else said


_NAMED = alternatives(word[1:] for pair in _STREETS.items() for word in pair)
PLACES = kind("words", rf"[A-Z](?:[A-Z] \d|(?:{_NAMED})\b)", _street, _house, _zip)
