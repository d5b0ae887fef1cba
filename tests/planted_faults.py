"""Faults as speech models make them, planted in good takes: what a check is worth is what it finds of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from voicegen.audio.stretch import stretch
from voicegen.records import Speech

Samples = NDArray[np.float32]
Fault = Callable[[Samples, int, Samples, np.random.Generator], Samples]
"""Plants a fault: from samples, their rate, the samples of another text by the same voice, and what draws places."""


def _sound(samples: Samples, rate: int) -> tuple[int, int]:
    """Where speech begins and ends: first and last sample of 10 ms within 40 dB of the loudest."""
    step = rate // 100
    frames = samples[: len(samples) // step * step].reshape(-1, step)
    level = np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1))
    loud = np.flatnonzero(level > 0.01 * level.max())
    return int(loud[0]) * step, (int(loud[-1]) + 1) * step


def _quiet(samples: Samples, rate: int, near: int) -> int:
    """The quietest sample's place within 150 ms of `near`: between words, mostly."""
    width = rate // 50
    power = np.convolve(np.square(samples), np.ones(width), "same")
    first = max(0, near - round(0.15 * rate))
    return first + int(np.argmin(power[first : near + round(0.15 * rate)]))


def head_cut(seconds: float) -> Fault:
    """Speech loses its first `seconds`; nothing is before it."""
    return lambda samples, rate, _other, _draw: samples[_sound(samples, rate)[0] + round(seconds * rate) :]


def tail_cut(seconds: float) -> Fault:
    """Speech loses its last `seconds`; nothing is after it."""
    return lambda samples, rate, _other, _draw: samples[: _sound(samples, rate)[1] - round(seconds * rate)]


def _middle_removed(samples: Samples, rate: int, _other: Samples, draw: np.random.Generator) -> Samples:
    """15 percent of the speech are missing, from a pause or so to another place."""
    first, last = _sound(samples, rate)
    missing = round(0.15 * (last - first))
    start = round(draw.uniform(first + 0.2 * (last - first), last - 0.2 * (last - first) - missing))
    return np.concatenate([samples[:start], samples[start + missing :]])


def repeated(times: int) -> Fault:
    """0.6 to 1.5 s are said `times` times more, from a quiet place to another, as by a model that loops."""

    def plant(samples: Samples, rate: int, _other: Samples, draw: np.random.Generator) -> Samples:
        first, last = _sound(samples, rate)
        length = min(round(draw.uniform(0.6, 1.5) * rate), (last - first) // 2)
        start = _quiet(samples, rate, round(draw.uniform(first, last - length)))
        end = max(_quiet(samples, rate, start + length), start + rate // 4)
        return np.concatenate([samples[:end], *[samples[start:end]] * times, samples[end:]])

    return plant


def silence(place: float, seconds: float) -> Fault:
    """The take's own quietest 50 ms, over and over, at a place between 0, its beginning, and 1, its end."""

    def plant(samples: Samples, rate: int, _other: Samples, _draw: np.random.Generator) -> Samples:
        step = rate // 20
        frames = samples[: len(samples) // step * step].reshape(-1, step)
        still = frames[np.argmin(np.square(frames).sum(axis=1))]
        cut = round(place * len(samples)) if place in (0, 1) else _quiet(samples, rate, round(place * len(samples)))
        return np.concatenate([samples[:cut], np.resize(still, round(seconds * rate)), samples[cut:]])

    return plant


def _never_stops(samples: Samples, rate: int, other: Samples, _draw: np.random.Generator) -> Samples:
    """Goes on with other words after its text, to thrice its length."""
    return np.concatenate([samples, np.resize(other, 2 * len(samples))])


def _as_loud(noise: Callable[[int, int, np.random.Generator], NDArray[np.float64]]) -> Fault:
    """Something else in the place of every sample, as loud as the take."""

    def plant(samples: Samples, rate: int, _other: Samples, draw: np.random.Generator) -> Samples:
        made = noise(len(samples), rate, draw)
        return (made * np.sqrt(np.mean(np.square(samples)) / np.mean(np.square(made)))).astype(np.float32)

    return plant


def _buzz(length: int, rate: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """A saw of 80 to 300 Hz."""
    return np.arange(length) * draw.uniform(80, 300) / rate % 1 - 0.5


def _noise_in_outline(samples: Samples, rate: int, _other: Samples, draw: np.random.Generator) -> Samples:
    """White noise that is loud where the take is."""
    outline = np.convolve(np.abs(samples), np.ones(rate // 50) / (rate // 50), "same")
    return (outline * draw.normal(size=len(samples))).astype(np.float32)


FAULTS: Mapping[str, Fault] = {
    "head cut 0.1 s": head_cut(0.1),
    "head cut 0.2 s": head_cut(0.2),
    "head cut 0.3 s": head_cut(0.3),
    "head cut 0.6 s": head_cut(0.6),
    "tail cut 0.1 s": tail_cut(0.1),
    "tail cut 0.3 s": tail_cut(0.3),
    "tail cut 0.6 s": tail_cut(0.6),
    "middle removed": _middle_removed,
    "repeated once": repeated(1),
    "repeated thrice": repeated(3),
    "silence within": silence(0.5, 2.0),
    "silence before": silence(0, 2.0),
    "silence after": silence(1, 2.0),
    "clipped": lambda samples, *_: np.clip(samples * (4 / np.abs(samples).max()), -1, 1),
    "off centre": lambda samples, *_: samples + np.float32(0.05),
    "another text": lambda _samples, _rate, other, _draw: other,
    "twice as fast": lambda samples, rate, *_: stretch(samples, rate, 2.0),
    "never stops": _never_stops,
    "all noise": _as_loud(lambda length, _rate, draw: draw.normal(size=length)),
    "noise in outline": _noise_in_outline,
    "all a buzz": _as_loud(_buzz),
    "backwards": lambda samples, *_: samples[::-1],
    "faint": lambda samples, *_: samples * np.float32(0.01),
    "all silent": lambda samples, *_: samples * np.float32(1e-4),
}


def planted(fault: str, speech: Speech, other: Speech, seed: int) -> Speech:
    """The take with a fault in it; `other` is another text's, by the same voice."""
    plant = FAULTS[fault]
    samples = plant(speech.samples, speech.sampling_rate, other.samples, np.random.default_rng(seed))
    return replace(speech, samples=np.ascontiguousarray(samples, dtype=np.float32))
