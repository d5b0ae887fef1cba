"""One question on its way to an answer: its prompt, what the model has said so far, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from voicegen.chat.mlx.sampling import RowStream
from voicegen.reading.parsing import TokenParser
from voicegen.records import Answer, Failure, FinishReason, Message, Question, Role

MAX_TOOL_ROUNDS = 8


class Next(Enum):
    """What is to be done with a row whose generation has ended."""

    DONE = "done"
    FORCE_ANSWER = "force answer"  # it was cut while it reasoned: make it answer
    RUN_TOOLS = "run tools"


@dataclass(slots=True)
class Row:
    """The state of one question; `messages` grows with each round of tool calls.

    `cache` and `cached` are set when the row goes on from a KV cache of its own.
    """

    question: Question
    messages: list[Message]
    prompt: list[int]
    parser: TokenParser
    stream: RowStream
    budget: int
    cache: list[Any] | None = None
    cached: list[int] = field(default_factory=list)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    rounds: int = 0
    forced: bool = False

    def feed(self, token: int) -> None:
        """Takes a generated token."""
        self.completion_tokens += 1
        self.parser.feed(token)

    def next_step(self, cut: bool, can_call: bool) -> Next:
        """Decides after the last token; `cut` says that the budget ended the reply."""
        self.parser.finish(cut)
        if can_call and self.parser.tool_calls:
            return Next.RUN_TOOLS
        if cut and self.parser.cut_in_reasoning and not self.forced:
            return Next.FORCE_ANSWER
        return Next.DONE

    def assistant_message(self) -> Message:
        """The reply as a message of the conversation, for the round after its tool calls."""
        return Message(
            Role.ASSISTANT, self.parser.answer, reasoning=self.parser.reasoning, tool_calls=self.parser.tool_calls
        )

    def outcome(self, cut: bool) -> Answer | Failure:
        """The record that this row becomes. Reasoning never becomes an answer."""
        text = self.parser.answer.strip()
        if self.parser.cut_in_reasoning and not cut:
            return self.failure(f"the model ended its reply after {self.completion_tokens} tokens without an answer")
        if self.parser.cut_in_reasoning:
            return self.failure(
                f"the model reasoned for {self.completion_tokens} tokens and gave no answer; "
                "raise chat.reasoning_budget or lower chat.reasoning_effort"
            )
        if not text:
            return self.failure("the model's answer is empty")
        reason: FinishReason = "length" if cut else "stop"
        return Answer(
            self.question,
            text,
            reason,
            self.parser.reasoning,
            self.prompt_tokens,
            self.completion_tokens,
            self.seconds,
        )

    def failure(self, error: str) -> Failure:
        """The record of a row that gave no answer."""
        return Failure(self.question.index, "chat", error)
