"""The conversations of a server's clients: separate, so many at the most, and forgotten when nobody goes on with them.

A session is known by its id alone, which nobody can guess: so no client sees another's.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from voicegen.chat.conversation.session import ChatSession
from voicegen.mcp_server.refusals import Refusal

_TURNS = 200
"""That a session may have: a conversation that long is a program's."""


@dataclass(slots=True)
class Session:
    """One conversation.

    Attributes:
        used: when it was last used, by the monotonic clock.
        answering: whether a question of it is being answered.
    """

    id: str
    chat: ChatSession
    used: float
    answering: bool = False


class Sessions:
    """What is kept of conversations.

    Args:
        most: that are kept; the one longest unused makes room.
        seconds: that one is kept unused.
        begin: makes an empty conversation.
    """

    def __init__(self, most: int, seconds: float, begin: Callable[[], ChatSession]) -> None:
        self._most = most
        self._seconds = seconds
        self._begin = begin
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()  # the longest unused first

    def __len__(self) -> int:
        with self._lock:
            self._forget_old()
            return len(self._sessions)

    @contextmanager
    def turn(self, id: str | None) -> Iterator[Session]:
        """A session for one question, a new one where no id is given; it is nobody else's meanwhile.

        A new one is kept when it has an answer.

        Raises:
            Refusal: there is no such session any more; it is at work; or it is too long.
        """
        with self._lock:
            session = self._found(id) if id is not None else self._new()
            if session.answering:
                raise Refusal("busy", "this session is answering another question: wait for that, or begin another")
            if len(session.chat.turns) >= _TURNS:
                raise Refusal("session_full", f"this session has {_TURNS} turns: begin another, without session")
            session.answering = True
        try:
            yield session
        finally:
            with self._lock:
                session.answering = False
                session.used = time.monotonic()
                if session.chat.turns:
                    self._keep(session)

    def read(self, id: str) -> str:
        """A conversation as JSON lines, a message each.

        Raises:
            Refusal: there is no such session any more.
        """
        with self._lock:
            return self._found(id).chat.as_lines()

    def _new(self) -> Session:
        return Session(secrets.token_hex(12), self._begin(), time.monotonic())

    def _found(self, id: str) -> Session:
        self._forget_old()
        if (session := self._sessions.get(id)) is None:
            kept = f"the last {self._most}, for {self._seconds / 60:g} minutes"
            raise Refusal("unknown_session", f"there is no session {id!r} (any more: {kept}): leave session out")
        return session

    def _keep(self, session: Session) -> None:
        self._sessions[session.id] = session
        self._sessions.move_to_end(session.id)
        idle = [one.id for one in self._sessions.values() if not one.answering and one is not session]
        for id in idle[: max(0, len(self._sessions) - self._most)]:
            del self._sessions[id]

    def _forget_old(self) -> None:
        oldest = time.monotonic() - self._seconds
        for session in [one for one in self._sessions.values() if one.used < oldest and not one.answering]:
            del self._sessions[session.id]
