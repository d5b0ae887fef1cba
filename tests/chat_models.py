"""Chat models for tests: what they say is written down before."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from voicegen.protocols import GenerationOptions
from voicegen.records import ChatUsage, Delta, Message, ModelInfo


class PlainChatModel:
    """A `ChatModel` that writes ready answers, one after another, a few characters at a time.

    Attributes:
        asked: the messages of every call.
        on_delta: called before each delta with the number of deltas so far.
    """

    info = ModelInfo("scripted", "test")
    context_length = 10_000

    def __init__(self, *answers: str, size: int = 4, on_delta: Callable[[int], None] | None = None) -> None:
        self._answers = answers
        self._size = size
        self.on_delta = on_delta or (lambda number: None)
        self.asked: list[list[Message]] = []
        self.options: list[GenerationOptions] = []
        self.closed_early = 0

    def stream(
        self, messages: Sequence[Message], options: GenerationOptions, tools: Sequence[Mapping[str, Any]] = ()
    ) -> Iterator[Delta | ChatUsage]:
        answer = self._answers[len(self.asked) % len(self._answers)]
        self.asked.append(list(messages))
        self.options.append(options)
        try:
            for number, start in enumerate(range(0, len(answer), self._size)):
                self.on_delta(number)
                yield Delta(answer[start : start + self._size])
        except GeneratorExit:
            self.closed_early += 1
            raise
        yield ChatUsage("stop", prompt_tokens=10, completion_tokens=len(answer))

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        return sum(len(message.content) for message in messages)
