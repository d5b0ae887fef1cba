"""What the stages need of a model, and nothing else.

A source of work may yield `None`: "nothing is ready now, go on with the work in hand". It does so only while the
model holds unfinished work; otherwise it waits for the next item or ends. A model with nothing in hand skips `None`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from voicegen.bounds import Effort, NotNegative, Penalty, Positive, Probability, StopStrings, Temperature
from voicegen.records import (
    Answer,
    ChatUsage,
    Delta,
    Failure,
    FinishReason,
    Message,
    ModelInfo,
    Question,
    Speech,
    Utterance,
)

SpeechStream = Generator[NDArray[np.float32], None, FinishReason]
"""Pieces of one utterance's waveform; the generator returns how the take ended (`reason = yield from stream`)."""


class AnswerModel(Protocol):
    """Answers questions, many at a time."""

    info: ModelInfo

    def answer(self, questions: Iterable[Question | None]) -> Iterator[Answer | Failure]:
        """Yields one record a question in completion order, pulling questions as places in the batch come free."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a speech model can do beyond speaking; None is what it cannot. A model over another passes them on.

    Attributes:
        language: the code of the one language that it speaks; None where it has no fixed one.
        at_speed: the same voice, so many times as fast; without it, speech is stretched.
        check_voices: refuses the first name that is no voice of the model with a `ModelError`.
        fits: whether the model has room for an utterance.
        stream: float32 mono pieces at `sample_rate` that join to the whole waveform.
        draws: whether another seed gives another take; where not, no take is made again.
    """

    language: str | None = None
    at_speed: Callable[[float], SpeechModel] | None = None
    check_voices: Callable[[Iterable[str]], None] | None = None
    fits: Callable[[Utterance], bool] | None = None
    stream: Callable[[Utterance], SpeechStream] | None = None
    draws: bool = True


@runtime_checkable
class SpeechModel(Protocol):
    """Speaks utterances, many at a time."""

    info: ModelInfo
    sample_rate: int  # Hz

    @property
    def traits(self) -> Traits:
        """What else it can do."""

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        """Yields one record an utterance in completion order, pulling utterances as slots come free."""


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How a chat model generates. `temperature` 0 is greedy; `reasoning_effort` is for models that reason.

    The answer ends before the first of the strings `stop` in it, which the reasoning before it may hold.
    """

    max_tokens: Positive = 256
    temperature: Temperature = 0.0
    top_p: Probability = 1.0
    top_k: NotNegative = 0
    min_p: Probability = 0.0
    repetition_penalty: Penalty = 1.0
    seed: int = 0
    reasoning_effort: Effort | None = None
    stop: StopStrings = ()


@dataclass(frozen=True, slots=True)
class ReplyRequest:
    """A conversation that a model is to continue by one reply; what is asked is as for `ChatModel.stream`."""

    index: int
    messages: tuple[Message, ...]
    options: GenerationOptions
    tools: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ReplyPart:
    """What one step added to the reply that was requested under `index`; a `ChatUsage` is the last."""

    index: int
    event: Delta | ChatUsage

    @property
    def is_last(self) -> bool:
        """Whether the reply has ended with it."""
        return isinstance(self.event, ChatUsage)


class ChatModel(Protocol):
    """Continues one conversation, streaming; `ChatSession` sits on it."""

    info: ModelInfo

    @property
    def context_length(self) -> int:
        """The most tokens that a prompt and its reply may have together."""

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> Iterator[Delta | ChatUsage]:
        """Yields deltas as they are generated and one `ChatUsage` last.

        The model keeps the KV cache of the last conversation and reuses its longest common prefix, so that a new turn
        prefills only what is new. Closing the iterator early stops generation and leaves the cache usable.
        """

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        """Length in tokens of the rendered prompt."""


class ChatBatch(AnswerModel, Protocol):
    """Answers questions and continues conversations, all in one batch."""

    context_length: int

    def work(
        self, asked: Iterable[Question | ReplyRequest | None], is_wanted: Callable[[int], bool]
    ) -> Iterator[Answer | ReplyPart | Failure]:
        """Yields a record a question and the parts of each reply, as they come.

        `is_wanted` is asked between two steps of what has which index: what is not wanted any more leaves the batch,
        and nothing more is yielded of it. A reply is what `ChatModel.stream` gives alone.
        """

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        """Length in tokens of the rendered prompt."""
