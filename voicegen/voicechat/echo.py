"""A fake chat model that repeats the question, a word at a time: for trying out everything around a model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from voicegen.protocols import ChatUsage, Delta, GenerationOptions
from voicegen.records import Message, ModelInfo

CONTEXT_LENGTH: Final = 100_000  # words


class EchoChatModel:
    """A `ChatModel` that answers each question with its own text; a word counts as a token."""

    info = ModelInfo(id="echo", backend="echo")
    context_length = CONTEXT_LENGTH

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> Iterator[Delta | ChatUsage]:
        """Yields the question's words, at most `options.max_tokens`, and what that cost."""
        words = re.findall(r"\s*\S+", messages[-1].content)
        said = words[: options.max_tokens]
        for word in said:
            yield Delta(word)
        yield ChatUsage("length" if len(said) < len(words) else "stop", self.count_tokens(messages, tools), len(said))

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        """Words of all messages."""
        return sum(len(message.content.split()) for message in messages) + len(tools)
