"""The records that flow through voicegen, each made by one stage from the one before it.

    Question -> Answer -> Utterance -> Speech -> Clip -> ManifestRow

`index` is the row's place in the input, from 0; it numbers the file and never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

FinishReason = Literal["stop", "length", "runaway"]
Status = Literal["ok", "rejected", "failed"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)
Mark = Literal["accept", "reject"]
"""What a listener says of a row."""
Stage = Literal["input", "chat", "text", "tts", "write", "worker"]
Side = Literal["answer", "question"]
"""Which of a row's two texts is spoken."""
Speak = Literal["answer", "question", "both"]
"""What is spoken of the rows of a run."""
Scores = Mapping[str, float | str | None]
"""What was measured of a take, by the measurement's name; None where it could not be."""


class Role(StrEnum):
    """Who wrote a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's request to call a tool; `arguments` is the JSON object it wrote."""

    name: str
    arguments: Mapping[str, Any]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document that was found for a question.

    `id` names it in its index; `source` is for people: the file, and the section or page. `score` is the cosine of its
    vector and the question's.
    """

    id: str
    text: str
    source: str
    score: float


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. `reasoning` is what a reasoning model thought before `content`.

    `passages` were found for what a user says, and are given to the model before it.
    """

    role: Role
    content: str
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """What one step of generation added to a message. An empty one only shows that the model is at work.

    Attributes:
        text: was added to the answer or to the reasoning.
        channel: which of the two it was added to.
        tool_call: a call, when it is whole; such a delta has no text.
    """

    text: str = ""
    channel: Literal["answer", "reasoning"] = "answer"
    tool_call: ToolCall | None = None


@dataclass(frozen=True, slots=True)
class ChatUsage:
    """What a reply cost; `cached_tokens` of the prompt were already in the KV cache and not prefilled again."""

    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a run writes down of the model that makes its rows.

    `precision` is what the weights are computed in here, where that may differ from session to session.
    """

    id: str
    backend: str
    revision: str | None = None
    licence: str | None = None
    precision: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """One row of the input. `answer` is a ready answer, where the input has them; `history` the turns before.

    `system_prompt` is the row's own, in the place of the model's.

    With `instructions` it is a task of ours about a row: they stand in the place of the model's system prompt, and it
    is answered greedily and without tools.
    """

    index: int
    id: str
    text: str
    seed: int = 0
    answer: str | None = None
    conversation_id: str | None = None
    turn: int | None = None
    history: tuple[Message, ...] = ()
    voice: str | None = None  # that says the answer
    asker: str | None = None  # the voice that says the question itself
    system_prompt: str | None = None
    instructions: str | None = None
    passages: tuple[Passage, ...] = ()  # of documents, that are given with it


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer to a question; `seconds` is the compute time that this row used of its batch."""

    question: Question
    text: str
    finish_reason: FinishReason = "stop"
    reasoning: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Utterance:
    """One piece of text to be spoken, in one take that `seed` draws.

    `side` is whose text it is, the answer's or the question's.
    `part` counts the pieces of a text that was split, from 0; `attempt` the takes of the text, this one included.
    `left_out` is what of the text as written is not said; `answer_cut` whether the end of a cut answer is in it.
    `rewritten`: the text is from the chat model's rewrite of its answer.
    """

    index: int
    text: str
    voice: str | None = None  # None: the model's default voice
    seed: int = 0
    part: int = 0
    attempt: int = 1
    left_out: tuple[str, ...] = ()
    answer_cut: bool = False
    rewritten: bool = False
    side: Side = "answer"


@dataclass(frozen=True, slots=True)
class Speech:
    """An utterance as spoken: float32 mono `samples` (N,) in [-1, 1] at `sampling_rate` Hz.

    `speed` is how many times as fast as by itself the voice was told to speak.
    """

    utterance: Utterance
    samples: NDArray[np.float32]
    sampling_rate: int
    finish_reason: FinishReason = "stop"
    seconds: float = 0.0
    speed: float = 1.0

    @property
    def duration(self) -> float:
        """Seconds of audio."""
        return len(self.samples) / self.sampling_rate


