"""One turn of a conversation, from the question to its answer: what is to be done after each reply.

    turn = OpenTurn((question,), rounds=TOOL_ROUNDS)
    turn = turn.after(reply)
    match turn.next: ...

The terminal's session and the models of a run all go by it. Knows no model, no server and no tool: whoever drives it
asks the model, runs the tools and makes a reply go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from voicegen.chat.conversation.reply import Reply
from voicegen.records import Answer, Failure, Message, Question, Role, ToolCall

TOOL_ROUNDS: Final = 8
"""How often a model may call tools before it answers."""

_OUT_OF_ROUNDS: Final = '{"error": "The limit of tool calls is reached. Answer now with what you have."}'


class Next(Enum):
    """What a turn waits for."""

    ASK = "ask"  # the model, for a reply to `messages`
    RUN_TOOLS = "run tools"  # the turn's `calls`
    FORCE_ANSWER = "force an answer"  # the reply was cut while the model reasoned: it is to go on to its answer
    DONE = "done"
    FAIL = "fail"  # with the turn's `error`


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """A turn on its way to its answer.

    Attributes:
        messages: what led to the question, the question, and the replies to it with the results of their calls.
        rounds: how often tools may be called; 0 where none are offered.
        next: what is to be done now.
        error: why there is no answer, and what may help; set with `Next.FAIL`.
        reply: the last one.
        replies: how many were given, those included that were cut and went on.
        calls_made: of tools, so that every call of the turn has an id of its own.
        forced: whether the reply to come is one that was cut and goes on.
        prompt_tokens: of all replies together.
        completion_tokens: of all replies together.
    """

    messages: tuple[Message, ...]
    rounds: int = 0
    next: Next = Next.ASK
    error: str = ""
    reply: Reply | None = None
    replies: int = 0
    calls_made: int = 0
    forced: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _rounds_used: int = 0

    @classmethod
    def begun(cls, question: Question, system: Sequence[Message], has_tools: bool) -> OpenTurn:
        """The turn of a row, under what stands above every question and after what was said before."""
        if question.instructions is not None:
            system, has_tools = [Message(Role.SYSTEM, question.instructions)], False
        elif question.system_prompt is not None:
            system = [Message(Role.SYSTEM, question.system_prompt)]
        messages = (*system, *question.history, Message(Role.USER, question.text, passages=question.passages))
        return cls(messages, TOOL_ROUNDS if has_tools else 0)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls of the last reply."""
        return self.messages[-1].tool_calls

    def after(self, reply: Reply, may_force: bool = False) -> OpenTurn:
        """The turn with a reply.

        Args:
            reply: what the model said; one that went on is given whole.
            may_force: whether one that was cut while the model reasoned can be made to go on.
        """
        spent = replace(
            self,
            reply=reply,
            replies=self.replies + 1,
            prompt_tokens=self.prompt_tokens + reply.prompt_tokens,
            completion_tokens=self.completion_tokens + reply.completion_tokens,
        )
        if reply.cut_before_answer and may_force and not self.forced:
            return replace(spent, next=Next.FORCE_ANSWER, forced=True)
        calls = _with_own_ids(reply.tool_calls, self.calls_made)
        said = replace(
            spent,
            messages=(*self.messages, replace(reply, tool_calls=calls).message),
            calls_made=self.calls_made + len(calls),
            forced=False,
        )
        if calls:
            return said._called()
        problem = _why_no_answer(reply)
        return replace(said, next=Next.FAIL, error=problem) if problem else replace(said, next=Next.DONE)

    def told(self, results: Sequence[Message]) -> OpenTurn:
        """The turn with the results of its calls."""
        return replace(self, messages=(*self.messages, *results), next=Next.ASK)

    def record(self, question: Question, seconds: float) -> Answer | Failure:
        """What becomes of the row that asked, in `seconds` of compute time; reasoning never becomes an answer."""
        if self.next is not Next.DONE or self.reply is None:
            return Failure(question.index, "chat", self.error)
        return Answer(
            question,
            self.reply.text.strip(),
            self.reply.finish_reason,
            self.reply.reasoning,
            self.prompt_tokens,
            self.completion_tokens,
            seconds,
        )

    def _called(self) -> OpenTurn:
        """After the last round a model may call once more, and reads the refusal."""
        if not self.rounds:
            return self._failed(f"the model called the tool {self.calls[0].name!r}, but it has none")
        used = replace(self, _rounds_used=self._rounds_used + 1)
        if self._rounds_used < self.rounds:
            return replace(used, next=Next.RUN_TOOLS)
        if self._rounds_used == self.rounds:
            return used.told([_refusal(call) for call in self.calls])
        return self._failed(f"the model still calls tools after {self.rounds} rounds: offer it other tools, or none")

    def _failed(self, error: str) -> OpenTurn:
        return replace(self, next=Next.FAIL, error=error)


def _why_no_answer(reply: Reply) -> str:
    """Empty for a reply with an answer."""
    if reply.text.strip():
        return ""
    if reply.cut_before_answer:
        return (
            "the model used its tokens up before it came to its answer: raise max_tokens or reasoning_budget, "
            "or lower reasoning_effort"
        )
    if reply.reasoning:
        return "the model ended its reply without an answer, inside its reasoning: ask again, or in other words"
    return "the model gave an empty answer: ask again, or in other words"


def _with_own_ids(calls: Sequence[ToolCall], taken: int) -> tuple[ToolCall, ...]:
    """The calls, an id made up for one reply numbered on, so that no two calls of a turn share it."""
    return tuple(
        replace(call, id=f"call_{taken + place}") if call.id in ("", f"call_{place}") else call
        for place, call in enumerate(calls)
    )


def _refusal(call: ToolCall) -> Message:
    return Message(Role.TOOL, _OUT_OF_ROUNDS, tool_call_id=call.id, name=call.name)
