"""The starter models timed against the plain way of using them: ask, speak, write, next question."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from voicegen import build
from voicegen.bench.plain_mlx import PlainMlx
from voicegen.bench.questions import NAIVE_EVERY, questions_of
from voicegen.chat.mlx.spec import MLXSettings
from voicegen.config import JobConfig
from voicegen.errors import ConfigError
from voicegen.job.run_job import run_job
from voicegen.records import Failure, Question, Utterance
from voicegen.tts.piper.spec import PiperSettings


@dataclass(frozen=True, slots=True)
class SpeechTiming:
    """What one way of doing it took, and made."""

    name: str
    rows: int
    seconds: float
    audio_seconds: float

    @property
    def speedup(self) -> float:
        """Times real time."""
        return self.audio_seconds / self.seconds


def bench_speech(config: JobConfig) -> None:
    """Times speaking one utterance after another with Piper's own package against the batched backend."""
    texts = [question.text for question in questions_of(config)]
    model = build.speech_model(config)
    utterances = [Utterance(index, text, seed=index) for index, text in enumerate(texts)]
    plain = PlainLoop(config)
    one_by_one = _timed("piper-tts, one at a time", texts, lambda: sum(map(plain.speak, texts)))
    batched = _timed(
        "voicegen",
        texts,
        lambda: sum(speech.duration for speech in model.speak(utterances) if not isinstance(speech, Failure)),
    )
    _print_table("speaking", [one_by_one, batched])


def bench_run(config: JobConfig) -> None:
    """Times the whole job against the plain loop over the same questions; loading the models is left out of both."""
    questions = questions_of(config)
    plain = PlainLoop(config)
    plain.answer_and_speak(questions[0])  # the first call compiles
    chosen = questions[::NAIVE_EVERY]
    naive = _timed("ask, speak, write, next", chosen, lambda: sum(map(plain.answer_and_speak, chosen)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "questions.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["question"], *([question.text] for question in questions)])
        summary = run_job(_job(config, path, Path(folder) / "run"))
    ours = SpeechTiming("voicegen run", summary.session_rows, summary.session_seconds, summary.session_audio_seconds)
    _print_table("the whole run", [naive, ours])


class PlainLoop:
    """The same models used the plain way: mlx-lm's `stream_generate`, piper-tts's `synthesize`, soundfile's `write`.

    Raises:
        ConfigError: the settings name other backends than mlx and piper.
    """

    def __init__(self, config: JobConfig) -> None:
        if not isinstance(config.chat, MLXSettings) or not isinstance(config.tts, PiperSettings):
            raise ConfigError("this benchmark is for kinds mlx and piper: leave chat and tts at the starter preset's")
        from piper import PiperVoice

        from voicegen.chat.mlx.loading import load
        from voicegen.model_files import find_model
        from voicegen.tts.piper.speech import voice_file

        loaded = load(find_model(config.chat.model, revision=config.chat.revision))
        self._chat = PlainMlx(loaded.model, loaded.tokenizer, config.chat)
        self._voice = PiperVoice.load(voice_file(config.tts.model))
        self._folder = tempfile.TemporaryDirectory()
        self._written = 0

    def answer_and_speak(self, question: Question) -> float:
        """Answers and speaks one question into a WAV; returns its seconds of audio."""
        return self.speak("".join(self._chat.pieces(question)))

    def speak(self, text: str) -> float:
        """Speaks one text into a WAV; returns its seconds of audio."""
        pieces = [chunk.audio_float_array for chunk in self._voice.synthesize(text)]
        samples = np.concatenate(pieces) if pieces else np.zeros(1, np.float32)
        rate = self._voice.config.sample_rate
        soundfile.write(Path(self._folder.name) / f"{self._written:06d}.wav", samples, rate, subtype="PCM_16")
        self._written += 1
        return len(samples) / float(rate)


def _job(config: JobConfig, questions: Path, output_dir: Path) -> JobConfig:
    plain = config.questions.model_copy(
        update={"path": questions, "format": "csv", "text_column": "question", "limit": None}
    )
    return config.model_copy(update={"questions": plain, "output_dir": output_dir, "overwrite": False})


def _timed(name: str, asked: Sequence[object], work: Callable[[], float]) -> SpeechTiming:
    began = time.perf_counter()
    audio_seconds = work()
    return SpeechTiming(name, len(asked), time.perf_counter() - began, audio_seconds)


def _print_table(title: str, timings: Sequence[SpeechTiming]) -> None:
    """A line a way of doing it; the last column is the ratio to the first."""
    print(f"\n{title:<28} {'rows':>6} {'seconds':>9} {'audio s':>9} {'x real time':>12} {'ratio':>7}")
    for timing in timings:
        print(
            f"{timing.name:<28} {timing.rows:>6} {timing.seconds:>9.1f} {timing.audio_seconds:>9.1f} "
            f"{timing.speedup:>12.2f} {timing.speedup / timings[0].speedup:>7.2f}"
        )
