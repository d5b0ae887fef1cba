"""How questions are answered: they become rows, and replies the next row or the record. Knows no batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from voicegen.chat.conversation.turn import Next, OpenTurn
from voicegen.chat.mlx.forcing import Forcing, forcing
from voicegen.chat.mlx.rows import Row, RunningRow
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.chat.tools import ToolRegistry
from voicegen.errors import VoicegenError
from voicegen.protocols import GenerationOptions
from voicegen.reading.beginning import Beginning
from voicegen.records import Answer, Failure, Message, Question, Role

HeldCache = Callable[[], tuple[list[Any], list[int]]]
"""Gives the KV cache of a reply and the tokens in it."""


@dataclass(frozen=True, slots=True)
class Turns:
    """What all rows of a run have in common but for the weights.

    Attributes:
        begins: how the model's replies begin.
        system: stands before every question.
        reasoning_budget: tokens more for a reply that was cut while the model reasoned.
        tools: what the model may call.
    """

    template: ChatTemplate
    begins: Beginning
    context_length: int
    options: GenerationOptions = field(default_factory=GenerationOptions)
    system: tuple[Message, ...] = ()
    reasoning_budget: int = 0
    tools: ToolRegistry = field(default_factory=ToolRegistry)

    def begin(self, question: Question) -> Row | Failure:
        """A question ready to be answered, or why it cannot be."""
        options = replace(self.options, seed=question.seed)
        if question.instructions is not None:
            options = replace(options, temperature=0.0)
        return self._asked(Row(question, OpenTurn.begun(question, self.system, len(self.tools) > 0), options))

    def running(self, row: Row) -> RunningRow:
        """A row about to be run."""
        return RunningRow.begun(row, self.template, self.begins)

    def after(self, running: RunningRow, cut: bool, held: HeldCache) -> Row | Answer | Failure:
        """What a row becomes whose reply has ended.

        Args:
            running: the row.
            cut: whether the budget ended the reply.
            held: is asked for the cache of a reply that goes on.
        """
        row, reply = running.again(), running.ended(cut)
        room = self.context_length - running.context
        forced = forcing(running.parser, self.reasoning_budget, room) if reply.cut_before_answer else None
        turn = row.turn.after(reply, may_force=forced is not None)
        row = replace(row, turn=turn)
        match turn.next:
            case Next.FORCE_ANSWER if forced is not None:
                return going_on(row, running, forced, held)
            case Next.RUN_TOOLS:
                return self._asked(replace(row, turn=turn.told(self.tools.call_all(turn.calls))))
            case Next.ASK:
                return self._asked(row)
        assert isinstance(row.asked, Question)
        return turn.record(row.asked, row.seconds)

    def probes(self) -> list[list[int]]:
        """Two prompts that share what all prompts share."""
        return [self._render([*self.system, Message(Role.USER, text)]) for text in ("one?", "Two!")]

    def _asked(self, row: Row) -> Row | Failure:
        """The row with the prompt for its next reply, whose budget is cut to what the context leaves."""
        try:
            prompt = tuple(self._render(row.turn.messages, has_tools=row.turn.rounds > 0))
        except VoicegenError as error:
            return Failure(row.asked.index, "chat", str(error))
        budget = min(self.options.max_tokens, self.context_length - len(prompt))
        if budget > 0:
            return Row(row.asked, row.turn, row.options, prompt, budget, seconds=row.seconds)
        why = f"the prompt has {len(prompt)} tokens, but the model's context holds {self.context_length}: shorten it"
        return Failure(row.asked.index, "chat", why)

    def _render(self, messages: Sequence[Message], has_tools: bool = True) -> list[int]:
        return self.template.render(messages, self.tools.schemas if has_tools else (), self.options.reasoning_effort)


def going_on(row: Row, running: RunningRow, forced: Forcing, held: HeldCache) -> Row:
    """The row whose reply was cut and goes on with its answer."""
    cache, cached = held()
    return replace(
        row,
        prompt=forced.tokens,
        budget=forced.budget,
        cache=cache,
        cached=tuple(cached),
        written=tuple(running.written),
    )
