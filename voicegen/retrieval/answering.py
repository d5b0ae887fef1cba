"""Questions with the passages that were found for them, on their way to a chat model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from voicegen.protocols import AnswerModel
from voicegen.records import Answer, Failure, Passage, Question

Find = Callable[[Sequence[str]], Sequence[Sequence[Passage]]]
"""The passages for each of many questions."""

AT_ONCE: Final = 32
"""Questions that are looked up together, at the most."""


class AnswerModelWithPassages:
    """An `AnswerModel` that looks its questions up first, as many together as there are."""

    def __init__(self, model: AnswerModel, find: Find) -> None:
        self.info = model.info
        self._model = model
        self._find = find

    def answer(self, questions: Iterable[Question | None]) -> Iterator[Answer | Failure]:
        """As the model under it does; an answer's question has the passages that were given with it."""
        return self._model.answer(self._looked_up(questions))

    def _looked_up(self, questions: Iterable[Question | None]) -> Iterator[Question | None]:
        """Waits for more only while the source has some ready, and changes no order."""
        waiting: list[Question] = []
        for question in questions:
            if question is not None:
                waiting.append(question)
            if question is None or len(waiting) == AT_ONCE:
                yield from self._found(waiting)
                waiting = []
            if question is None:
                yield None
        yield from self._found(waiting)

    def _found(self, questions: Sequence[Question]) -> Iterator[Question]:
        asked = [question for question in questions if question.instructions is None and question.text.strip()]
        found = iter(self._find([question.text for question in asked]) if asked else ())
        for question in questions:
            yield replace(question, passages=tuple(next(found))) if question in asked else question
