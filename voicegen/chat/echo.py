"""Fake chat models, deterministic and cheap, for trying out everything around a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from voicegen.backend import ChatBackend
from voicegen.chat.prompting.passages import with_passages
from voicegen.protocols import GenerationOptions
from voicegen.reading.stops import before_stop
from voicegen.records import Answer, ChatUsage, Delta, Failure, FinishReason, Message, ModelInfo, Question, Role
from voicegen.settings import AnsweringSettings


class EchoSettings(AnsweringSettings):
    """The fake chat model."""

    kind: Literal["echo"]


class EchoAnswerModel:
    """An `AnswerModel` that answers each question with its own text, or with a reply written down for it."""

    info = ModelInfo(id="echo", backend="echo")

    def __init__(self, replies: Mapping[str, str] | None = None) -> None:
        """`replies`: answers by question text."""
        self._replies = replies or {}

    def answer(self, questions: Iterable[Question | None]) -> Iterator[Answer | Failure]:
        """Yields the answers in order."""
        for question in questions:
            if question is not None:
                text = self._replies.get(question.text, question.text)
                asked, answered = len(question.text.split()), len(text.split())
                yield Answer(question, text, prompt_tokens=asked, completion_tokens=answered)


class EchoChatModel:
    """A `ChatModel` that repeats the last message a word at a time, or says replies written down, one after another.

    A word counts as a token; the words of the conversation so far count as cached.
    """

    info = ModelInfo(id="echo", backend="echo")
    context_length = 4096

    def __init__(self, replies: Sequence[str] = ()) -> None:
        """`replies`: what to say, in turn; after the last one the model goes back to repeating."""
        self._replies = list(replies)
        self._cached = 0

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> Iterator[Delta | ChatUsage]:
        """Yields the reply's words, up to `options.max_tokens`, and the usage."""
        prompt = self.count_tokens(messages, tools)
        cached, self._cached = min(self._cached, prompt), prompt
        reply, _ = before_stop(self._next_reply(messages), options.stop)
        words = re.findall(r"\s*\S+", reply)
        finish: FinishReason = "stop" if len(words) <= options.max_tokens else "length"
        for word in words[: options.max_tokens]:
            yield Delta(word)
        yield ChatUsage(finish, prompt, min(len(words), options.max_tokens), cached)

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        """Words of all messages and tools."""
        return sum(len(message.content.split()) for message in with_passages(messages, apart=True)) + len(tools)

    def _next_reply(self, messages: Sequence[Message]) -> str:
        if self._replies:
            return self._replies.pop(0)
        return next((message.content for message in reversed(messages) if message.role is Role.USER), "")


SPEC: Final = ChatBackend(
    settings=EchoSettings,
    owns=lambda name: name == "echo",
    settings_of=lambda _name: {},
    answer_model=lambda _settings: EchoAnswerModel(),
    chat_model=lambda _settings: EchoChatModel(),
    open=lambda _name: EchoChatModel(),
)
