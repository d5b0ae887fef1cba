"""One question's answer while it is written and spoken, and what becomes of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicegen.quality.verdict import Verdict, judge
from voicegen.records import ChatUsage, FinishReason, Passage, Speech, Stage, Utterance
from voicegen.text.wording import Wording
from voicegen.voicechat.sentences import SpeakablePieces
from voicegen.voicechat.speech_worker import SpeechWorker, SpokenAnswer

_WAIT: Final = 0.03  # seconds


@dataclass(frozen=True, slots=True)
class Timings:
    """How long an answer took, in seconds from the question on.

    Attributes:
        first_token: until the first word of the answer was there.
        last_token: until the answer was written.
        first_audio: until the first samples were there; None if nothing was spoken.
        speaking: that the voice worked, in all.
        audio: the length of the audio.
    """

    first_token: float | None
    last_token: float
    first_audio: float | None
    speaking: float
    audio: float

    @property
    def speedup(self) -> float | None:
        """Times real time: seconds of audio made in a second of the voice's work."""
        return self.audio / self.speaking if self.speaking else None


@dataclass(frozen=True, slots=True)
class SpokenReply:
    """An answer as written and as spoken.

    Attributes:
        text: as the model wrote it.
        spoken: as it was said aloud.
        samples: the audio, float32 mono (N,) at `sampling_rate` Hz; empty when nothing was spoken.
        audio_path: the WAV, where one was saved.
        interrupted: whether it was stopped before its last word was written and spoken.
        failures: why pieces of it could not be spoken.
        finish_reason: of the speech: `length` where it was interrupted, else the worst of its takes.
        usage: tokens; None where the answer was interrupted while it was written.
        voice: that spoke; None for the model's default.
        seed: of the voice.
        left_out: what of the text was not said.
        problem: why that is too much.
        passages: of documents, that the model was given with the question.
    """

    text: str
    spoken: str
    samples: NDArray[np.float32]
    sampling_rate: int | None
    audio_path: Path | None
    interrupted: bool
    failures: tuple[str, ...]
    finish_reason: FinishReason
    timings: Timings
    usage: ChatUsage | None
    voice: str | None
    seed: int
    left_out: tuple[str, ...] = ()
    problem: str | None = None
    passages: tuple[Passage, ...] = ()

    @property
    def take(self) -> Speech | None:
        """What was spoken as one take; None for an answer in writing only."""
        if self.sampling_rate is None:
            return None
        utterance = Utterance(0, self.spoken, self.voice, self.seed, left_out=self.left_out)
        return Speech(utterance, self.samples, self.sampling_rate, self.finish_reason, self.timings.speaking)

    @property
    def failure(self) -> tuple[Stage, str] | None:
        """Where and why there is no take of the whole answer that could be judged."""
        if self.failures:
            return "tts", self.failures[0]
        if len(self.samples) or self.sampling_rate is None:
            return None
        if self.interrupted:
            return "tts", "interrupted before a word of it was spoken"
        return None if self.spoken else ("text", self.problem or "the answer holds nothing to say aloud")

    @property
    def verdict(self) -> Verdict:
        """What the sound of the answer is worth, as a run would say; in writing only it is ok."""
        if self.failure is not None:
            return Verdict("failed", self.failure[1])
        if self.take is None:
            return Verdict()
        verdict = judge(self.take)
        if verdict.status == "ok" and self.problem is not None:
            return Verdict("rejected", self.problem)
        return verdict


class SpokenTurn:
    """One question's answer while it is written and spoken.

    Args:
        worker: what speaks it; None for an answer in writing only.
        voice: that says it.
        wording: how the answer is put in words.
        seed: of the voice.
    """

    def __init__(self, worker: SpeechWorker | None, voice: str | None, wording: Wording, seed: int) -> None:
        self._asked_at = time.monotonic()
        self._first_token_at: float | None = None
        self._last_token_at = self._asked_at
        self._worker = worker
        self._pieces = SpeakablePieces(wording)
        self.speech: SpokenAnswer | None = worker.begin(voice, seed) if worker else None
        self._voice = voice
        self._seed = seed
        self.text = ""
        self.interrupted = False
        self.usage: ChatUsage | None = None
        self.passages: tuple[Passage, ...] = ()

    def take(self, delta: str) -> str:
        """Takes what the model wrote, and returns it without the white space before the first word."""
        if not self.text:
            delta = delta.lstrip()
        if delta and self._first_token_at is None:
            self._first_token_at = time.monotonic()
        self._last_token_at = time.monotonic()
        self.text += delta
        return delta

    def say(self, text: str) -> None:
        """Has whatever `text` completes spoken."""
        for piece in self._pieces.add(text):
            self._say(piece)

    def finish(self) -> None:
        """Has the rest spoken."""
        if self._worker is None or self.speech is None:
            return
        for piece in self._pieces.finish(cut=self.usage is not None and self.usage.finish_reason == "length"):
            self._say(piece)
        self._worker.finish(self.speech)

    def spoken_out(self) -> bool:
        """Waits a moment, and returns whether everything was spoken.

        Raises:
            Exception: a bug in the voice, as it was raised.
        """
        if self.speech is None:
            return True
        over = self.speech.over.wait(_WAIT)
        if self.speech.error is not None:
            raise self.speech.error
        return over

    def interrupt(self) -> None:
        """Ends the turn before its end."""
        self.interrupted = True
        self.silence()

    def silence(self) -> None:
        """Stops speaking and playing at once."""
        if self._worker is not None:
            self._worker.interrupt()

    def reply(self) -> SpokenReply:
        """What has become of the turn."""
        speech = self.speech
        return SpokenReply(
            text=self.text.strip(),
            spoken=" ".join(speech.texts) if speech else "",
            samples=speech.samples if speech else np.zeros(0, dtype=np.float32),
            sampling_rate=speech.sampling_rate if speech else None,
            audio_path=None,
            interrupted=self.interrupted,
            failures=tuple(dict.fromkeys(speech.failures)) if speech else (),
            finish_reason=self._finish_reason(),
            timings=self._timings(),
            usage=self.usage,
            voice=self._voice,
            seed=self._seed,
            left_out=tuple(self._pieces.left_out),
            problem=self._pieces.problem,
            passages=self.passages,
        )

    def _finish_reason(self) -> FinishReason:
        if self.interrupted:
            return "length"
        return self.speech.finish_reason if self.speech else "stop"

    def _timings(self) -> Timings:
        speech = self.speech
        first_audio_at = speech.first_audio_at if speech else None
        return Timings(
            first_token=None if self._first_token_at is None else self._first_token_at - self._asked_at,
            last_token=self._last_token_at - self._asked_at,
            first_audio=None if first_audio_at is None else first_audio_at - self._asked_at,
            speaking=speech.seconds if speech else 0.0,
            audio=speech.duration if speech else 0.0,
        )

    def _say(self, piece: str) -> None:
        if self._worker is not None and self.speech is not None:
            self._worker.say(self.speech, piece)
