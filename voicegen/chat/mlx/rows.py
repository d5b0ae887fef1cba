"""What is asked on its way to an answer: a row of a batch, and a row while the model writes its reply."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

from voicegen.chat.conversation.reply import Reply
from voicegen.chat.conversation.turn import OpenTurn
from voicegen.chat.mlx.sampling import RowStream, Sampling
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.protocols import GenerationOptions, ReplyRequest
from voicegen.reading.beginning import Beginning
from voicegen.reading.parsing import TokenParser
from voicegen.records import Delta, Question


@dataclass(frozen=True, slots=True)
class Row:
    """What the next reply is made from. Nothing changes it, so that it can be begun again at any time.

    Attributes:
        asked: what the reply is to.
        turn: how far it has come.
        options: how its replies are generated.
        prompt: tokens to prefill, at least one.
        budget: the most tokens to generate.
        cache: a KV cache to begin with, which batches copy; None for none.
        cached: the tokens in it.
        written: what a reply that goes on has said so far; its cache holds that.
        reused: tokens of the prompt that were in the cache when the first reply began.
        seconds: compute time used so far.
    """

    asked: Question | ReplyRequest
    turn: OpenTurn
    options: GenerationOptions
    prompt: tuple[int, ...] = ()
    budget: int = 0
    cache: list[Any] | None = None
    cached: tuple[int, ...] = ()
    written: tuple[int, ...] = ()
    reused: int = 0
    seconds: float = 0.0

    @property
    def stream(self) -> RowStream:
        """How it is sampled: each reply of a question has random numbers of its own, one that goes on included."""
        part = self.turn.replies if isinstance(self.asked, Question) else 0
        return RowStream(self.options.seed, part, Sampling.of(self.options))

    @property
    def longest(self) -> int:
        """The most tokens that its KV cache may come to hold."""
        return len(self.cached) + len(self.prompt) + self.budget


class RunningRow:
    """A row in the batch.

    Attributes:
        deltas: what the reply has said since `taken` was called.
    """

    def __init__(self, row: Row, parser: TokenParser, deltas: Iterable[Delta] = ()) -> None:
        """`parser` has read what `row` has written and is to be fed before."""
        self.row = row
        self.parser = parser
        self.deltas = list(deltas)
        self.seconds = row.seconds
        self.written: list[int] = []

    @classmethod
    def begun(cls, row: Row, template: ChatTemplate, begins: Beginning) -> Self:
        """A row about to be run. The parser of a reply that goes on reads again what it has said."""
        parser = template.parser(begins).stopping_at(row.options.stop)
        if not row.written:
            return cls(row, parser)
        for token in row.written:
            parser.feed(token)
        parser.finish(cut=True)
        return cls(row, parser, (delta for token in row.prompt for delta in parser.feed(token)))

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
        self.deltas += self.parser.feed(token)

    def taken(self) -> list[Delta]:
        """What the reply has said since the last time."""
        taken, self.deltas = self.deltas, []
        return taken

    def ended(self, cut: bool) -> Reply:
        """The whole reply; `cut`: the budget ended it."""
        self.deltas += self.parser.finish(cut)
        row = self.row
        return Reply(
            self.parser.answer,
            self.parser.reasoning,
            self.parser.tool_calls,
            "length" if cut and not self.parser.stopped else "stop",
            prompt_tokens=0 if row.written else len(row.cached) + len(row.prompt),  # one that goes on was counted
            completion_tokens=len(self.written),
        )

    def again(self) -> Row:
        """The row as it was before its reply, with the time that it has used."""
        return replace(self.row, seconds=self.seconds)
