"""The server as a whole: what is to be had under which address, who may come in, and its beginning and end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp

from voicegen.config import ServeConfig
from voicegen.errors import ConfigError, VoicegenError
from voicegen.webserver import talk_page
from voicegen.webserver.access import LOOPBACK, Door, Guarded
from voicegen.webserver.completions import completions
from voicegen.webserver.engine import Engine
from voicegen.webserver.realtime.connection import usual_conversation
from voicegen.webserver.realtime.conversations import Conversations
from voicegen.webserver.realtime.endpoint import realtime
from voicegen.webserver.refusals import Refusal
from voicegen.webserver.seats import Seats
from voicegen.webserver.speaking import VOICE_HEADER, model, models, speech, voices

_GRACE = 3  # seconds that requests under way have when the server ends

Endpoint = Callable[[Request], Awaitable[Response]]


def application(engine: Engine, settings: ServeConfig, token: str | None = None) -> ASGIApp:
    """What answers requests; an ASGI application."""
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", _refusing(completions), methods=["POST"]),
            Route("/v1/audio/speech", _refusing(speech), methods=["POST"]),
            Route("/v1/audio/voices", voices),
            Route("/v1/models", models),
            Route("/v1/models/{name:path}", _refusing(model)),
            WebSocketRoute("/v1/realtime", realtime),
            *talk_page.routes(),
        ],
        exception_handlers={HTTPException: _not_there, Exception: _unexpected},
    )
    app.state.engine = engine
    app.state.seats = Seats(settings.max_clients)
    app.state.settings = settings
    app.state.conversations = Conversations(
        lambda: usual_conversation(engine), settings.max_clients, 60 * settings.keep
    )
    guarded = Guarded(app, Door(settings.host, settings.origins, token))
    if not settings.origins:
        return guarded
    return CORSMiddleware(
        guarded,
        allow_origins=settings.origins,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=[VOICE_HEADER],
    )


def listening(settings: ServeConfig, token: str | None) -> socket.socket:
    """The open port.

    Raises:
        ConfigError: it is in use, there is no such host, or others can reach it and no token keeps them out.
    """
    if settings.host not in LOOPBACK and token is None:
        raise ConfigError(
            f"serve.host={settings.host} lets other machines in: put a token in {settings.token_env}, "
            "which clients then send, or leave serve.host out"
        )
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((settings.host, settings.port))
    except OSError as error:
        opened.close()
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(
            f"serve.host={settings.host} serve.port={settings.port} can't be listened on ({reason}): "
            "give another port, or 0 for any that is free"
        ) from None
    return opened


def address(opened: socket.socket, settings: ServeConfig) -> str:
    """Where the page is, for the user's browser."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{opened.getsockname()[1]}/"


def server(app: ASGIApp) -> uvicorn.Server:
    """What runs an application; `run(sockets=[...])` does, until it is told to end."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        ws_max_size=2**20,
    )
    return uvicorn.Server(config)


@contextmanager
def serving(engine: Engine, settings: ServeConfig, token: str | None = None) -> Iterator[str]:
    """Serves on a thread, for as long as this lasts, and closes the engine in the end; yields the server's address."""
    opened = listening(settings, token)
    opened.listen()
    running = server(application(engine, settings, token))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [opened]}, name="server")
    thread.start()
    try:
        yield address(opened, settings)
    finally:
        running.should_exit = True
        thread.join()
        opened.close()
        engine.close()


def serve(engine: Engine, settings: ServeConfig, token: str | None, opened: socket.socket) -> None:
    """Serves until Ctrl-C."""
    with closing(engine), closing(opened):
        server(application(engine, settings, token)).run(sockets=[opened])


async def _not_there(request: Request, error: Exception) -> Response:
    """An address or a method that there is not, in OpenAI's shape."""
    assert isinstance(error, HTTPException)
    told = f"{request.method} {request.url.path} is not to be had here: {error.detail.lower()}"
    response = Refusal(told, error.status_code).response
    response.headers.update(error.headers or {})
    return response


async def _unexpected(_request: Request, _error: Exception) -> Response:
    """An error that nobody foresaw; Starlette raises it again, so that its traceback is logged."""
    return Refusal("an unexpected error, which the server's own output tells", 500).response


def _refusing(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose errors are told in OpenAI's shape."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refusal as refusal:
            return refusal.response
        except VoicegenError as error:
            return Refusal.of(error).response

    return answer
