"""Streamable HTTP: who may connect, and the server that listens."""

from __future__ import annotations

import errno
import hmac
import os
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import anyio
import uvicorn
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from voicegen.config import McpConfig
from voicegen.errors import ConfigError
from voicegen.mcp_server.server import VoiceServer

PATH = "/mcp"

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_LAST_WORDS = 2  # seconds that open connections are given at the end


class Door:
    """Lets nobody pass who calls the server by another name, comes from another site's page, or lacks the token.

    A page of another site that is open in the user's browser reaches a server on loopback, too. Its `Origin` tells, or,
    where it had its own name resolve to this machine, the `Host`.
    """

    def __init__(self, app: ASGIApp, security: TransportSecuritySettings, token: str | None) -> None:
        self._app = app
        self._security = TransportSecurityMiddleware(security)
        self._expected = None if token is None else f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As an ASGI application."""
        refused = await self._refused(Request(scope)) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    async def _refused(self, request: Request) -> Response | None:
        if (refused := await self._security.validate_request(request)) is not None:
            return refused
        given = request.headers.get("authorization", "").encode()
        if self._expected is None or hmac.compare_digest(given, self._expected):
            return None
        why = {"error": "the token is missing, or another one: send it as `Authorization: Bearer TOKEN`"}
        return JSONResponse(why, 401, {"WWW-Authenticate": "Bearer"})


def token_of(settings: McpConfig) -> str | None:
    """The token that clients must send; None where none is needed.

    Raises:
        ConfigError: the server is to be reached from elsewhere, and there is none.
    """
    token = os.environ.get(settings.token_env) or None
    if token is None and not _is_loopback(settings.host):
        raise ConfigError(
            f"mcp.host={settings.host} is reached from other machines: set {settings.token_env} to a token that "
            "clients are to send, or leave mcp.host at 127.0.0.1"
        )
    return token


def application(server: VoiceServer, settings: McpConfig, token: str | None) -> ASGIApp:
    """The server as an ASGI application, which checks token, Host and Origin."""
    security = _security(settings)
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        transport_security=security,
        session_idle_timeout=settings.session_minutes * 60,
        max_sessions=settings.sessions,
    )
    return Door(app, security, token)


def listening(settings: McpConfig) -> socket.socket:
    """A socket that listens where the settings say.

    Raises:
        ConfigError: the address cannot be used; says why.
    """
    try:
        return socket.create_server(
            (settings.host, settings.port),
            family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET,
            backlog=128,
        )
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        what = "give another mcp.port" if error.errno == errno.EADDRINUSE else "give another mcp.host"
        raise ConfigError(f"cannot listen on {settings.host}, port {settings.port}: {why}; {what}") from None


def address(listener: socket.socket) -> str:
    """Where clients find the server that listens there."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{PATH}"


async def serve(app: ASGIApp, listener: socket.socket, stop: anyio.Event | None = None) -> None:
    """Serves until the process is told to end, or `stop` is set."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=_LAST_WORDS)
    server = uvicorn.Server(config)

    async def watch(stop: anyio.Event) -> None:
        await stop.wait()
        server.should_exit = True

    async with anyio.create_task_group() as group:
        if stop is not None:
            group.start_soon(watch, stop)
        await server.serve(sockets=[listener])
        group.cancel_scope.cancel()


def _security(settings: McpConfig) -> TransportSecuritySettings:
    names = [*settings.hosts]
    if _is_loopback(settings.host):
        names += _LOOPBACK
    elif (address := _ip(settings.host)) is None or not address.is_unspecified:
        names.append(settings.host)
    origins = [*settings.origins, *(f"http://{name}" for name in names)]
    return TransportSecuritySettings(
        allowed_hosts=[form for name in names for form in (name, f"{name}:*")],
        allowed_origins=[form for origin in origins for form in (origin, f"{origin}:*")],
    )


def _is_loopback(host: str) -> bool:
    address = _ip(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
