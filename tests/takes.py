"""Takes to listen to: some that are like speech in what checks look at, and some that a real voice spoke."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from voicegen.records import Speech, Utterance

RATES = (16_000, 22_050, 24_000, 48_000)
SPOKEN = (
    "The quick brown fox jumps over the lazy dog near the old stone bridge.",
    "Water boils at one hundred degrees Celsius at sea level.",
    "She asked whether the train to Edinburgh had already left, and nobody knew.",
    "Copper wires carry electric current very well.",
)


def take(samples, text="Some words that are said.", rate=16_000, voice=None, index=0) -> Speech:
    return Speech(Utterance(index, text, voice), np.asarray(samples, np.float32), rate)


def syllables(seconds: float, rate: int = 16_000, seed: int = 0, noise: float = 1e-4) -> np.ndarray:
    """(N,) bursts of changing pitch and colour, five a second, over a floor of noise; quiet at both ends."""
    draw = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    place = (time * 5).astype(int)
    count = place.max(initial=0) + 1
    pitch = draw.uniform(90, 250, count)[place]
    colours = draw.uniform(0, 1, (count, 12)).T.copy()
    angle = 2 * np.pi * pitch * time
    wave, before, twice = np.sin(angle), np.zeros_like(angle), 2 * np.cos(angle)
    sound = np.zeros_like(angle)
    for harmony in range(12):
        if 250 * (harmony + 1) < rate / 2:
            sound += colours[harmony].take(place) * wave
        wave, before = twice * wave - before, wave  # sin((k + 1)x) = 2 cos(x) sin(kx) - sin((k - 1)x)
    envelope = np.sin(5 * np.pi * time) ** 2
    loud = 0.2 * sound * envelope / max(float(np.abs(sound).max(initial=0)), 1e-9)
    return (loud + noise * draw.standard_normal(len(time))).astype(np.float32)


def still(seconds: float, rate: int = 16_000, noise: float = 1e-4) -> np.ndarray:
    return (noise * np.random.default_rng(1).standard_normal(round(seconds * rate))).astype(np.float32)


@cache
def piper() -> Sequence[Speech]:
    """The sentences above, spoken by the starter voice."""
    from voicegen.tts.piper.speech import PiperSpeech

    spoken = PiperSpeech.load(threads=1).speak(Utterance(index, text) for index, text in enumerate(SPOKEN))
    return sorted(spoken, key=lambda speech: speech.utterance.index)
