"""The stages of a run, each a plain loop over records: ask, say in words, speak, listen.

They know no threads and no queues: an executor gives each its source and takes what it emits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from voicegen.pipeline.conversations import QuestionFeed
from voicegen.pipeline.outcome import Outcome, SaidQuestion, of_the_question
from voicegen.protocols import AnswerModel, SpeechModel
from voicegen.quality.heard import Heard, at_next_attempt
from voicegen.quality.listener import Hearing
from voicegen.quality.verdict import Verdict
from voicegen.records import Answer, Failure, Question, Side, Speech, Utterance
from voicegen.seeds import side_seed, take_seed
from voicegen.text.longest import too_long
from voicegen.text.rewriting import INSTRUCTIONS, said_of_rewrite
from voicegen.text.spoken import SpokenForm, checked_form
from voicegen.text.whole import whole_sentences
from voicegen.text.wording import Wording

_CUT = "the answer was cut at chat.max_tokens: raise it, or let chat.cut=sentence keep the whole sentences"
_NOTHING_WHOLE = "the answer was cut at chat.max_tokens before its first sentence ended: raise it"

Attempt = Callable[[int, Side], int]
"""Says, by a row's index and the text that is spoken, which take of it is to be made next, from 1."""


@dataclass(frozen=True, slots=True)
class Script:
    """What of a row is to be spoken: goes to the speaking stage, from asking or once more.

    Where question and answer are both spoken, the one goes after the other, so that a row is in hand but once. What was
    heard so far goes along.

    Attributes:
        answer: None where nobody was asked.
        utterance: to be spoken now.
        heard: its takes that were not good.
        then: what is to be spoken after it: the answer's, where it is the question's.
        asked: the question as it was spoken before.
    """

    question: Question
    answer: Answer | None
    utterance: Utterance
    heard: Heard = field(default_factory=Heard)
    then: Utterance | None = None
    asked: SaidQuestion | None = None

    def again(self) -> Script:
        """The same text, for a take at the next attempt."""
        first = side_seed(self.question.seed, self.utterance.side)
        return replace(self, utterance=at_next_attempt(self.utterance, first))

    def done(self) -> Script | Outcome:
        """What comes when no more takes are made of the utterance: the row that the best is of, or the answer."""
        speech, hearing = self.heard.kept
        verdict, takes = hearing.verdict, self.heard.takes
        if self.then is None:
            outcome = Outcome.of_take(self.question, self.answer, self.utterance, speech, verdict)
            return replace(outcome, takes=takes, scores=hearing.scores, asked=self.asked)
        asked = SaidQuestion(self.utterance, speech, verdict, takes, hearing.scores)
        if verdict.status == "failed":
            return replace(self, asked=asked).failed(Failure(self.question.index, "write", verdict.reason or ""))
        return replace(self, utterance=self.then, then=None, heard=Heard(), asked=asked)

    def failed(self, failure: Failure) -> Outcome:
        """The row where no take could be made of the utterance."""
        if self.then is None:
            whole = (self.question, self.answer, self.utterance)
            return Outcome(failure.index, *whole, failure=failure, asked=self.asked)
        failure = replace(failure, error=of_the_question(failure.error) or "")
        asked = replace(self.asked or SaidQuestion(self.utterance), speech=None)
        return Outcome(failure.index, self.question, self.answer, self.then, failure=failure, asked=asked)


@dataclass(frozen=True, slots=True)
class Take:
    """A script as it was spoken, or why it was not: what goes from the speaking to the listening stage."""

    script: Script
    record: Speech | Failure


