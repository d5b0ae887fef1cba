"""A chat model that says what a test wrote, with a real template and a real parser around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.chat_tokenizers import harmony_tokenizer
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.protocols import GenerationOptions
from voicegen.records import ChatUsage, Delta, FinishReason, Message, ModelInfo


@dataclass(frozen=True)
class Seen:
    """What the model was asked at one call."""

    messages: list[Message]
    options: GenerationOptions
    tools: list[Mapping[str, Any]]
    prompt: str


class ScriptedChatModel:
    """Says the replies in turn; each is written as its tokens are spelled. A reply that is an error is raised."""

    info = ModelInfo(id="scripted", backend="test")

    def __init__(self, *replies: str | Exception, tokenizer: Any = None, context_length: int = 100_000) -> None:
        self.template = ChatTemplate(tokenizer or harmony_tokenizer(), name="scripted")
        self.context_length = context_length
        self.seen: list[Seen] = []
        self.tokens_given = 0
        self._replies = iter(replies)

    def stream(
        self, messages: Sequence[Message], options: GenerationOptions, tools: Sequence[Mapping[str, Any]] = ()
    ) -> Iterator[Delta | ChatUsage]:
        prompt = self.template.render(messages, tools, options.reasoning_effort)
        self.seen.append(Seen(list(messages), options, list(tools), str(self.template.tokenizer.decode(prompt))))
        reply = next(self._replies)
        if isinstance(reply, Exception):
            raise reply
        tokens = self.template.encode(reply)
        parser = self.template.parser()
        for token in tokens[: options.max_tokens]:
            self.tokens_given += 1
            yield from parser.feed(token)
        yield from parser.finish()
        reason: FinishReason = "length" if len(tokens) > options.max_tokens else "stop"
        yield ChatUsage(reason, prompt_tokens=len(prompt), completion_tokens=min(len(tokens), options.max_tokens))

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        return len(self.template.render(messages, tools))


def final(text: str, reasoning: str = "") -> str:
    """A reply in the harmony format."""
    thought = f"<|channel|>analysis<|message|>{reasoning}<|end|><|start|>assistant" if reasoning else ""
    return f"{thought}<|channel|>final<|message|>{text}<|return|>"


def call(name: str, arguments: str, reasoning: str = "") -> str:
    """A tool call in the harmony format."""
    thought = f"<|channel|>analysis<|message|>{reasoning}<|end|><|start|>assistant" if reasoning else ""
    return f"{thought}<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{arguments}<|call|>"
