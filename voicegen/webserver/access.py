"""Who may come in: by the host and the origin that a browser names, and by the token.

A page of another site that is open in the user's browser reaches a server on loopback too. It is told by its `Origin`;
one that had its own name resolve to 127.0.0.1 (DNS rebinding) by the `Host` that the browser then sends.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from voicegen.webserver.refusals import Refusal

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
TOKEN_PROTOCOL: Final = "openai-insecure-api-key."
"""What goes before a token that comes as a WebSocket's subprotocol: browsers can send it in no other way."""

_GUARDED: Final = "/v1/"  # below it are the models; the page and its script hold nothing that is anybody's


@dataclass(frozen=True, slots=True)
class Door:
    """Whom a server lets in.

    Attributes:
        host: that it listens on.
        origins: of pages of other servers that may use it, as `https://talk.example.org`.
        token: that clients must give; None where none is needed.
    """

    host: str
    origins: tuple[str, ...] = ()
    token: str | None = None

    def check(self, path: str, headers: Headers, protocols: Sequence[str] = ()) -> None:
        """Lets a request pass, or not.

        Raises:
            Refusal: it does not come from where it must, or brings no token.
        """
        host = headers.get("host", "")
        if self.token is None and _name(host) not in LOOPBACK:
            raise Refusal(f"this server is on this machine alone, and is not called {host!r}: open 127.0.0.1", 403)
        origin = headers.get("origin")
        if origin is not None and _place(origin) != host and origin not in self.origins:
            raise Refusal(f"a page of {origin} may not use this server: name it in serve.origins", 403)
        if self.token is not None and path.startswith(_GUARDED) and not self._has_token(headers, protocols):
            raise Refusal("the token is missing, or another one: send it as `Authorization: Bearer TOKEN`", 401)

    def _has_token(self, headers: Headers, protocols: Sequence[str]) -> bool:
        assert self.token is not None
        given = [headers.get("authorization", "").removeprefix("Bearer ")]
        given += [name.removeprefix(TOKEN_PROTOCOL) for name in protocols if name.startswith(TOKEN_PROTOCOL)]
        return any(hmac.compare_digest(one.encode(), self.token.encode()) for one in given)


class Guarded:
    """An application behind a door; whoever is not let in is told why."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it; a WebSocket is refused before it is open."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._door.check(scope["path"], Headers(scope=scope), scope.get("subprotocols", ()))
        except Refusal as refusal:
            await self._refuse(refusal, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": str(refusal)[:100]})
            return
        await refusal.response(scope, receive, send)


def _place(origin: str) -> str:
    """The host and port of an `Origin`; "" where it has none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _name(host: str) -> str:
    """The name in a `Host` header, without the port; "" where there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
