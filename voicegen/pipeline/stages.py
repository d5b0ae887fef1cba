"""The stages of a run, each a plain loop over records: ask, say in words, speak.

They know no threads and no queues: an executor gives each its source and takes what it emits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from voicegen.pipeline.conversations import QuestionFeed
from voicegen.pipeline.outcome import Outcome
from voicegen.pipeline.plan import take_seed
from voicegen.protocols import AnswerModel, SpeechModel
from voicegen.records import Answer, Failure, Question, Speech, Utterance
from voicegen.text.spoken import to_spoken


@dataclass(frozen=True, slots=True)
class Script:
    """An answer with the utterance that says it: what goes from the asking to the speaking stage."""

    answer: Answer
    utterance: Utterance


def ask(feed: QuestionFeed, model: AnswerModel, language: str) -> Iterator[Script | Outcome]:
    """Has the feed's questions answered; yields what to speak, or how the row ended, in completion order."""
    for record in model.answer(feed.questions()):
        question = feed.finished(record)
        if isinstance(record, Failure):
            yield Outcome(question.index, question=question, failure=record)
        else:
            yield to_script(record, language)


def to_script(answer: Answer, language: str) -> Script | Outcome:
    """Rewrites an answer so that it can be spoken."""
    question = answer.question
    text = to_spoken(answer.text, language)
    if not text:
        reason = "the answer holds nothing to say aloud" if answer.text.strip() else "the model gave an empty answer"
        return Outcome(question.index, question, answer, failure=Failure(question.index, "text", reason))
    seed = take_seed(question.seed, question.attempt)
    return Script(answer, Utterance(question.index, text, question.voice, seed))


class SpeechFeed:
    """Feeds a `SpeechModel` with scripts, and puts each take back with its script.

    Args:
        take: gives the next script; `wait=False` gives None when there is none at the moment. Ends by `StopIteration`.
    """

    def __init__(self, take: Callable[[bool], Script | None]) -> None:
        self._take = take
        self._in_flight: dict[int, Script] = {}

    def utterances(self) -> Iterator[Utterance | None]:
        """What the model pulls; waits for a script only while the model has nothing in hand."""
        while True:
            try:
                script = self._take(not self._in_flight)
            except StopIteration:
                return
            if script is None:
                yield None
            else:
                self._in_flight[script.utterance.index] = script
                yield script.utterance

    def outcomes(self, model: SpeechModel) -> Iterator[Outcome]:
        """Speaks everything, in completion order."""
        for record in model.speak(self.utterances()):
            if isinstance(record, Failure):
                yield self._outcome(record.index, failure=record)
            else:
                yield self._outcome(record.utterance.index, speech=record)

    def _outcome(self, index: int, speech: Speech | None = None, failure: Failure | None = None) -> Outcome:
        script = self._in_flight.pop(index)
        return Outcome(index, script.answer.question, script.answer, script.utterance, speech, failure)


def unasked(question: Question | None, failure: Failure) -> Outcome:
    """The outcome of a row that never reached a model."""
    return Outcome(failure.index, question=question, failure=failure)
