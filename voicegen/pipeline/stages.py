"""The stages of a run, each a plain loop over records: ask, say in words, speak, listen.

They know no threads and no queues: an executor gives each its source and takes what it emits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from voicegen.pipeline.conversations import QuestionFeed
from voicegen.pipeline.outcome import Outcome
from voicegen.protocols import AnswerModel, SpeechModel
from voicegen.quality.heard import Heard, at_next_attempt
from voicegen.quality.listener import Hearing
from voicegen.quality.verdict import Verdict
from voicegen.records import Answer, Failure, Question, Speech, Utterance
from voicegen.seeds import take_seed
from voicegen.text.longest import too_long
from voicegen.text.rewriting import INSTRUCTIONS, said_of_rewrite
from voicegen.text.spoken import SpokenForm, checked_form
from voicegen.text.whole import whole_sentences
from voicegen.text.wording import Wording

_CUT = "the answer was cut at chat.max_tokens: raise it, or let chat.cut=sentence keep the whole sentences"
_NOTHING_WHOLE = "the answer was cut at chat.max_tokens before its first sentence ended: raise it"


@dataclass(frozen=True, slots=True)
class Script:
    """An answer with the utterance that says it: what goes to the speaking stage, from asking or once more.

    What was heard of takes that were not good goes along.
    """

    answer: Answer
    utterance: Utterance
    heard: Heard = field(default_factory=Heard)

    def again(self) -> Script:
        """The same text, for a take at the next attempt."""
        return replace(self, utterance=at_next_attempt(self.utterance, self.answer.question.seed))

    def outcome(self) -> Outcome:
        """The row that the best take is of."""
        speech, hearing = self.heard.kept
        outcome = Outcome.of_take(self.answer, self.utterance, speech, hearing.verdict)
        return replace(outcome, takes=self.heard.takes, scores=hearing.scores)


@dataclass(frozen=True, slots=True)
class Take:
    """A script as it was spoken, or why it was not: what goes from the speaking to the listening stage."""

    script: Script
    record: Speech | Failure


def ask(
    feed: QuestionFeed, model: AnswerModel, wording: Wording, attempt: Callable[[int], int]
) -> Iterator[Script | Outcome]:
    """Has the feed's questions answered; yields what to speak, or how the row ended, in completion order.

    Where `wording` has answers rewritten, what can be spoken goes to the model once more, beside others' questions.

    `attempt` says, by a row's index, which take of it is to be made next, from 1.
    """
    being_rewritten: dict[int, Script] = {}
    for record in model.answer(feed.questions()):
        question = feed.finished(record)
        if (script := being_rewritten.pop(question.index, None)) is not None:
            yield script if isinstance(record, Failure) else rewritten(script, record, wording)
        elif isinstance(record, Failure):
            yield Outcome(question.index, question=question, failure=record)
        else:
            made = to_script(record, wording, attempt(question.index))
            if wording.rewrite is None or isinstance(made, Outcome):
                yield made
            else:
                being_rewritten[question.index] = made
                feed.ask(_to_rewrite(made))


def rewritten(script: Script, rewrite: Answer, wording: Wording) -> Script:
    """The script with the chat model's rewrite of its answer, where that may be spoken, and what both cost."""
    answer, utterance = script.answer, script.utterance
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


def _to_rewrite(script: Script) -> Question:
    """The answer, as far as it is spoken, as a question of its own."""
    answer, question = script.answer, script.answer.question
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
    excess = too_long(text)
    form = SpokenForm("") if excess else checked_form(text, wording)
    if not form.text and form.problem is None:
        nothing = "the answer holds nothing to say aloud" if answer.text.strip() else "the model gave an empty answer"
        reason = f"the answer has {excess}" if excess else nothing
        return Outcome(question.index, question, answer, failure=Failure(question.index, "text", reason))
    seed = take_seed(question.seed, attempt)
    unfinished = answer.text[len(text) :].strip()
    left_out = (*(piece.text for piece in form.left_out), *([unfinished] if unfinished else ()))
    utterance = Utterance(
        *(question.index, form.text, question.voice, seed),
        attempt=attempt,
        left_out=left_out,
        answer_cut=bool(unfinished),
    )
    if form.problem is not None:
        return Outcome(question.index, question, answer, utterance, verdict=Verdict("rejected", form.problem))
    return Script(answer, utterance)


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
    """Has takes listened to; returns for each, in order, how its row ended, or the script for another take.

    Args:
        takes: of different rows.
        hear: what was heard of each of several takes.
        max_attempts: takes of a row, at the most; of those that are not good, the best is kept.
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
    return script.outcome()


def _unspoken(script: Script, failure: Failure) -> Outcome:
    """The row ends as it was before, where there was a take; else it failed."""
    if script.heard.best is not None:
        return script.outcome()
    return Outcome(failure.index, script.answer.question, script.answer, script.utterance, failure=failure)


def unasked(question: Question | None, failure: Failure) -> Outcome:
    """The outcome of a row that never reached a model."""
    return Outcome(failure.index, question=question, failure=failure)
