"""A voice that is bad at random, by the seed of each take: what listening is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from voicegen.protocols import SpeechModel, Traits
from voicegen.records import Failure, Speech, Utterance

Samples = NDArray[np.float32]


def _garbled(samples: Samples, rate: int, rng: np.random.Generator) -> Samples:
    """Pieces of 60 ms in any order."""
    piece = round(0.06 * rate)
    pieces = [samples[start : start + piece] for start in range(0, len(samples), piece)]
    return np.concatenate([pieces[place] for place in rng.permutation(len(pieces))])


def _without_head(samples: Samples, _rate: int, _rng: np.random.Generator) -> Samples:
    return samples[len(samples) * 2 // 5 :]


def _without_tail(samples: Samples, _rate: int, _rng: np.random.Generator) -> Samples:
    return samples[: len(samples) * 3 // 5]


def _endless(samples: Samples, rate: int, rng: np.random.Generator) -> Samples:
    """Goes on in pieces of what was said, until it has taken five times its time."""
    length = max(round(0.3 * rate), 1)
    starts = rng.integers(0, max(len(samples) - length, 1), size=4 * len(samples) // length)
    return np.concatenate([samples, *(samples[start : start + length] for start in starts)])


def _repeating(samples: Samples, rate: int, _rng: np.random.Generator) -> Samples:
    """Says 1.2 seconds of its middle twice."""
    start, length = len(samples) // 4, min(round(1.2 * rate), len(samples) // 2)
    return np.concatenate([samples[: start + length], samples[start:]])


def _silent(samples: Samples, _rate: int, _rng: np.random.Generator) -> Samples:
    return np.zeros_like(samples)


def _undefined(samples: Samples, _rate: int, _rng: np.random.Generator) -> Samples:
    broken = samples.copy()
    broken[len(broken) // 2] = np.nan
    return broken


SPOILT: dict[str, Callable[[Samples, int, np.random.Generator], Samples]] = {
    "garbled": _garbled,
    "head cut": _without_head,
    "tail cut": _without_tail,
    "never stops": _endless,
    "repeats": _repeating,
    "silence": _silent,
    "NaN": _undefined,
}
"""What a take becomes, by the kind of fault; `wrong text` is said by the voice itself."""

KINDS = (*SPOILT, "wrong text")


class BadVoice:
    """A voice whose takes are bad by a chance; which are, and how, is by their seeds alone.

    Args:
        voice: that speaks.
        chance: of a bad take, 0 to 1.
        kinds: of faults, all as likely.

    Attributes:
        faults: by the seed of each take that was made bad, the kind of its fault.
    """

    def __init__(self, voice: SpeechModel, chance: float, kinds: tuple[str, ...] = KINDS) -> None:
        self.info = voice.info
        self.sample_rate = voice.sample_rate
        self.faults: dict[int, str] = {}
        self._voice = voice
        self._chance = chance
        self._kinds = kinds

    @property
    def traits(self) -> Traits:
        """None besides speaking."""
        return Traits()

    def speak(self, utterances: Iterable[Utterance | None]) -> Iterator[Speech | Failure]:
        """Yields one record an utterance, as the voice does."""
        given: dict[int, Utterance] = {}

        def said() -> Iterator[Utterance | None]:
            for utterance in utterances:
                if utterance is not None:
                    given[utterance.index] = utterance
                yield None if utterance is None else self._as_said(utterance)

        for record in self._voice.speak(said()):
            yield record if isinstance(record, Failure) else self._spoilt(record, given.pop(record.utterance.index))

    def fault(self, seed: int) -> str | None:
        """The kind of fault of takes that this seed draws."""
        rng = np.random.default_rng(seed)
        return str(rng.choice(self._kinds)) if rng.random() < self._chance else None

    def _as_said(self, utterance: Utterance) -> Utterance:
        if self.fault(utterance.seed) != "wrong text":
            return utterance
        words = utterance.text.split()
        return replace(utterance, text=" ".join(reversed(words)).strip(".?! ") + ".")

    def _spoilt(self, speech: Speech, utterance: Utterance) -> Speech:
        kind = self.fault(utterance.seed)
        speech = replace(speech, utterance=replace(speech.utterance, text=utterance.text))
        if kind is None:
            return speech
        self.faults[utterance.seed] = kind
        if kind not in SPOILT:
            return speech
        rng = np.random.default_rng(utterance.seed)
        return replace(speech, samples=SPOILT[kind](speech.samples, speech.sampling_rate, rng))
