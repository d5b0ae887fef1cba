"""One client's WebSocket: what it says is done, and what comes of that is told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.websockets import WebSocket, WebSocketDisconnect

from voicegen.audio.resample import resample
from voicegen.config import ServeConfig
from voicegen.errors import VoicegenError
from voicegen.webserver.ears import RATE as RATE_HEARD
from voicegen.webserver.ears import Ears
from voicegen.webserver.engine import RATE, Engine
from voicegen.webserver.realtime.answer import Answer, Reason
from voicegen.webserver.realtime.client_events import (
    Append,
    Clear,
    ClientEvent,
    Commit,
    Item,
    ItemCreate,
    ItemTruncate,
    ResponseCancel,
    ResponseCreate,
    SessionUpdate,
    client_event,
    samples_of,
)
from voicegen.webserver.realtime.conversations import Conversation, new_id, said_by
from voicegen.webserver.realtime.hearing import Began, Hearing
from voicegen.webserver.realtime.session import ServerVad, Session, SessionGiven, too_long
from voicegen.webserver.refusals import Refusal

_SHORTEST = 0.1  # seconds of audio that may be a question


class Connection:
    """A conversation over one WebSocket, from its opening to its end."""

    def __init__(self, socket: WebSocket, engine: Engine, settings: ServeConfig, conversation: Conversation) -> None:
        self._socket = socket
        self._engine = engine
        self._settings = settings
        self._conversation = conversation
        self._gone = False
        self._left = asyncio.Event()
        self._sending = asyncio.Lock()
        self._answer: Answer | None = None
        self._hearing: Hearing | None = None
        self._turn_item = new_id("item")
        self._recognizing = asyncio.Lock()  # what was said first is written down first
        self._recognitions: set[asyncio.Task[None]] = set()
        self._shortenings: set[asyncio.Task[None]] = set()
        self._beginning = asyncio.Lock()

    async def run(self) -> None:
        """Until the client goes."""
        try:
            await self._greet()
            while (message := await self._next()) is not None:
                await self._take(message)
        finally:
            self._gone = True
            for task in self._recognitions:
                task.cancel()
            self._break_off("client_cancelled")
            await asyncio.gather(*self._recognitions, *self._shortenings, return_exceptions=True)
            if self._answer is not None:
                await self._answer.over()

    async def leave(self) -> None:
        """Ends it, since its client has come by another way."""
        self._gone = True
        self._left.set()
        with suppress(RuntimeError, WebSocketDisconnect):
            await self._socket.close(4000, "the conversation goes on over another connection")

    async def _next(self) -> str | None:
        """The next message; None when the client has gone, or has come by another way."""
        receiving = asyncio.ensure_future(self._socket.receive())
        leaving = asyncio.ensure_future(self._left.wait())
        try:
            await asyncio.wait((receiving, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
        if not receiving.done():
            receiving.cancel()
            return None
        message = receiving.result()
        return None if message["type"] == "websocket.disconnect" else str(message.get("text") or "")

    async def _greet(self) -> None:
        await self._send("session.created", session=self._session_told())
        before = None
        for item in list(self._conversation.items.values()):
            await self._send("conversation.item.added", item=item, previous_item_id=before)
            await self._send("conversation.item.done", item=item, previous_item_id=before)
            before = item["id"]

    async def _take(self, message: str) -> None:
        """Does what a message says; where that cannot be, says why, and the conversation goes on."""
        event: ClientEvent | None = None
        try:
            event = client_event(message)
            await self._do(event)
        except Refusal as refusal:
            await self._send("error", error={**refusal.error, "event_id": event.event_id if event else None})
        except VoicegenError as error:
            told = Refusal.of(error).error
            await self._send("error", error={**told, "event_id": event.event_id if event else None})

    async def _do(self, event: ClientEvent) -> None:
        match event:
            case SessionUpdate():
                await self._update(event.session)
            case Append():
                await self._listen(samples_of(event.audio))
            case Commit():
                await self._commit(self._stream.take(), self._turn_item, respond=False)
            case Clear():
                self._stream.clear()
                await self._send("input_audio_buffer.cleared")
            case ItemCreate():
                await self._add(event.item)
            case ItemTruncate():
                self._begin(self._shorten(event), self._shortenings)
            case ResponseCreate():
                await self._respond(event.response)
            case ResponseCancel():
                if self._answer is None or not self._answer.is_under_way:
                    raise Refusal("no answer is under way", code="response_cancel_not_active")
                self._break_off("client_cancelled")

    async def _update(self, given: SessionGiven) -> None:
        conversation = self._conversation
        session = conversation.session.updated(given, self._most_tokens, self._engine.voice_named)
        self._check_length("instructions", session.instructions or "")
        if session.vad is not None:
            self._needs_ears()
        conversation.session = session
        if self._hearing is not None and "audio" in given.model_fields_set:
            self._hearing.listen_by(session.vad)
        await self._send("session.updated", session=self._session_told())

    async def _listen(self, samples: NDArray[np.float32]) -> None:
        """More from the microphone."""
        stream, vad = self._stream, self._conversation.session.vad
        if vad is None and stream.is_full:
            raise Refusal(f"{self._settings.max_audio:g} seconds of audio are the most: commit or clear them")
        for edge in stream.add(samples):
            if isinstance(edge, Began):
                self._turn_item = new_id("item")
                await self._send(
                    "input_audio_buffer.speech_started", audio_start_ms=edge.at_ms, item_id=self._turn_item
                )
                if vad is not None and vad.interrupt_response:
                    self._break_off("turn_detected")
            else:
                await self._send("input_audio_buffer.speech_stopped", audio_end_ms=edge.at_ms, item_id=self._turn_item)
                await self._commit(edge.samples, self._turn_item, respond=vad is not None and vad.create_response)

    async def _commit(self, samples: NDArray[np.float32], item_id: str, respond: bool) -> None:
        """What was said is a question, once it is written down."""
        self._needs_ears()
        if len(samples) < _SHORTEST * RATE_HEARD:
            raise Refusal("there is no audio to commit: append some first", code="input_audio_buffer_commit_empty")
        item = _item(item_id, "user", {"type": "input_audio", "transcript": None})
        self._turn_item = new_id("item")
        before = self._conversation.add(item)
        await self._send("input_audio_buffer.committed", item_id=item_id, previous_item_id=before)
        await self._send("conversation.item.added", item=item, previous_item_id=before)
        self._begin(self._recognize(item, samples, respond), self._recognitions)

    async def _recognize(self, item: dict[str, Any], samples: NDArray[np.float32], respond: bool) -> None:
        where, text = {"item_id": item["id"], "content_index": 0}, ""
        try:
            async with self._recognizing:
                text = await self._needs_ears().text_of(samples)
        except VoicegenError as error:
            told = Refusal.of(error).error
            await self._send("conversation.item.input_audio_transcription.failed", **where, error=told)
        except asyncio.CancelledError:
            del self._conversation.items[item["id"]]  # nobody will ever know what it said
            raise
        else:
            usage = {"type": "duration", "seconds": round(len(samples) / RATE_HEARD, 3)}
            kind = "conversation.item.input_audio_transcription.completed"
            await self._send(kind, **where, transcript=text, usage=usage)
        if not text:
            del self._conversation.items[item["id"]]
            await self._send("conversation.item.deleted", item_id=item["id"])
            return
        item["content"] = [{"type": "input_audio", "transcript": text}]
        await self._send("conversation.item.done", item=item)
        self._conversation.questions.append(text)
        others = self._recognitions - {asyncio.current_task()}  # the last of them has all answered together
        if respond and not others and not self._stream.speaking:
            with suppress(Refusal):  # somebody had it answered meanwhile
                await self._begin_answer(self._conversation.session)

    async def _add(self, given: Item) -> None:
        """A question in writing or as audio, or an answer that was had elsewhere."""
        item_id = given.id or new_id("item")
        if item_id in self._conversation.items:
            raise Refusal(f"there is an item {item_id} already", param="item.id")
        spoken = [samples_of(part.audio) for part in given.content if part.audio is not None]
        if spoken and given.role == "user":
            samples = resample(np.concatenate(spoken), RATE, RATE_HEARD)
            if len(samples) > self._settings.max_audio * RATE_HEARD:
                raise Refusal(f"{self._settings.max_audio:g} seconds of audio are the most: send less")
            await self._commit(samples, item_id, respond=False)
            return
        text = "\n".join(part.words for part in given.content).strip()
        if not text:
            raise Refusal("the item says nothing", param="item.content")
        self._check_length("the item", text)
        if given.role == "user":
            self._conversation.questions.append(text)
        elif self._conversation.questions:
            self._conversation.chat.remember(self._asked(), text)
        else:
            raise Refusal("an answer comes after its question: create that first", param="item.role")
        kind = "input_text" if given.role == "user" else "output_text"
        item = _item(item_id, given.role, {"type": kind, "text": text})
        before = self._conversation.add(item)
        await self._send("conversation.item.added", item=item, previous_item_id=before)
        await self._send("conversation.item.done", item=item, previous_item_id=before)

    async def _shorten(self, event: ItemTruncate) -> None:
        """Has the conversation know no more of the last answer than was heard, as nearly as the lengths tell."""
        conversation = self._conversation
        if self._answer is not None and self._answer.item_id == event.item_id:
            self._break_off("client_cancelled")
            await self._answer.over()
        item = conversation.items.get(event.item_id)
        if item is None or event.item_id not in conversation.marks:
            refusal = Refusal(f"there is no spoken answer {event.item_id}", param="item_id")
            await self._send("error", error={**refusal.error, "event_id": event.event_id})
            return
        whole = item["content"][0]["transcript"]
        said = said_by(conversation.marks[event.item_id], event.audio_end_ms)
        if said < len(whole):
            heard = whole[: said + 1].rpartition(" ")[0].rstrip()
            if item is list(conversation.items.values())[-1]:
                conversation.chat.shorten_last_answer(heard)
            item |= {"content": [{"type": "output_audio", "transcript": heard}], "status": "incomplete"}
        told = {"item_id": event.item_id, "content_index": 0, "audio_end_ms": round(event.audio_end_ms)}
        await self._send("conversation.item.truncated", **told)

    async def _respond(self, given: SessionGiven) -> None:
        """Begins the answer to what was asked."""
        if self._answer is not None and self._answer.is_under_way:
            raise Refusal("an answer is under way: cancel it first", code="conversation_already_has_active_response")
        conversation = self._conversation
        session = conversation.session.updated(given, self._most_tokens, self._engine.voice_named)
        await asyncio.gather(*self._recognitions, return_exceptions=True)
        await self._begin_answer(session)

    async def _begin_answer(self, session: Session) -> None:
        """Begins an answer to the questions that wait, once the one that was broken off is over.

        Raises:
            Refusal: there is none.
        """
        async with self._beginning:
            if self._answer is not None and self._answer.is_under_way:
                return  # to what was asked meanwhile; these questions wait
            if self._answer is not None:
                await self._answer.over()
            await asyncio.gather(*self._shortenings, return_exceptions=True)
            if not self._conversation.questions:
                raise Refusal("nothing was asked: create an item of role user, or commit audio")
            self._answer = Answer(self._engine, self._conversation, session, self._asked(), self._send)

    def _asked(self) -> str:
        """The questions that wait, as one."""
        asked = "\n".join(self._conversation.questions)
        self._conversation.questions.clear()
        return asked

    def _break_off(self, reason: Reason) -> None:
        """Has the answer end, where one is under way; what else is said is heard meanwhile."""
        self._conversation.played.stop(time.monotonic())
        if self._answer is not None:
            self._answer.break_off(reason)

    def _begin(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        """Has something done while more is read."""
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)

    @property
    def _stream(self) -> Hearing:
        """The microphone's, from its first samples on."""
        if self._hearing is None:
            session, played = self._conversation.session, self._conversation.played
            self._hearing = Hearing(
                self._needs_ears().activity(),
                session.vad,
                lambda samples: played.is_heard_in(samples, time.monotonic()),
                self._settings.max_audio,
            )
        return self._hearing

    def _needs_ears(self) -> Ears:
        if self._engine.ears is None:
            raise Refusal("this server hears nothing: it was begun with serve.recognizer=null")
        return self._engine.ears

    @property
    def _most_tokens(self) -> int:
        """That an answer may have."""
        return max(1, self._engine.chat_model.context_length // 2)

    def _check_length(self, what: str, text: str) -> None:
        if len(text) > self._settings.max_text:
            raise too_long(what, text, self._settings.max_text)

    def _session_told(self) -> dict[str, Any]:
        conversation = self._conversation
        return conversation.session.told(conversation.id, self._engine.chat_model.info.id)

    async def _send(self, kind: str, **fields: Any) -> None:
        """Sends an event; to a client that has gone, nothing."""
        if self._gone:
            return
        event = {"type": kind, "event_id": new_id("event"), **fields}
        try:
            async with self._sending:
                await self._socket.send_text(json.dumps(event))
        except (WebSocketDisconnect, RuntimeError):
            self._gone = True


def _item(item_id: str, role: str, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "role": role,
        "status": "completed",
        "content": [content],
    }


def usual_conversation(engine: Engine) -> Conversation:
    """A new conversation, as the server's settings have it."""
    session = Session(
        instructions=engine.system_prompt,
        max_tokens=engine.options.max_tokens,
        vad=ServerVad() if engine.ears else None,
        voice=engine.voice,
    )
    return Conversation(session, engine.conversation())
