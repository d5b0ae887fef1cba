"""A question on its way to an answer: a row of a batch, and a row while the model writes its reply."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from voicegen.chat.conversation.reply import Reply
from voicegen.chat.conversation.turn import OpenTurn
from voicegen.chat.mlx.sampling import RowStream
from voicegen.reading.parsing import TokenParser
from voicegen.records import Question


@dataclass(frozen=True, slots=True)
class Row:
    """What a question's next reply is made from. Nothing changes it, so that it can be begun again at any time.

    Attributes:
        turn: how far the question has come.
        prompt: tokens to prefill, at least one.
        budget: the most tokens to generate.
        cache: the KV cache that a reply which goes on has so far, which batches copy; None for a new reply.
        cached: the tokens in it.
        written: what that reply has said so far.
        seconds: compute time used so far.
    """

    question: Question
    turn: OpenTurn
    prompt: tuple[int, ...]
    budget: int
    cache: list[Any] | None = None
    cached: tuple[int, ...] = ()
    written: tuple[int, ...] = ()
    seconds: float = 0.0

    @property
    def stream(self) -> RowStream:
        """Its random numbers: each reply of a turn has some of its own."""
        return RowStream(self.question.seed, self.turn.replies, greedy=self.question.instructions is not None)

    @property
    def longest(self) -> int:
        """The most tokens that its KV cache may come to hold."""
        return len(self.cached) + len(self.prompt) + self.budget


class RunningRow:
    """A row in the batch."""

    def __init__(self, row: Row, parser: TokenParser) -> None:
        """`parser` has read what `row` has written and is to be fed before."""
        self.row = row
        self.parser = parser
        self.seconds = row.seconds
        self.written: list[int] = []

    @property
    def stopped(self) -> bool:
        """Whether the reply has ended, also where no stop token came."""
        return self.parser.stopped

    @property
    def context(self) -> int:
        """Tokens of prompt and reply so far."""
        return len(self.row.cached) + len(self.row.prompt) + len(self.written)

    def feed(self, token: int) -> None:
        """Takes a generated token."""
        self.written.append(token)
        self.parser.feed(token)

    def ended(self, cut: bool) -> Reply:
        """The whole reply; `cut`: the budget ended it."""
        self.parser.finish(cut)
        return Reply(
            self.parser.answer,
            self.parser.reasoning,
            self.parser.tool_calls,
            "length" if cut and not self.parser.stopped else "stop",
            prompt_tokens=0 if self.row.cached else len(self.row.prompt),  # one that goes on was counted before
            completion_tokens=len(self.written),
        )

    def again(self) -> Row:
        """The row as it was before its reply, with the time that it has used."""
        return replace(self.row, seconds=self.seconds)
