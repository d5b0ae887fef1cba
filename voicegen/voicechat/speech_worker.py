"""Speaks an answer, piece by piece, on a thread of its own while the rest of it is being written.

The chat model keeps the thread that it was loaded on (MLX's streams belong to a thread); the voice works here. A
question that comes in between makes a new generation, and whatever was still being spoken for an older one is dropped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import VoicegenError
from voicegen.protocols import SpeechModel
from voicegen.records import FinishReason, Utterance
from voicegen.seeds import derived_seed
from voicegen.tts.joining import Joiner
from voicegen.tts.speaking import stream_one, worst
from voicegen.voicechat.playback import Player


class SpokenAnswer:
    """One answer while it is being spoken, and what was spoken of it. `SpeechWorker.begin` makes it.

    Attributes:
        generation: the number of the answer; one with a larger number ends it.
        texts: the pieces that were spoken, in order.
        failures: why pieces could not be spoken.
        finish_reason: of the takes; the worst of them.
        first_audio_at: `time.monotonic()` when the first samples were there.
        seconds: that the voice took.
        sampling_rate: of the samples, in Hz.
        over: set when nothing more will be spoken.
    """

    def __init__(self, generation: int, sampling_rate: int, voice: str | None, seed: int) -> None:
        self.generation = generation
        self.sampling_rate = sampling_rate
        self.voice = voice
        self.seed = seed
        self.texts: list[str] = []
        self.failures: list[str] = []
        self.finish_reason: FinishReason = "stop"
        self.first_audio_at: float | None = None
        self.seconds = 0.0
        self.over = threading.Event()
        self.error: BaseException | None = None
        self.joiner = Joiner(sampling_rate)
        self.chunks: list[NDArray[np.float32]] = []

    @property
    def samples(self) -> NDArray[np.float32]:
        """Everything spoken so far, float32 mono (N,)."""
        return np.concatenate(self.chunks) if self.chunks else np.zeros(0, dtype=np.float32)

    @property
    def duration(self) -> float:
        """Seconds of audio so far."""
        return sum(map(len, self.chunks)) / self.sampling_rate


class SpeechWorker:
    """Speaks one answer at a time, in the order of its pieces, into a player and into a recording.

    Args:
        model: the voice; frames are passed on as they come where it streams.
        player: what plays them.
    """

    def __init__(self, model: SpeechModel, player: Player) -> None:
        self._model = model
        self._player = player
        self._jobs: SimpleQueue[tuple[SpokenAnswer, str | None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._generation = 0
        self._answer: SpokenAnswer | None = None
        self._thread = threading.Thread(target=self._work, name="speech", daemon=True)
        self._thread.start()

    def begin(self, voice: str | None = None, seed: int = 0) -> SpokenAnswer:
        """Starts an answer and ends the one before it."""
        self.interrupt()
        self._answer = SpokenAnswer(self._generation, self._model.sample_rate, voice, seed)
        return self._answer

    def say(self, answer: SpokenAnswer, text: str) -> None:
        """Has a piece spoken after those before it. Returns at once."""
        self._jobs.put((answer, text))

    def finish(self, answer: SpokenAnswer) -> None:
        """Says that the answer has no more pieces. Returns at once; `answer.over` is set when all are spoken."""
        self._jobs.put((answer, None))

    def interrupt(self) -> None:
        """Falls silent at once and drops what the answer still has to say."""
        with self._lock:
            self._generation += 1
            self._player.stop()
            if self._answer is not None:
                self._answer.over.set()

    def close(self) -> None:
        """Ends the thread; a piece that is being spoken is finished first."""
        self.interrupt()
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            answer, text = job
            if answer.generation != self._generation:
                continue
            try:
                if text is None:
                    self._end(answer)
                else:
                    self._speak(answer, text)
            except VoicegenError as error:
                answer.failures.append(str(error))
            except Exception as error:  # for the thread that waits to raise
                answer.error = error
                answer.over.set()

    def _speak(self, answer: SpokenAnswer, text: str) -> None:
        part = len(answer.texts) + len(answer.failures)
        utterance = Utterance(answer.generation, text, answer.voice, derived_seed(answer.seed, part), part)
        frames = self._frames(answer, utterance)
        started = time.monotonic()
        try:
            for samples in frames:
                answer.seconds += time.monotonic() - started
                if not self._pass_on(answer, answer.joiner.add(samples)):
                    return
                started = time.monotonic()
        finally:
            frames.close()
        self._pass_on(answer, answer.joiner.next_part(text))
        answer.texts.append(text)

    def _frames(self, answer: SpokenAnswer, utterance: Utterance) -> Generator[NDArray[np.float32], None, None]:
        reason = yield from stream_one(self._model, utterance)
        answer.finish_reason = worst(answer.finish_reason, reason)

    def _pass_on(self, answer: SpokenAnswer, samples: NDArray[np.float32]) -> bool:
        """Gives samples to player and recording; false when the answer was interrupted meanwhile."""
        with self._lock:
            if answer.generation != self._generation:
                return False
            if len(samples):
                if answer.first_audio_at is None:
                    answer.first_audio_at = time.monotonic()
                self._player.play(samples)
                answer.chunks.append(samples)
            return True

    def _end(self, answer: SpokenAnswer) -> None:
        with self._lock:
            if answer.generation == self._generation:
                self._player.finish()
                answer.over.set()
