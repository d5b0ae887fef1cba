"""All that was heard of the takes of one text, and which of them is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

from voicegen.quality.listener import Hearing
from voicegen.records import Speech, TakeRecord, Utterance
from voicegen.seeds import take_seed


@dataclass(frozen=True, slots=True)
class Heard:
    """The takes of a text so far: a record of each, and the best with what was heard of it."""

    takes: tuple[TakeRecord, ...] = ()
    best: tuple[Speech, Hearing] | None = None

    @property
    def kept(self) -> tuple[Speech, Hearing]:
        """The best take, where one was heard."""
        assert self.best is not None
        return self.best

    def with_take(self, utterance: Utterance, speech: Speech, hearing: Hearing) -> Heard:
        """The same and another take; of those that are equally bad, the first is the best."""
        verdict = hearing.verdict
        reason = verdict.faults or verdict.reason
        record = TakeRecord(utterance.attempt, utterance.seed, verdict.status, verdict.excess, reason)
        better = self.best is None or verdict.badness < self.best[1].verdict.badness
        return replace(
            self, takes=(*self.takes, record), best=(hearing.finished or speech, hearing) if better else self.best
        )


def at_next_attempt(utterance: Utterance, seed: int) -> Utterance:
    """The utterance for its next take; `seed` is the one that drew the first."""
    attempt = utterance.attempt + 1
    return replace(utterance, seed=take_seed(seed, attempt), attempt=attempt)
