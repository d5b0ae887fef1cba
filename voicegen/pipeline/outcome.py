"""What is known of a row when it leaves the stages, whether it got through them or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from voicegen.quality.verdict import Verdict
from voicegen.records import (
    Answer,
    Clip,
    Failure,
    FinishReason,
    ManifestRow,
    Question,
    Scores,
    Speech,
    Status,
    TakeRecord,
    Utterance,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row after its last stage: a `speech` and its `verdict`, or the `failure` that ended it, and what was before.

    A text that may not be spoken has a verdict without a speech. `takes` are all that were made of it in this session,
    `scores` what was measured of the one that is kept.
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

    @classmethod
    def of_take(cls, answer: Answer, utterance: Utterance, speech: Speech, verdict: Verdict) -> Outcome:
        """The row of a take that was judged; one that is no audio fails it."""
        failed = verdict.status == "failed" and verdict.reason
        failure = Failure(utterance.index, "write", failed) if failed else None
        kept = None if failed else speech
        return cls(utterance.index, answer.question, answer, utterance, kept, verdict, failure)

    def to_row(
        self, clip: Clip | None, keep_reasoning: bool, attempt: int, earlier: Sequence[TakeRecord] = ()
    ) -> ManifestRow:
        """The ledger's row.

        Args:
            clip: the audio of the take that was kept.
            keep_reasoning: whether the answer's reasoning goes in.
            attempt: at the row, with which this session began.
            earlier: takes of the row from before this session.
        """
        answer, speech = self.answer, self.speech
        attempts = self.takes[-1].attempt if self.takes else attempt
        return ManifestRow(
            index=self.index,
            status=self.status,
            seed=self.question.seed if self.question else 0,
            answer=answer.text if answer else None,
            answer_spoken=(self.utterance.text or None) if self.utterance else None,
            left_out=self.utterance.left_out if self.utterance else (),
            answer_cut=bool(self.utterance and self.utterance.answer_cut),
            rewritten=bool(self.utterance and self.utterance.rewritten),
            reasoning=answer.reasoning if answer and keep_reasoning else None,
            voice=self.voice,
            clip=clip,
            error=self._error(),
            finish_reason=self._finish_reason(),
            attempts=attempts,
            began=attempt if attempt != attempts else None,
            takes=(*earlier, *self.takes),
            scores=self.scores,
            prompt_tokens=answer.prompt_tokens if answer else None,
            completion_tokens=answer.completion_tokens if answer else None,
            chat_seconds=round(answer.seconds, 4) if answer else None,
            tts_seconds=round(speech.seconds, 4) if speech else None,
        )

    @property
    def status(self) -> Status:
        """How the row ended."""
        return "failed" if self.failure is not None or self.verdict is None else self.verdict.status

    @property
    def voice(self) -> str | None:
        """The one that spoke, which may be the model's default; of a row without a take, the one that was planned."""
        spoken = self.speech.utterance if self.speech else self.utterance
        return spoken.voice if spoken else None

    def _error(self) -> str | None:
        if self.failure is not None:
            return f"{self.failure.stage}: {self.failure.error}"
        return self.verdict.reason if self.verdict else None

    def _finish_reason(self) -> FinishReason | None:
        """The take's, unless it is `stop`: then the answer's, which may have been cut at `max_tokens`."""
        if self.speech is not None and self.speech.finish_reason != "stop":
            return self.speech.finish_reason
        return self.answer.finish_reason if self.answer else None
