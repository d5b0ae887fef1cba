"""What a model says at one go. Knows no history and no model."""

from __future__ import annotations

from dataclasses import dataclass

from voicegen.records import ChatUsage, Delta, FinishReason, Message, Role, ToolCall


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that has ended; `reasoning` is None where there was none."""

    text: str
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def cut_before_answer(self) -> bool:
        """Whether the budget ended it before an answer, or a whole call of a tool."""
        return self.finish_reason == "length" and not self.text.strip() and not self.tool_calls

    @property
    def message(self) -> Message:
        """The reply as a message of the conversation."""
        return Message(Role.ASSISTANT, self.text, reasoning=self.reasoning, tool_calls=self.tool_calls)


class ReplySoFar:
    """One reply while it comes.

    Attributes:
        text: of the answer.
        reasoning: None where there was none.
        calls: of tools, whole.
        usage: what the reply cost, when it has ended.
    """

    def __init__(self) -> None:
        self.text = ""
        self.reasoning: str | None = None
        self.calls: list[ToolCall] = []
        self.usage: ChatUsage | None = None

    def take(self, event: Delta | ChatUsage) -> str:
        """Adds what one step gave, and returns what of it is the answer's."""
        if isinstance(event, ChatUsage):
            self.usage = event
        elif event.tool_call is not None:
            self.calls.append(event.tool_call)
        elif event.channel == "answer":
            self.text += event.text
            return event.text
        elif event.text:
            self.reasoning = (self.reasoning or "") + event.text
        return ""

    def ended(self) -> Reply:
        """The reply, now that it has ended."""
        usage = self.usage or ChatUsage("stop", 0, 0)
        return Reply(
            self.text,
            self.reasoning,
            tuple(self.calls),
            usage.finish_reason,
            usage.prompt_tokens,
            usage.completion_tokens,
        )