def ask(
    feed: QuestionFeed, model: AnswerModel, wording: Wording, attempt: Attempt, *, aloud: bool = False
) -> Iterator[Script | Outcome]:
    """Has the feed's questions answered; yields what to speak, or how the row ended, in completion order.

    Where `wording` has answers rewritten, what can be spoken goes to the model once more, beside others' questions.
    With `aloud` the questions are spoken, too.
    """
    being_rewritten: dict[int, Script] = {}

    def whole(script: Script) -> Script | Outcome:
        return with_question(script, wording, attempt(script.question.index, "question")) if aloud else script

    for record in model.answer(feed.questions()):
        question = feed.finished(record)
        if (script := being_rewritten.pop(question.index, None)) is not None:
            yield whole(script if isinstance(record, Failure) else rewritten(script, record, wording))
        elif isinstance(record, Failure):
            yield Outcome(question.index, question=question, failure=record)
        else:
            made = to_script(record, wording, attempt(question.index, "answer"))
            if isinstance(made, Outcome):
                yield made
            elif wording.rewrite is None:
                yield whole(made)
            else:
                being_rewritten[question.index] = made
                feed.ask(_to_rewrite(made, record))


def recite(rows: Iterable[Question | Failure], wording: Wording, attempt: Attempt) -> Iterator[Script | Outcome]:
    """Asks nobody: yields each question to be spoken itself, or how its row ended."""
    for row in rows:
        if isinstance(row, Failure):
            yield unasked(None, row)
        else:
            said = _question_said(row, wording, attempt(row.index, "question"))
            yield said if isinstance(said, Outcome) else Script(row, None, said)


def rewritten(script: Script, rewrite: Answer, wording: Wording) -> Script:
    """The script with the chat model's rewrite of its answer, where that may be spoken, and what both cost."""
    answer, utterance = script.answer, script.utterance
    assert answer is not None  # or there would be nothing to rewrite
    cost = replace(
        answer,
        prompt_tokens=answer.prompt_tokens + rewrite.prompt_tokens,
        completion_tokens=answer.completion_tokens + rewrite.completion_tokens,
        seconds=answer.seconds + rewrite.seconds,
    )
    said = None
    if rewrite.finish_reason == "stop":
        said = said_of_rewrite(rewrite.text, answer.text, utterance.left_out, utterance.text, wording)
    if said is None:
        return replace(script, answer=cost)
    return replace(script, answer=cost, utterance=replace(utterance, text=said, rewritten=True))


def _to_rewrite(script: Script, answer: Answer) -> Question:
    """The answer, as far as it is spoken, as a question of its own."""
    question = script.question
    text = whole_sentences(answer.text) if script.utterance.answer_cut else answer.text
    return Question(question.index, question.id, text, question.seed, instructions=INSTRUCTIONS)


def to_script(answer: Answer, wording: Wording, attempt: int = 1) -> Script | Outcome:
    """Rewrites an answer so that it can be spoken; one that would lose a part of a sentence is rejected unspoken."""
    question = answer.question
    was_cut = answer.finish_reason == "length" and wording.cut != "keep"
    if was_cut and wording.cut == "reject":
        return Outcome(question.index, question, answer, verdict=Verdict("rejected", _CUT))
    text = whole_sentences(answer.text) if was_cut else answer.text
    if was_cut and answer.text.strip() and not text:
        return Outcome(question.index, question, answer, verdict=Verdict("rejected", _NOTHING_WHOLE))
    form = _in_words(text, "answer", wording)
    if isinstance(form, str):
        reason = form if answer.text.strip() else "the model gave an empty answer"
        return Outcome(question.index, question, answer, failure=Failure(question.index, "text", reason))
    unfinished = answer.text[len(text) :].strip()
    left_out = (*(piece.text for piece in form.left_out), *([unfinished] if unfinished else ()))
    utterance = Utterance(
        *(question.index, form.text, question.voice, take_seed(question.seed, attempt)),
        attempt=attempt,
        left_out=left_out,
        answer_cut=bool(unfinished),
    )
    if form.problem is not None:
        return Outcome(question.index, question, answer, utterance, verdict=Verdict("rejected", form.problem))
    return Script(question, answer, utterance)


