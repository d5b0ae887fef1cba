"""What an executor is handed, and whom it tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from voicegen import build
from voicegen.audio.origin import Origin
from voicegen.config import JobConfig
from voicegen.dataset.questions import QuestionFile
from voicegen.pipeline.first_rows import FirstRows, Voices
from voicegen.pipeline.ledger import Entry, Ledger
from voicegen.pipeline.outcome import Outcome
from voicegen.pipeline.plan import Asked, Plan
from voicegen.pipeline.stages import Script
from voicegen.pipeline.writer import Writer
from voicegen.protocols import AnswerModel, SpeechModel
from voicegen.quality.listener import Listener, first_rows
from voicegen.records import Failure, ModelInfo, Question
from voicegen.store import Store


@dataclass(frozen=True, slots=True)
class Work:
    """What was done at the stages, in counts.

    Attributes:
        asked: questions that were answered, or failed to be.
        completion_tokens: of their answers.
        spoken: rows that were spoken to their end, or could not be.
        made_again: takes that were not good, after which others are made.
        audio_seconds: of good rows.
    """

    asked: int = 0
    completion_tokens: int = 0
    spoken: int = 0
    made_again: int = 0
    audio_seconds: float = 0.0

    @classmethod
    def of_asking(cls, record: Script | Outcome) -> Work:
        """A question was answered, or failed to be."""
        return cls(asked=1, completion_tokens=record.answer.completion_tokens if record.answer else 0)

    @classmethod
    def of_listening(cls, record: Script | Outcome) -> Work:
        """A take was listened to: it ends its row, or is to be made again. Or it could not be made."""
        if isinstance(record, Script):
            return cls(made_again=int(bool(record.heard.takes)))  # or it is the row's other text
        return cls(spoken=1, audio_seconds=record.audio_seconds if record.status == "ok" else 0.0)


class Watch(Protocol):
    """Is told of what an executor does; of rows at every stage, from the thread of the stage."""

    def loaded(self, stage: str, model: ModelInfo) -> None:
        """The model of a stage, `chat` or `tts`, is ready.

        Raises:
            OutputError: the run was made with another one so far.
        """

    def started(self) -> None:
        """All models are ready, and rows are begun."""

    def worked(self, work: Work) -> None:
        """A stage is that much further."""

    def made(self, outcomes: Sequence[Outcome]) -> None:
        """Rows are through the stages, and wait to be durable with others."""

    def written(self, entries: Sequence[Entry]) -> None:
        """Rows are finished, and durable."""

    def told(self, text: str) -> None:
        """Something happened that the user is to know, in one line."""


class ModelMaker(Protocol):
    """Where an executor has its models from: `voicegen.build`, or one that shares them with others."""

    def answer_model(self, config: JobConfig) -> AnswerModel | None:
        """What answers; None where nobody is asked."""

    def speech_model(self, config: JobConfig) -> SpeechModel:
        """What speaks."""


@dataclass(frozen=True, slots=True)
class Job:
    """The rest of a run: the settings, the input, what its rows are, and which of them are done.

    It is plain data that another process can be handed; models are for the executor to make.

    Attributes:
        ledger: what was done before; an executor does not add to it.
        run: the hash of the run's identity.
        asked: the questions that the job is for.
    """

    config: JobConfig
    questions: QuestionFile
    plan: Plan
    store: Store
    ledger: Ledger
    run: str
    asked: Asked

    def unfinished(self) -> Iterator[int]:
        """The rows that are still to be made, in order."""
        answers = self.plan.answers_per_question
        places = self.asked.since(self.ledger.first_unfinished(self.asked.start * answers) // answers)
        rows = (index for place in places for index in range(place * answers, (place + 1) * answers))
        return (index for index in rows if self.ledger.status(index) is None)

    @property
    def left(self) -> int:
        """How many rows are still to be made."""
        part, answers = self.asked.part, self.plan.answers_per_question
        besides = (range(place * answers, (place + 1) * answers) for place in self.asked.besides.difference(part))
        rows = (range(part.start * answers, part.stop * answers), *besides)
        return sum(self.ledger.unfinished(some) for some in rows)

    @property
    def has_conversations(self) -> bool:
        """Whether turns wait for the answers before them."""
        return self.config.speak != "question" and self.questions.inspect().names.conversation is not None

    def read(self, places: range) -> Iterator[Question | Failure]:
        """What is in the input at these places, as far as the job is for it: each as the rows that become of it."""
        read = islice(self.questions.questions(places.start), len(places))
        return self.plan.rows(row for row in read if row.index in self.asked)

    def answer(self, index: int) -> str | None:
        """The answer to a row that is finished; None where there was none."""
        row = self.ledger.get([index]).get(index)
        return row.answer if row is not None else None

    @property
    def first(self) -> Mapping[int, Voices]:
        """The rows by which the others of a voice are judged, with their voices."""
        rows = self.questions.inspect().rows * self.plan.answers_per_question
        return self.plan.first_rows(first_rows(self.config.quality), rows)

    def first_rows(self, listener: Listener, settled: Callable[[Voices], None]) -> FirstRows:
        """The rows from which the listener knows what is usual of each voice; `settled` is told of whom it is known."""
        first = self.first
        awaited = [index for index in first if self.is_left(index)]
        return FirstRows(first, self.ledger.get(first).values(), awaited, listener.usual, settled)

    def writer(self, name: str, chat: ModelInfo | None, tts: ModelInfo) -> Writer:
        """What makes rows durable in a process of this name, which these models made."""
        return Writer(
            self.store,
            self.ledger,
            self.plan.audio_path,
            name=name,
            audio=self.config.tts.audio,
            origin=Origin(tts, chat if self.config.asks else None, self.run, build.signer(self.config)),
            keep_reasoning=getattr(self.config.chat, "keep_reasoning", False),
            packing=self.config.audio.packing,
        )

    def is_left(self, index: int) -> bool:
        """Whether a row is made in this session."""
        return index // self.plan.answers_per_question in self.asked and self.ledger.status(index) is None


class Executor(Protocol):
    """Makes a job's models and runs its stages to their end, wherever they run."""

    def run(self, job: Job, watch: Watch) -> None:
        """Returns when every row is written; on an interruption or an error the writes in flight are finished first.

        Raises:
            VoicegenError: a model cannot be found or loaded, or the store cannot be written.
        """
