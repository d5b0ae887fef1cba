"""How conversations are continued in a batch: requests become rows, whose replies come part by part. Knows no batch.

A reply in a batch is the reply of `MLXChatModel` alone. What it leaves in the KV cache is kept for the conversation's
next turn, of the last conversations that memory has room for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from mlx_lm.models.cache import LRUPromptCache

from voicegen.chat.conversation.turn import OpenTurn
from voicegen.chat.mlx.forcing import forcing
from voicegen.chat.mlx.kv import evaluate
from voicegen.chat.mlx.rows import Row, RunningRow
from voicegen.chat.mlx.turns import HeldCache, going_on
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.errors import VoicegenError
from voicegen.protocols import ReplyPart, ReplyRequest
from voicegen.reading.beginning import UNMARKED_REASONING, Beginning
from voicegen.records import ChatUsage, Failure

_CONVERSATIONS: Final = 32
"""Whose KV caches are kept, at the most."""


class KeptCaches:
    """The KV caches of conversations, by their tokens.

    Args:
        most: bytes that they may take.
    """

    def __init__(self, most: int) -> None:
        self._kept = LRUPromptCache(_CONVERSATIONS, most)

    def nearest(self, prompt: list[int]) -> tuple[list[Any] | None, int]:
        """A copy of the cache that shares most with a prompt, cut to what they share, and its tokens.

        One token of the prompt at least is left to be read.
        """
        cache, rest = self._kept.fetch_nearest_cache(None, prompt[:-1])
        return cache, len(prompt) - 1 - len(rest) if cache is not None else 0

    def keep(self, held: HeldCache) -> None:
        """Keeps a row's cache, which no longer depends on the batch then."""
        cache, tokens = held()
        evaluate(cache)
        self._kept.insert_cache(None, tokens, cache)


class Replies:
    """What all replies have in common but for the weights.

    Args:
        template: the model's.
        begins: how its replies begin.
        context_length: tokens.
        reasoning_budget: tokens more for a reply that was cut while the model reasoned.
        kept: the caches of conversations.
    """

    def __init__(
        self, template: ChatTemplate, begins: Beginning, context_length: int, reasoning_budget: int, kept: KeptCaches
    ) -> None:
        self._template = template
        self._begins = begins
        self._context_length = context_length
        self._reasoning_budget = reasoning_budget
        self._kept = kept

    def begin(self, request: ReplyRequest) -> Row | Failure:
        """A request ready to be answered, or why it cannot be."""
        options = request.options
        try:
            prompt = self._template.render(request.messages, request.tools, options.reasoning_effort)
        except VoicegenError as error:
            return Failure(request.index, "chat", str(error))
        room = self._context_length - len(prompt)
        if room <= 0:
            why = f"the conversation has {len(prompt)} tokens, but the model's context holds {self._context_length}"
            return Failure(request.index, "chat", f"{why}: clear the history or shorten the message")
        cache, reused = self._kept.nearest(prompt)
        return Row(
            request,
            OpenTurn(request.messages),
            options,
            tuple(prompt[reused:]),
            min(options.max_tokens, room),
            cache,
            tuple(prompt[:reused]),
            reused=reused,
        )

    def running(self, row: Row) -> RunningRow:
        """A row about to be run."""
        return RunningRow.begun(row, self._template, self._begins)

    def parts(self, running: RunningRow) -> list[ReplyPart]:
        """What a row has said since the last time."""
        return [ReplyPart(running.row.asked.index, delta) for delta in running.taken()]

    def problem(self, running: RunningRow) -> Failure | None:
        """Why a reply is none: what was given as answer proves to be reasoning. The next ones are held to their end."""
        if not running.parser.retracted:
            return None
        self._begins = Beginning.UNKNOWN
        return Failure(running.row.asked.index, "chat", UNMARKED_REASONING)

    def after(self, running: RunningRow, cut: bool, held: HeldCache) -> Row | ReplyPart:
        """What a row becomes whose reply has ended: the row that goes on, or what all of it cost.

        Args:
            running: the row; its last parts are to be taken now.
            cut: whether the budget ended the reply.
            held: is asked for the row's cache.
        """
        row, reply = running.again(), running.ended(cut)
        room = self._context_length - running.context
        forced = None
        if reply.finish_reason == "length" and not row.written:
            forced = forcing(running.parser, self._reasoning_budget, room)
        turn = row.turn.after(reply, may_force=forced is not None)
        if forced is not None:
            return going_on(replace(row, turn=turn), running, forced, held)
        self._kept.keep(held)
        usage = ChatUsage(reply.finish_reason, turn.prompt_tokens, turn.completion_tokens, row.reused)
        return ReplyPart(row.asked.index, usage)

    def left(self, held: HeldCache) -> None:
        """Keeps the cache of a reply that is not wanted any more: what was said of it may belong to the next prompt."""
        self._kept.keep(held)
