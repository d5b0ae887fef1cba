"""All that an executor needs to run the rest of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from voicegen.pipeline.conversations import QuestionFeed
from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.outcome import Outcome
from voicegen.pipeline.stages import Script
from voicegen.pipeline.writer import Writer
from voicegen.protocols import AnswerModel, SpeechModel
from voicegen.records import Failure, ManifestRow, Question


class Progress(Protocol):
    """Is told of every row at every stage; called from the thread of the stage."""

    def asked(self, record: Script | Outcome) -> None:
        """A question was answered, or failed to be."""
        ...

    def spoken(self, outcome: Outcome) -> None:
        """An answer was spoken, or failed to be."""
        ...

    def written(self, rows: Sequence[ManifestRow]) -> None:
        """Rows are finished, and durable."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """The rows still to do, the models that do them, and where they go."""

    rows: Iterable[Question | Failure]  # all planned rows in order; done ones are skipped by `feed`
    ledger: Ledger
    answer_model: AnswerModel
    speech_model: SpeechModel
    language: str
    writer: Writer
    progress: Progress

    def feed(self, on_failure: Callable[[Question | None, Failure], None]) -> QuestionFeed:
        """The questions that are still to be asked, conversations in order."""
        return QuestionFeed(
            self.rows,
            is_done=lambda index: self.ledger.status(index) is not None,
            earlier_answer=self._earlier_answer,
            on_failure=on_failure,
        )

    def _earlier_answer(self, index: int) -> str | None:
        row = self.ledger.get([index]).get(index)
        return row.answer if row is not None else None


class Executor(Protocol):
    """Runs a job's stages to their end, wherever they run."""

    def run(self, job: Job) -> None:
        """Returns when every row is written; on an interruption or an error the writes in flight are finished first."""
        ...
