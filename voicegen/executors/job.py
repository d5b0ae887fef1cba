"""What an executor is handed, and whom it tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from voicegen import build
from voicegen.audio.origin import Origin
from voicegen.config import JobConfig
from voicegen.dataset.questions import QuestionFile
from voicegen.pipeline.conversations import QuestionFeed
from voicegen.pipeline.first_rows import FirstRows, Voices
from voicegen.pipeline.ledger import Entry, Ledger
from voicegen.pipeline.outcome import Outcome
from voicegen.pipeline.plan import Asked, Plan
from voicegen.pipeline.stages import Script
from voicegen.pipeline.writer import Writer
from voicegen.protocols import AnswerModel, SpeechModel
from voicegen.quality.listener import Listener
from voicegen.records import Failure, ModelInfo, Question
from voicegen.store import Store


class Watch(Protocol):
    """Is told of what an executor does; of rows at every stage, from the thread of the stage."""

    def loaded(self, stage: str, model: ModelInfo) -> None:
        """The model of a stage, `chat` or `tts`, is ready.

        Raises:
            OutputError: the run was made with another one so far.
        """

    def started(self) -> None:
        """All models are ready, and rows are begun."""

    def asked(self, record: Script | Outcome) -> None:
        """A question was answered, or failed to be."""

    def heard(self, record: Script | Outcome) -> None:
        """A take was listened to: it ends its row, or is to be made again. Or it could not be made."""

    def written(self, entries: Sequence[Entry]) -> None:
        """Rows are finished, and durable."""


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

    def rows(self) -> Iterator[Question | Failure]:
        """The rows that are still to be made, where nobody is asked: no turn of a conversation waits for another."""
        return (row for row in self.plan.rows(self._unread()) if self.ledger.status(row.index) is None)

    def feed(self, on_failure: Callable[[Question | None, Failure], None]) -> QuestionFeed:
        """The questions that are still to be asked, conversations in order."""
        return QuestionFeed(
            self.plan.rows(self._unread()),
            is_done=lambda index: self.ledger.status(index) is not None,
            earlier_answer=self._earlier_answer,
            on_failure=on_failure,
        )

    def first_rows(self, listener: Listener, settled: Callable[[Voices], None]) -> FirstRows:
        """The rows from which the listener knows what is usual of each voice; `settled` is told of whom it is known."""
        rows = self.questions.inspect().rows * self.plan.answers_per_question
        first = self.plan.first_rows(listener.first_rows, rows)
        awaited = [index for index in first if self._is_left(index)]
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
        )

    def _is_left(self, index: int) -> bool:
        """Whether a row is made in this session."""
        return index // self.plan.answers_per_question in self.asked and self.ledger.status(index) is None

    def _unread(self) -> Iterator[Question | Failure]:
        """From the first row that is not finished; a conversation is read from its first turn, for its history."""
        answers, start = self.plan.answers_per_question, self.asked.start
        if self.config.speak == "question" or self.questions.inspect().names.conversation is None:
            start = self.ledger.first_unfinished(start * answers) // answers
        rows = islice(self.questions.questions(start), max(self.asked.stop - start, 0))
        return (row for row in rows if row.index in self.asked)

    def _earlier_answer(self, index: int) -> str | None:
        row = self.ledger.get([index]).get(index)
        return row.answer if row is not None else None


class Executor(Protocol):
    """Makes a job's models and runs its stages to their end, wherever they run."""

    def run(self, job: Job, watch: Watch) -> None:
        """Returns when every row is written; on an interruption or an error the writes in flight are finished first.

        Raises:
            VoicegenError: a model cannot be found or loaded, or the store cannot be written.
        """
