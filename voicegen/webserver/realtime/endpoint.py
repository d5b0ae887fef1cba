"""Where a WebSocket becomes a connection: a seat for it, and the conversation that it goes on with."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from voicegen.config import ServeConfig
from voicegen.webserver.engine import Engine
from voicegen.webserver.realtime.connection import Connection
from voicegen.webserver.realtime.conversations import Conversation, Conversations, new_id
from voicegen.webserver.refusals import Refusal
from voicegen.webserver.seats import Seats

_TRY_LATER = 1013  # of RFC 6455's registry


async def realtime(socket: WebSocket) -> None:
    """A conversation, until its client goes; with `?session=ID` the one that had that id before."""
    state = socket.app.state
    seats: Seats = state.seats
    conversations: Conversations = state.conversations
    await socket.accept("realtime" if "realtime" in socket.scope.get("subprotocols", ()) else None)
    conversation = conversations.open(socket.query_params.get("session"))
    while conversation.leave is not None:  # the client is back before its old connection is known to be dead
        await conversation.leave()
    try:
        with seats.one():
            await _had_over(socket, state.engine, state.settings, conversation)
    except Refusal as refusal:
        with suppress(WebSocketDisconnect, RuntimeError):
            event = {"type": "error", "event_id": new_id("event"), "error": refusal.error}
            await socket.send_text(json.dumps(event))
            await socket.close(_TRY_LATER)
    finally:
        conversations.left(conversation)


async def _had_over(socket: WebSocket, engine: Engine, settings: ServeConfig, conversation: Conversation) -> None:
    connection = Connection(socket, engine, settings, conversation)
    over = asyncio.Event()

    async def leave() -> None:
        await connection.leave()
        await over.wait()

    conversation.leave = leave
    try:
        await connection.run()
    finally:
        over.set()
