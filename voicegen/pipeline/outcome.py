"""What is known of a row when it leaves the stages, whether it got through them or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from voicegen.quality.verdict import Verdict
from voicegen.records import (
    STATUSES,
    Answer,
    Clip,
    Failure,
    FinishReason,
    ManifestRow,
    Passage,
    PassageRecord,
    Question,
    Scores,
    Speech,
    SpokenQuestion,
    Status,
    TakeRecord,
    Utterance,
)


@dataclass(frozen=True, slots=True)
class SaidQuestion:
    """A row's question, spoken beside its answer: the take that is kept and its verdict; neither where it could not be.

    `takes` are all that were made of it in this session, `scores` what was measured of the one that is kept.
    """

    utterance: Utterance
    speech: Speech | None = None
    verdict: Verdict | None = None
    takes: tuple[TakeRecord, ...] = ()
    scores: Scores = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """How it ended."""
        return "failed" if self.verdict is None else self.verdict.status

    @property
    def voice(self) -> str | None:
        """The one that spoke, or the one that was planned."""
        return (self.speech.utterance if self.speech else self.utterance).voice

    def to_record(self, clip: Clip | None, attempt: int, earlier: Sequence[TakeRecord] = ()) -> SpokenQuestion:
        """What the ledger keeps of it; as `Outcome.to_row`."""
        attempts = self.takes[-1].attempt if self.takes else attempt
        return SpokenQuestion(
            self.status,
            self.utterance.left_out,
            self.voice,
            clip,
            attempts,
            began=attempt if attempt != attempts else None,
            takes=(*earlier, *self.takes),
            tts_seconds=round(self.speech.seconds, 4) if self.speech else None,
            scores=self.scores,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row after its last stage: a `speech` and its `verdict`, or the `failure` that ended it, and what was before.

    A text that may not be spoken has a verdict without a speech. `takes` are all that were made of it in this session,
    `scores` what was measured of the one that is kept. They are the answer's, and the question's are `asked`; or the
    question's, where nobody answered it.
    """

    index: int
    question: Question | None = None
    answer: Answer | None = None
    utterance: Utterance | None = None
    speech: Speech | None = None
    verdict: Verdict | None = None
    failure: Failure | None = None
    takes: tuple[TakeRecord, ...] = ()
    scores: Scores = field(default_factory=dict)
    asked: SaidQuestion | None = None

    @classmethod
    def of_take(
        cls, question: Question, answer: Answer | None, utterance: Utterance, speech: Speech, verdict: Verdict
    ) -> Outcome:
        """The row of a take that was judged; one that is no audio fails it."""
        failed = verdict.status == "failed" and verdict.reason
        failure = Failure(utterance.index, "write", failed) if failed else None
        kept = None if failed else speech
        return cls(utterance.index, question, answer, utterance, kept, verdict, failure)

    def to_row(
        self,
        clip: Clip | None,
        keep_reasoning: bool,
        attempt: int,
        earlier: Sequence[TakeRecord] = (),
        asked: SpokenQuestion | None = None,
    ) -> ManifestRow:
        """The ledger's row.

        Args:
            clip: the audio of the take that was kept.
            keep_reasoning: whether the answer's reasoning goes in.
            attempt: at the row, with which this session began.
            earlier: takes of the row from before this session.
            asked: what is kept of the question's clip beside it.
        """
        answer, speech, utterance = self.answer, self.speech, self.utterance
        attempts = self.takes[-1].attempt if self.takes else attempt
        alone = utterance is not None and utterance.side == "question"
        said = (utterance.text or None) if utterance else None
        return ManifestRow(
            index=self.index,
            status=self.status,
            seed=self.question.seed if self.question else 0,
            answer=answer.text if answer else None,
            answer_spoken=None if alone else said,
            left_out=utterance.left_out if utterance else (),
            answer_cut=bool(utterance and utterance.answer_cut),
            rewritten=bool(utterance and utterance.rewritten),
            question_spoken=said if alone else self.asked.utterance.text if self.asked else None,
            reasoning=answer.reasoning if answer and keep_reasoning else None,
            voice=self.voice,
            clip=clip,
            error=self.reason,
            finish_reason=self._finish_reason(),
            attempts=attempts,
            began=attempt if attempt != attempts else None,
            takes=(*earlier, *self.takes),
            scores=self.scores,
            prompt_tokens=answer.prompt_tokens if answer else None,
            completion_tokens=answer.completion_tokens if answer else None,
            chat_seconds=round(answer.seconds, 4) if answer else None,
            tts_seconds=round(speech.seconds, 4) if speech else None,
            side="question" if alone else None,
            asked=asked,
            passages=tuple(PassageRecord(one.id, one.source, one.score) for one in self._given),
        )

    @property
    def status(self) -> Status:
        """How the row ended: of two texts that were spoken, as the worse did."""
        if self.failure is not None or self.verdict is None:
            return "failed"
        asked = self.asked.status if self.asked else "ok"
        return max(self.verdict.status, asked, key=STATUSES.index)

    @property
    def audio_seconds(self) -> float:
        """Of the takes that are kept."""
        kept = (self.speech, self.asked.speech if self.asked else None)
        return sum(speech.duration for speech in kept if speech is not None)

    @property
    def said(self) -> tuple[tuple[str | None, Scores], ...]:
        """The voice of each of its texts, its own first, and what was measured of it; as `ManifestRow.said`."""
        own = (self.voice, self.scores)
        return (own,) if self.asked is None else (own, (self.asked.voice, self.asked.scores))

    @property
    def voice(self) -> str | None:
        """The one that spoke, which may be the model's default; of a row without a take, the one that was planned."""
        spoken = self.speech.utterance if self.speech else self.utterance
        return spoken.voice if spoken else None

    @property
    def _given(self) -> Sequence[Passage]:
        """What the answer was given with its question."""
        asked = self.answer.question if self.answer else self.question
        return asked.passages if asked else ()

    @property
    def reason(self) -> str | None:
        """Why the row is not ok."""
        if self.failure is not None:
            return f"{self.failure.stage}: {self.failure.error}"
        of_question = of_the_question(self.asked.verdict.reason) if self.asked and self.asked.verdict else None
        reasons = (of_question, self.verdict.reason if self.verdict else None)
        return "; ".join(filter(None, reasons)) or None

    def _finish_reason(self) -> FinishReason | None:
        """The take's, unless it is `stop`: then the answer's, which may have been cut at `max_tokens`."""
        if self.speech is not None and self.speech.finish_reason != "stop":
            return self.speech.finish_reason
        if self.answer is not None:
            return self.answer.finish_reason
        return self.speech.finish_reason if self.speech else None


def of_the_question(reason: str | None) -> str | None:
    """What is said of a row whose question is at fault, where its answer is spoken, too."""
    return None if reason is None else f"of the question: {reason}"
