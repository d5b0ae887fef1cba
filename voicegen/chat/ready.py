"""Answers that the input brings along: the chat stage without a chat model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from voicegen.records import Answer, Failure, ModelInfo, Question


class ReadyAnswers:
    """An `AnswerModel` that gives each question the answer of its own row.

    Args:
        column: the input's column of answers, for the manifest's provenance.
    """

    def __init__(self, column: str) -> None:
        self.info = ModelInfo(id=f"column {column}", backend="ready")

    def answer(self, questions: Iterable[Question | None]) -> Iterator[Answer | Failure]:
        """Yields the answers in order."""
        for question in questions:
            if question is not None:
                yield Answer(question, question.answer or "")
