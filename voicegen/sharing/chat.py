"""A chat model that many share: they converse with it or have questions answered, and what meets is one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Protocol

from voicegen.errors import ModelError
from voicegen.protocols import AnswerModel, ChatBatch, ChatModel, GenerationOptions, ReplyRequest
from voicegen.records import ChatUsage, Delta, Failure, Message, ModelInfo
from voicegen.sharing.caller import Caller
from voicegen.sharing.lanes import Lanes
from voicegen.sharing.models import CallersAnswers, SharedAnswerModel


class SharedChat(Protocol):
    """What many converse with at once."""

    def conversing(self, caller: Caller) -> ChatModel:
        """The model as this caller has it, for any number of conversations; may be used on any thread.

        Raises:
            VoicegenError: the model cannot be made.
        """

    def answering(self, caller: Caller) -> AnswerModel:
        """The model as this caller has it, for many questions.

        Raises:
            VoicegenError: the model cannot be made.
        """

    def close(self) -> None:
        """Lets go of the model after the step under way."""


class ChatInOneBatch:
    """A `SharedChat` over a model that has batches, on its own thread.

    Args:
        make: makes the model, on the thread that it will work on; begun at once.
    """

    def __init__(self, make: Callable[[], ChatBatch]) -> None:
        self._lanes = Lanes(make, "chat", lambda model, source, is_wanted: model.work(source, is_wanted))

    def conversing(self, caller: Caller) -> ChatModel:
        """As a `SharedChat`."""
        return _CallersConversations(self._lanes, caller)

    def answering(self, caller: Caller) -> AnswerModel:
        """As a `SharedChat`."""
        return CallersAnswers(self._lanes, caller)

    def close(self) -> None:
        """As a `SharedChat`."""
        self._lanes.close()


class ChatSideBySide:
    """A `SharedChat` over models that any thread may use at any time: a server has the batch, or nothing needs one.

    Args:
        chat: converses.
        make_answers: makes what answers questions, when it is first needed.
    """

    def __init__(self, chat: ChatModel, make_answers: Callable[[], AnswerModel] | None = None) -> None:
        self._chat = chat
        self._make_answers = make_answers
        self._answers: SharedAnswerModel | None = None

    def conversing(self, caller: Caller) -> ChatModel:
        """As a `SharedChat`."""
        return _OfCaller(self._chat, caller)

    def answering(self, caller: Caller) -> AnswerModel:
        """As a `SharedChat`."""
        if self._answers is None:
            assert self._make_answers is not None
            self._answers = SharedAnswerModel(self._make_answers)
        return self._answers.of(caller)

    def close(self) -> None:
        """As a `SharedChat`."""
        if self._answers is not None:
            self._answers.close()


class _CallersConversations:
    """A `ChatModel` whose replies are made in the batch."""

    def __init__(self, lanes: Lanes[ChatBatch], caller: Caller) -> None:
        self.info: ModelInfo = lanes.model.info
        self.context_length = lanes.model.context_length
        self._lanes = lanes
        self._caller = caller

    def stream(
        self, messages: Sequence[Message], options: GenerationOptions, tools: Sequence[Mapping[str, Any]] = ()
    ) -> Iterator[Delta | ChatUsage]:
        """As a `ChatModel`; closing it takes the reply out of the batch.

        Raises:
            ModelError: the conversation fills the model's context, or the reply failed.
            Withdrawn: the caller has withdrawn.
        """
        request = ReplyRequest(0, tuple(messages), options, tuple(tools))
        with closing(self._lanes.records(self._caller, iter([request]))) as parts:
            for part in parts:
                if isinstance(part, Failure):
                    raise ModelError(part.error)
                yield part.event

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        """Length in tokens of the rendered prompt."""
        return self._lanes.thread.submit(self._lanes.model.count_tokens, messages, tools).result()


class _OfCaller:
    """A `ChatModel` of which nothing more is waited for when its caller has withdrawn."""

    def __init__(self, chat: ChatModel, caller: Caller) -> None:
        self.info = chat.info
        self._chat = chat
        self._caller = caller

    @property
    def context_length(self) -> int:
        """The model's."""
        return self._chat.context_length

    def stream(
        self, messages: Sequence[Message], options: GenerationOptions, tools: Sequence[Mapping[str, Any]] = ()
    ) -> Iterator[Delta | ChatUsage]:
        """As the model's, on a thread of its own.

        Raises:
            ModelError: as the model's.
            Withdrawn: the caller has withdrawn.
        """
        events = self._chat.stream(messages, options, tools)
        thread = ThreadPoolExecutor(1, thread_name_prefix="voicegen-chat")
        try:
            while True:
                step = thread.submit(next, events, None)
                self._caller.wait(step)
                if (event := step.result()) is None:
                    return
                yield event
        finally:
            thread.submit(getattr(events, "close", lambda: None))  # after the step under way
            thread.shutdown(wait=False)

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        """As the model's."""
        return self._chat.count_tokens(messages, tools)
