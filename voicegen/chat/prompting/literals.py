"""Special tokens that are spelled out in a message stay text: no question can forge a turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from voicegen.records import Message


def guard(messages: Sequence[Message], special: Iterable[str]) -> tuple[list[Message], dict[str, str]]:
    """Puts a stand-in for each special token that is spelled out in a message, so that no text can forge a turn."""
    names = [name for name in special if any(name in message.content for message in messages)]
    stand_ins = {f"\ue000{chr(0xE100 + place)}\ue001": name for place, name in enumerate(sorted(names, key=len)[::-1])}
    return [_with_content(message, stand_ins) for message in messages], stand_ins


def _with_content(message: Message, stand_ins: Mapping[str, str]) -> Message:
    content = message.content
    for stand_in, name in stand_ins.items():
        content = content.replace(name, stand_in)
    return message if content == message.content else replace(message, content=content)


def split_at(text: str, literals: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Pairs of a piece of text and the literal that followed it."""
    while text:
        places = [(text.find(stand_in), stand_in) for stand_in in literals if stand_in in text]
        if not places:
            yield text, ""
            return
        place, stand_in = min(places)
        yield text[:place], literals[stand_in]
        text = text[place + len(stand_in) :]