def with_question(script: Script, wording: Wording, attempt: int = 1) -> Script | Outcome:
    """The script with its question to be spoken first; where that cannot be, how the row ended, its answer unspoken."""
    said = _question_said(script.question, wording, attempt)
    if isinstance(said, Utterance):
        return replace(script, utterance=said, then=script.utterance)
    verdict, failure = said.verdict, said.failure
    return replace(
        said,
        answer=script.answer,
        utterance=script.utterance,
        verdict=verdict and replace(verdict, reason=of_the_question(verdict.reason)),
        failure=failure and replace(failure, error=of_the_question(failure.error) or ""),
    )


def _question_said(question: Question, wording: Wording, attempt: int) -> Utterance | Outcome:
    """What says the question itself; or how its row ended, as for an answer."""
    index = question.index
    form = _in_words(question.text, "question", wording)
    if isinstance(form, str):
        return Outcome(index, question, failure=Failure(index, "text", form))
    utterance = Utterance(
        *(index, form.text, question.asker, take_seed(side_seed(question.seed, "question"), attempt)),
        attempt=attempt,
        left_out=tuple(piece.text for piece in form.left_out),
        side="question",
    )
    if form.problem is not None:
        return Outcome(index, question, utterance=utterance, verdict=Verdict("rejected", form.problem))
    return utterance


def _in_words(text: str, what: Side, wording: Wording) -> SpokenForm | str:
    """The spoken form of a text, which may have a problem; or why there is nothing to say."""
    if excess := too_long(text):
        return f"the {what} has {excess}"
    form = checked_form(text, wording)
    return form if form.text or form.problem is not None else f"the {what} holds nothing to say aloud"


class SpeechFeed:
    """Feeds a `SpeechModel` with scripts, and puts each take together with its script.

    Args:
        take: gives the next script; `wait=False` gives None when there is none at the moment. Ends by `StopIteration`.
    """

    def __init__(self, take: Callable[[bool], Script | None]) -> None:
        self._take = take
        self._in_flight: dict[int, Script] = {}

    def utterances(self) -> Iterator[Utterance | None]:
        """What the model pulls: waits for a script only while the model has nothing in hand."""
        while True:
            try:
                script = self._take(not self._in_flight)
            except StopIteration:
                return
            if script is not None:
                self._in_flight[script.utterance.index] = script
            yield None if script is None else script.utterance

    def takes(self, model: SpeechModel) -> Iterator[Take]:
        """Speaks everything, in completion order."""
        for record in model.speak(self.utterances()):
            index = record.index if isinstance(record, Failure) else record.utterance.index
            yield Take(self._in_flight.pop(index), record)


def listen(
    takes: Sequence[Take], hear: Callable[[Sequence[Speech]], Sequence[Hearing]], max_attempts: int
) -> list[Script | Outcome]:
    """Has takes listened to; returns for each, in order, how its row ended, or the script for another take or text.

    Args:
        takes: of different rows.
        hear: what was heard of each of several takes.
        max_attempts: takes of a text, at the most; of those that are not good, the best is kept.
    """
    hearings = iter(hear([take.record for take in takes if isinstance(take.record, Speech)]))
    return [
        _unspoken(take.script, take.record)
        if isinstance(take.record, Failure)
        else _heard(take.script, take.record, next(hearings), max_attempts)
        for take in takes
    ]


def _heard(script: Script, speech: Speech, hearing: Hearing, max_attempts: int) -> Script | Outcome:
    script = replace(script, heard=script.heard.with_take(script.utterance, speech, hearing))
    if hearing.verdict.again and len(script.heard.takes) < max_attempts:
        return script.again()
    return script.done()


def _unspoken(script: Script, failure: Failure) -> Script | Outcome:
    """The text is left as it was before, where there was a take; else its row failed."""
    return script.failed(failure) if script.heard.best is None else script.done()


def unasked(question: Question | None, failure: Failure) -> Outcome:
    """The outcome of a row that never reached a model."""
    return Outcome(failure.index, question=question, failure=failure)
