"""One answer, written and spoken at the same time, told event by event; it may be broken off at any moment."""

from __future__ import annotations

import asyncio
import logging
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from voicegen.chat.conversation.turn import TOOL_ROUNDS
from voicegen.errors import ModelError, VoicegenError
from voicegen.records import ChatUsage, Utterance
from voicegen.seeds import derived_seed
from voicegen.tts.joining import Joiner
from voicegen.voicechat.sentences import SpeakablePieces
from voicegen.webserver.engine import RATE, Engine
from voicegen.webserver.pcm import pcm_bytes
from voicegen.webserver.realtime.conversations import Conversation, new_id
from voicegen.webserver.realtime.session import PCM, Session
from voicegen.webserver.refusals import Refusal
from voicegen.webserver.stepping import steps_apart

_CHUNK: Final = RATE // 2  # samples in an event, at the most: a client may refuse a message of a megabyte

logger = logging.getLogger(__name__)

Send = Callable[..., Awaitable[None]]
"""Sends an event: its type, and its fields."""

Reason = Literal["turn_detected", "client_cancelled"]


class Answer:
    """The answer to a question.

    Args:
        engine: what makes it.
        conversation: it is a part of.
        session: how it is made.
        question: what was asked.
        send: how its events are sent.
    """

    def __init__(self, engine: Engine, conversation: Conversation, session: Session, question: str, send: Send) -> None:
        self.id = new_id("resp")
        self.question = question
        self.text = ""
        self._engine = engine
        self._conversation = conversation
        self._session = session
        self._send = send
        self._item: dict[str, Any] = {
            "id": new_id("item"),
            "object": "realtime.item",
            "type": "message",
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        self._where = {"response_id": self.id, "item_id": self._item["id"], "output_index": 0, "content_index": 0}
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._length = 0  # characters of all pieces
        self._said: list[tuple[float, int]] = []  # milliseconds of audio, and the characters of pieces in them
        self._samples = 0
        self._usage: ChatUsage | None = None
        self._reason: Reason | None = None
        self._turns = len(conversation.chat.turns)
        self._making: asyncio.Task[VoicegenError | None] | None = None
        self._task = asyncio.create_task(self._run())

    @property
    def item_id(self) -> str:
        """Of the item that it is."""
        return str(self._item["id"])

    @property
    def is_under_way(self) -> bool:
        """Whether it goes on: it is neither over nor broken off."""
        return not self._task.done() and self._reason is None

    def break_off(self, reason: Reason) -> None:
        """Has it end; the step of a model that is under way is still waited for."""
        if self.is_under_way:
            self._reason = reason
            if self._making is not None:
                self._making.cancel()

    async def over(self) -> None:
        """Returns when its last event was sent."""
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        """All of it: what was begun is told to its end, whenever it is broken off."""
        await self._begin()
        await self._end(await self._made() if self._reason is None else None)

    async def _made(self) -> VoicegenError | None:
        """Has it made, or broken off; returns why there is no answer, where that is not because it was broken off."""
        self._making = asyncio.create_task(self._make())
        try:
            return await self._making
        except asyncio.CancelledError:
            if self._reason is None:
                raise
        except Exception:  # a fault of ours: the client is told that there is one, and the log which
            logger.exception("an answer failed")
            return ModelError("the server failed on this: its log says how")
        return None

    async def _make(self) -> VoicegenError | None:
        """Writes and speaks; returns why the model gave no answer, where it did not."""
        error: VoicegenError | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write())
                if self._session.speaks:
                    tasks.create_task(self._speak())
        except* VoicegenError as errors:
            error = next(one for one in errors.exceptions if isinstance(one, VoicegenError))
        return error

    async def _begin(self) -> None:
        self._conversation.played.begin()
        await self._send("response.created", response=self._response("in_progress"))
        item = dict(self._item)
        await self._send("response.output_item.added", response_id=self.id, output_index=0, item=item)
        before = self._conversation.add(self._item)
        await self._send("conversation.item.added", item=item, previous_item_id=before)
        await self._send("response.content_part.added", **self._where, part=self._part(""))

    async def _write(self) -> None:
        """The text, and from it the pieces to be spoken."""
        chat, session = self._conversation.chat, self._session
        chat.options = replace(self._engine.options, max_tokens=session.max_tokens)
        chat.system_prompt = session.instructions
        rounds = TOOL_ROUNDS if len(chat.tools) else 0
        pieces = SpeakablePieces(self._engine.wording)
        kind = "response.output_audio_transcript.delta" if session.speaks else "response.output_text.delta"
        async with aclosing(steps_apart(lambda: chat.steps(self.question, max_rounds=rounds))) as steps:
            async for step in steps:
                delta = step if self.text else step.lstrip()
                if delta:
                    self.text += delta
                    await self._send(kind, **self._where, delta=delta)
                    self._have_spoken(pieces.add(delta))
        self._usage = chat.last_usage
        self._have_spoken(pieces.finish(cut=self._is_cut))
        self._pieces.put_nowait(None)

    def _have_spoken(self, pieces: list[str]) -> None:
        for piece in pieces:
            self._length += len(piece)
            self._pieces.put_nowait(piece)

    async def _speak(self) -> None:
        """The pieces, one after another; one that can't be spoken is told of, and left out."""
        conversation = self._conversation
        conversation.asked += 1
        seed, part, said = derived_seed(self._engine.options.seed, conversation.asked), 0, 0
        joiner = Joiner(RATE)
        while (text := await self._pieces.get()) is not None:
            utterance = Utterance(conversation.asked, text, self._session.voice, derived_seed(seed, part), part)
            part += 1
            try:
                async with aclosing(self._engine.spoken(utterance, self._session.speed)) as stream:
                    async for samples in stream:
                        await self._play(joiner.add(samples))
            except VoicegenError as error:
                await self._send("error", error=Refusal.of(error).error)
            finally:
                said += len(text)
                self._said.append((1000 * self._samples / RATE, said))
            await self._play(joiner.next_part(text))

    async def _play(self, samples: NDArray[np.float32]) -> None:
        for start in range(0, len(samples), _CHUNK):
            chunk = samples[start : start + _CHUNK]
            self._conversation.played.add(chunk, time.monotonic())
            self._samples += len(chunk)
            await self._send(
                "response.output_audio.delta", **self._where, delta=b64encode(pcm_bytes(chunk)).decode("ascii")
            )

    async def _end(self, error: VoicegenError | None) -> None:
        text = self.text.rstrip()
        status = self._status(error)
        if status == "cancelled" and len(self._conversation.chat.turns) == self._turns:  # nothing was said of it yet
            self._conversation.questions.insert(0, self.question)
        self._item |= {
            "status": "completed" if status == "completed" else "incomplete",
            "content": [self._content(text)],
        }
        if self._session.speaks:
            marks = [(ms, len(text) * said // self._length) for ms, said in self._said]
            self._conversation.marks[self._item["id"]] = marks
            await self._send("response.output_audio.done", **self._where)
            await self._send("response.output_audio_transcript.done", **self._where, transcript=text)
        else:
            await self._send("response.output_text.done", **self._where, text=text)
        await self._send("response.content_part.done", **self._where, part=self._part(text))
        item = dict(self._item)
        await self._send("response.output_item.done", response_id=self.id, output_index=0, item=item)
        await self._send("conversation.item.done", item=item)
        if error is not None:
            await self._send("error", error=Refusal.of(error).error)
        if not text:  # nothing was said: it is no part of the conversation
            del self._conversation.items[self._item["id"]]
            await self._send("conversation.item.deleted", item_id=self._item["id"])
        await self._send("response.done", response=self._response(status))

    @property
    def _is_cut(self) -> bool:
        return self._usage is not None and self._usage.finish_reason == "length"

    def _status(self, error: VoicegenError | None) -> str:
        if error is not None:
            return "failed"
        if self._reason is not None:
            return "cancelled"
        return "incomplete" if self._is_cut else "completed"

    def _response(self, status: str) -> dict[str, Any]:
        """The answer as clients read it."""
        details: dict[str, Any] | None = None if status == "in_progress" else {"type": status}
        if details is not None and status == "cancelled":
            details["reason"] = self._reason
        elif details is not None and status == "incomplete":
            details["reason"] = "max_output_tokens"
        elif details is not None and status == "failed":
            details["error"] = {"type": "server_error", "code": None}
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "status_details": details,
            "conversation_id": self._conversation.id,
            "output": [] if status == "in_progress" else [dict(self._item)],
            "output_modalities": ["audio"] if self._session.speaks else ["text"],
            "audio": {"output": {"format": dict(PCM), "voice": self._session.voice or "default"}},
            "max_output_tokens": self._session.max_tokens,
            "usage": _usage(self._usage),
        }

    def _part(self, text: str) -> dict[str, Any]:
        return {"type": "audio", "transcript": text} if self._session.speaks else {"type": "text", "text": text}

    def _content(self, text: str) -> dict[str, Any]:
        said = self._part(text)
        return {**said, "type": f"output_{said['type']}"}


def _usage(usage: ChatUsage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    asked, answered = usage.prompt_tokens, usage.completion_tokens
    return {
        "input_tokens": asked,
        "output_tokens": answered,
        "total_tokens": asked + answered,
        "input_token_details": {"cached_tokens": usage.cached_tokens},
    }
