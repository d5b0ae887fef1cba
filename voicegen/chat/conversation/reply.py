"""What a model has said so far in one reply. Knows no history and no model."""

from __future__ import annotations

from dataclasses import replace

from voicegen.protocols import ChatUsage, Delta
from voicegen.records import Message, Role, ToolCall


class ReplySoFar:
    """One reply while it comes.

    Attributes:
        text: of the answer.
        reasoning: None where there was none.
        calls: of tools, whole.
        usage: what the reply cost, when it has ended.
    """

    def __init__(self, taken: int = 0) -> None:
        """`taken` calls came earlier in the turn, so that ids made up here do not repeat theirs."""
        self._taken = taken
        self.text = ""
        self.reasoning: str | None = None
        self.calls: list[ToolCall] = []
        self.usage: ChatUsage | None = None

    def take(self, delta: Delta) -> None:
        """Adds what one step gave."""
        if delta.tool_call is not None:
            number = self._taken + len(self.calls)
            made_up = delta.tool_call.id in ("", f"call_{len(self.calls)}")
            self.calls.append(replace(delta.tool_call, id=f"call_{number}") if made_up else delta.tool_call)
        elif delta.channel == "answer":
            self.text += delta.text
        elif delta.text:
            self.reasoning = (self.reasoning or "") + delta.text

    def message(self) -> Message:
        """The reply as a message of the conversation."""
        return Message(Role.ASSISTANT, self.text, reasoning=self.reasoning, tool_calls=tuple(self.calls))
