"""The stages of a run, each a plain loop over records: ask, say in words, speak.

They know no threads and no queues: an executor gives each its source and takes what it emits.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from voicegen.pipeline.conversations import QuestionFeed
from voicegen.pipeline.outcome import Outcome
from voicegen.pipeline.plan import take_seed
from voicegen.protocols import AnswerModel, SpeechModel
from voicegen.quality.verdict import Verdict, judge
from voicegen.records import Answer, Failure, Question, Speech, Utterance
from voicegen.text.spoken import SpokenForm, spoken_form, too_long
from voicegen.text.wording import Wording


@dataclass(frozen=True, slots=True)
class Script:
    """An answer with the utterance that says it: what goes from the asking to the speaking stage."""

    answer: Answer
    utterance: Utterance

    def again(self) -> Script:
        """The same text, for a take at the next attempt."""
        attempt = self.utterance.attempt + 1
        seed = take_seed(self.answer.question.seed, attempt)
        return replace(self, utterance=replace(self.utterance, seed=seed, attempt=attempt))


def ask(
    feed: QuestionFeed, model: AnswerModel, wording: Wording, attempt: Callable[[int], int]
) -> Iterator[Script | Outcome]:
    """Has the feed's questions answered; yields what to speak, or how the row ended, in completion order.

    `attempt` says, by a row's index, which take of it is to be made next, from 1.
    """
    for record in model.answer(feed.questions()):
        question = feed.finished(record)
        if isinstance(record, Failure):
            yield Outcome(question.index, question=question, failure=record)
        else:
            yield to_script(record, wording, attempt(question.index))


def to_script(answer: Answer, wording: Wording, attempt: int = 1) -> Script | Outcome:
    """Rewrites an answer so that it can be spoken; one that would lose a part of a sentence is rejected unspoken."""
    question = answer.question
    excess = too_long(answer.text)
    form = SpokenForm("") if excess else spoken_form(answer.text, wording)
    if not form.text and form.problem is None:
        nothing = "the answer holds nothing to say aloud" if answer.text.strip() else "the model gave an empty answer"
        reason = f"the answer has {excess}" if excess else nothing
        return Outcome(question.index, question, answer, failure=Failure(question.index, "text", reason))
    seed = take_seed(question.seed, attempt)
    left_out = tuple(piece.text for piece in form.left_out)
    utterance = Utterance(question.index, form.text, question.voice, seed, attempt=attempt, left_out=left_out)
    if form.problem is not None:
        return Outcome(question.index, question, answer, utterance, verdict=Verdict("rejected", form.problem))
    return Script(answer, utterance)


class SpeechFeed:
    """Feeds a `SpeechModel` with scripts, puts each take back with its script, and has takes made again.

    Args:
        take: gives the next script; `wait=False` gives None when there is none at the moment. Ends by `StopIteration`.
        judge: says what a take is worth.
        max_attempts: takes of a row, at the most; one that may be better the next time is made again at once.
    """

    def __init__(
        self,
        take: Callable[[bool], Script | None],
        judge: Callable[[Speech], Verdict] = judge,
        max_attempts: int = 1,
    ) -> None:
        self._take = take
        self._judge = judge
        self._max_attempts = max_attempts
        self._attempts: Counter[int] = Counter()
        self._in_flight: dict[int, Script] = {}
        self._again: deque[Script] = deque()

    def utterances(self) -> Iterator[Utterance | None]:
        """What the model pulls: waits for a script only while the model has nothing in hand.

        It does not end before the last take is judged, as any of them may come back.
        """
        ended = False
        while True:
            script = self._again.popleft() if self._again else None
            if script is None and not ended:
                try:
                    script = self._take(not self._in_flight)
                except StopIteration:
                    ended = True
            if script is not None:
                self._in_flight[script.utterance.index] = script
                yield script.utterance
            elif ended and not self._in_flight:
                return
            else:
                yield None

    def outcomes(self, model: SpeechModel) -> Iterator[Outcome]:
        """Speaks everything, in completion order."""
        for record in model.speak(self.utterances()):
            if isinstance(record, Failure):
                script = self._in_flight.pop(record.index)
                answer = script.answer
                yield Outcome(record.index, answer.question, answer, script.utterance, failure=record)
                continue
            script = self._in_flight.pop(record.utterance.index)
            verdict = self._judge(record)
            self._attempts[record.utterance.index] += 1
            if verdict.again and self._attempts[record.utterance.index] < self._max_attempts:
                self._again.append(script.again())
            else:
                yield Outcome.of_take(script.answer, script.utterance, record, verdict)


def unasked(question: Question | None, failure: Failure) -> Outcome:
    """The outcome of a row that never reached a model."""
    return Outcome(failure.index, question=question, failure=failure)