@dataclass(frozen=True, slots=True)
class ClipPlace:
    """Where the bytes of an audio file lie in a run's store, by names with forward slashes.

    They are the file `path`. Or, where there is an `offset`, `size` bytes from there on of the shard that the path's
    last part lies in, as a file in a folder: `shards/00000-local-000000-1f3a9c2e77ab.tar/000012.wav`.
    """

    path: str
    offset: int | None = None
    size: int = 0

    @classmethod
    def of_row(cls, row: Mapping[str, Any], of: str = "") -> ClipPlace | None:
        """As a row of the manifest has it in its columns, which begin with `of`; None where there is no audio."""
        path = row.get(f"{of}audio_path")
        return None if path is None else cls(path, row.get(f"{of}audio_offset"), row.get(f"{of}audio_size") or 0)

    @property
    def file(self) -> str:
        """The file in the store that has the bytes: itself, or its shard."""
        return self.path if self.offset is None else self.path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Clip:
    """An audio file of a run; `path` is relative to the run's folder, with forward slashes.

    `offset` is where it begins in the shard that it is packed in, as `ClipPlace` has it; None: it is a file by itself.
    `sha256` is of the file's bytes; `samples_sha256` of its samples, as `audio.audio_file.samples_sha256` gives it; a
    row from before there was one has none.
    """

    index: int
    path: str
    sampling_rate: int
    num_samples: int
    sha256: str
    peak: float  # dBFS
    num_bytes: int = 0  # of the file; 0: not known
    samples_sha256: str | None = None
    offset: int | None = None

    @property
    def place(self) -> ClipPlace:
        """Where its bytes lie."""
        return ClipPlace(self.path, self.offset, self.num_bytes)

    @property
    def size(self) -> int | None:
        """Bytes of the file; None: not known."""
        return self.num_bytes or None

    @property
    def duration(self) -> float:
        """Seconds of audio."""
        return self.num_samples / self.sampling_rate


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that could not be made: where, and one line that says why. Takes the place of the next record."""

    index: int
    stage: Stage
    error: str
    part: int = 0
    conversation_id: str | None = None  # of an input row, whose later turns cannot be asked either


@dataclass(frozen=True, slots=True)
class TakeRecord:
    """What is kept of every take of a row: the seed that drew it, and what it was worth.

    `excess` is how far it is from being ok; `reason` names its faults, without the values.
    """

    attempt: int
    seed: int
    status: Status
    excess: float = 0.0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PassageRecord:
    """What is kept of a passage that was given with a question; as a `Passage`, without its text."""

    id: str
    source: str
    score: float


@dataclass(frozen=True, slots=True)
class SpokenQuestion:
    """What the ledger keeps of a row's question where both it and the answer are spoken; as a row has of its answer."""

    status: Status
    left_out: Sequence[str] = ()
    voice: str | None = None
    clip: Clip | None = None
    attempts: int = 1
    began: int | None = None
    takes: Sequence[TakeRecord] = ()
    tts_seconds: float | None = None
    scores: Scores = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """What the ledger keeps of a finished row. The manifest joins it with the row's input: its id, its question, ...

    What is kept of a clip is of the answer's, and the question's is in `asked`: then `status` is the worse of the two.
    A row that speaks its question alone keeps that as its own, and says so by `side`.
    """

    index: int
    status: Status
    seed: int
    answer: str | None = None
    answer_spoken: str | None = None
    left_out: Sequence[str] = ()
    answer_cut: bool = False
    rewritten: bool = False
    question_spoken: str | None = None
    reasoning: str | None = None
    voice: str | None = None
    clip: Clip | None = None
    error: str | None = None
    finish_reason: FinishReason | None = None
    attempts: int = 1
    began: int | None = None  # first attempt of the session that finished the row; None: `attempts`
    takes: Sequence[TakeRecord] = ()
    mark: Mark | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    chat_seconds: float | None = None
    tts_seconds: float | None = None
    scores: Scores = field(default_factory=dict)
    side: Side | None = None  # None: the answer
    passages: Sequence[PassageRecord] = ()
    asked: SpokenQuestion | None = None

    @property
    def clips(self) -> tuple[Clip, ...]:
        """Its audio files."""
        both = (self.clip, self.asked.clip if self.asked else None)
        return tuple(clip for clip in both if clip is not None)

    @property
    def said(self) -> tuple[tuple[str | None, Scores], ...]:
        """The voice of each of its texts, its own first, and what was measured of it."""
        return tuple((kept.voice, kept.scores) for kept in (self, self.asked) if kept is not None)

    @property
    def of_question(self) -> SpokenQuestion | ManifestRow | None:
        """What is kept of the question's clip, wherever that is; None where no question was to be spoken."""
        return self if self.side == "question" else self.asked
