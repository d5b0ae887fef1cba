"""Answers that the input brings along: the chat stage without a chat model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from voicegen.reading.written import read_written
from voicegen.records import Answer, Failure, ModelInfo, Question


class ReadyAnswers:
    """An `AnswerModel` that gives each question the answer of its own row.

    Args:
        column: the input's column of answers, for the manifest's provenance.
    """

    def __init__(self, column: str) -> None:
        self.info = ModelInfo(id=f"column {column}", backend="ready")

    def answer(self, questions: Iterable[Question | None]) -> Iterator[Answer | Failure]:
        """Yields the answers in order; a model may have written them, so that reasoning in them is kept apart."""
        for question in questions:
            if question is not None:
                written = read_written(question.answer or "")
                if written.problem:
                    yield Failure(question.index, "chat", written.problem)
                else:
                    yield Answer(question, written.answer, reasoning=written.reasoning)
