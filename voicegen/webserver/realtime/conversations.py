"""Conversations, which outlive the connections over which they are had."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from voicegen.chat.conversation.session import ChatSession
from voicegen.webserver.realtime.echo import Played
from voicegen.webserver.realtime.session import Session

_KEPT_A_CLIENT: Final = 4  # conversations that wait for their clients, for each client that there is room for


def new_id(kind: str) -> str:
    """A name that nothing else has."""
    return f"{kind}_{uuid4().hex[:24]}"


@dataclass(eq=False, slots=True)
class Conversation:
    """What was said, and how it goes on.

    Attributes:
        id: known to its client alone; who has it may go on with the conversation.
        session: how it is had.
        chat: what the model sees of it.
        items: what was said, as clients read it, by their ids.
        questions: that wait for an answer; asked together.
        marks: of each spoken answer, how much of its text was said by when: milliseconds and characters.
        played: what was sent last to be played.
        asked: how many answers there were.
        leave: has the connection end that it is had over; None while there is none.
        left_at: when its last connection ended.
    """

    session: Session
    chat: ChatSession
    id: str = field(default_factory=lambda: f"sess_{secrets.token_urlsafe(24)}")
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    marks: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    played: Played = field(default_factory=Played)
    asked: int = 0
    leave: Callable[[], Any] | None = None
    left_at: float = 0.0

    def add(self, item: dict[str, Any]) -> str | None:
        """Puts an item at the end, and returns the id of the one before it."""
        before = next(reversed(self.items), None)
        self.items[item["id"]] = item
        return before


def said_by(marks: list[tuple[float, int]], ms: float) -> int:
    """How many characters of an answer were said by then, as nearly as its marks tell."""
    before = (0.0, 0)
    for mark in marks:
        if ms < mark[0]:
            share = (ms - before[0]) / (mark[0] - before[0])
            return before[1] + int(share * (mark[1] - before[1]))
        before = mark
    return before[1]


class Conversations:
    """All that are under way, and those that wait for their clients to come back.

    Args:
        begin: makes a new one.
        clients: that there is room for.
        keep: seconds that one waits.
        clock: seconds.
    """

    def __init__(
        self,
        begin: Callable[[], Conversation],
        clients: int,
        keep: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._begin = begin
        self._most = clients * _KEPT_A_CLIENT
        self._keep = keep
        self._clock = clock
        self._known: dict[str, Conversation] = {}

    def open(self, identifier: str | None) -> Conversation:
        """The conversation of that id; a new one where it is not known, or is no more."""
        self._forget()
        known = self._known.get(identifier or "")
        if known is None:
            known = self._begin()
            self._known[known.id] = known
        return known

    def left(self, conversation: Conversation) -> None:
        """Has it wait, now that its client has gone."""
        conversation.leave = None
        conversation.left_at = self._clock()
        self._forget()

    def _forget(self) -> None:
        waiting = [one for one in self._known.values() if one.leave is None]
        waiting.sort(key=lambda one: one.left_at, reverse=True)
        for place, one in enumerate(waiting):
            if place >= self._most or self._clock() - one.left_at > self._keep:
                del self._known[one.id]
