"""A fake chat model that repeats the question: deterministic and cheap, for trying out everything around a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from voicegen.records import Answer, Failure, ModelInfo, Question


class EchoAnswerModel:
    """An `AnswerModel` that answers each question with its own text."""

    info = ModelInfo(id="echo", backend="echo")

    def answer(self, questions: Iterable[Question | None]) -> Iterator[Answer | Failure]:
        """Yields the answers in order."""
        for question in questions:
            if question is not None:
                words = len(question.text.split())
                yield Answer(question, question.text, prompt_tokens=words, completion_tokens=words)
