"""Questions as they come out of a microphone: said by Piper, once a process."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from voicegen.audio.resample import resample
from voicegen.records import Utterance
from voicegen.tts.piper.speech import PiperSpeech
from voicegen.tts.speaking import speak_one

CAPITAL = "What is the capital of France?"
ANSWER = "Paris is the capital of France, and it has been so for many hundreds of years."


@cache
def piper() -> PiperSpeech:
    return PiperSpeech.load()


@cache
def said(text: str, rate: int = 24_000) -> NDArray[np.float32]:
    """Samples (N,) of a text, without anything around it."""
    speech = speak_one(piper(), Utterance(0, text))
    return resample(speech.samples, speech.sampling_rate, rate)


def silence(seconds: float, rate: int = 24_000) -> NDArray[np.float32]:
    """Almost: a microphone is never quite still."""
    return np.random.default_rng(1).normal(0, 1e-4, round(seconds * rate)).astype(np.float32)


def among_silence(samples: NDArray[np.float32], rate: int = 24_000) -> NDArray[np.float32]:
    """With half a second before it and a whole one after it."""
    return np.concatenate([silence(0.5, rate), samples, silence(1.0, rate)])
