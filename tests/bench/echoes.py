"""How many echoes, and how many users, are held for an echo (`voicegen.webserver.realtime.echo`).

    python -m tests.bench.echoes [--repeats 3] [--windows 100]

The starter's voice says answers; a player that waits and leaves out plays them, without gaps and with some 1.5 and 4
in a second; a microphone hears that itself, in a room with six reflections, and in one that rings for a quarter of a
second, with noise 20 to 35 dB below. Users, in that voice and in it made lower and higher, say other words over no
echo, and over an echo as loud as themselves. Looked at is whatever the detector hears somebody begin in; of each kind
so many windows, by how many gaps lie in them. An echo is to be held for one, and nobody else.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import soxr
from numpy.typing import NDArray
from tqdm import tqdm

from tests.spoken_questions import said, silence
from voicegen.quality.recognizers.silero import Activity, load_detector
from voicegen.webserver.ears import RATE as EARS
from voicegen.webserver.realtime.echo import HEARD, Played
from voicegen.webserver.realtime.hearing import Hearing
from voicegen.webserver.realtime.session import ServerVad

ANSWERS: Final = (
    "Paris is the capital of France, and it has been so for many hundreds of years.",
    "Three to five minutes, in water that has just boiled, and not a moment longer than that.",
    "They tell the others where flowers are: the angle gives the direction and the length the distance.",
    "Good morning to you. I would say that the weather today is rather cold, with some rain in the evening.",
    "The Moon is about three hundred and eighty thousand kilometres from the Earth, more or less.",
    "Light travels at almost three hundred thousand kilometres per second, which nothing else does.",
    "My favourite thing about the sea is how it sounds at night, when nobody else is there to listen.",
    "You should first add the flour, then the eggs, and only after that slowly pour in the warm milk.",
)
USERS: Final = (
    "What is the capital of Germany?",
    "Stop, please, I have another question.",
    "No, that is not what I meant.",
    "Wait a moment.",
    "Why is the sky blue?",
    "Tell me about something else.",
    "Okay, thank you, that is enough.",
    "Hold on, could you say that again?",
    "Yes.",
    "Can I ask you something?",
)
RATE: Final = 24_000  # Hz
_GAPS: Final = (0.0, 1.5, 4.0)  # in a second
_WAITS: Final = (10, 10, 20, 30, 50, 100, 150, 200, 300)  # ms
_LEAVES_OUT: Final = (5, 10, 20, 50, 100)  # ms
_PITCHES: Final = (0.8, 1.0, 1.25)

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Window:
    """What a microphone gave before the second `now`, and what was played from the second 0 on."""

    heard: Samples
    now: float
    answer: int

    def is_held_for_an_echo(self, answer: int) -> bool:
        """Of that answer."""
        played = Played()
        played.add(said(ANSWERS[answer]), 0.0)
        return played.is_heard_in(self.heard, self.now)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="players and rooms for each text")
    parser.add_argument("--windows", type=int, default=100, help="of a kind")
    options = parser.parse_args()
    draw = np.random.default_rng(5)
    kinds: defaultdict[str, list[Window]] = defaultdict(list)
    for number in tqdm(range(options.repeats), leave=False):
        for kind, window in (*_echoes(draw), *_users(draw, number)):
            kinds[kind].append(window)
    print("| what is heard | windows | percent held for an echo |\n| --- | --: | --: |")
    for kind, windows in sorted(kinds.items()):
        chosen = [windows[place] for place in draw.permutation(len(windows))[: options.windows]]
        _print(kind, chosen, 0)
        if kind.endswith("no gaps"):
            _print(f"{kind}, held against another answer", chosen, 1)


def _print(kind: str, windows: list[Window], beside: int) -> None:
    held = sum(one.is_held_for_an_echo((one.answer + beside) % len(ANSWERS)) for one in windows)
    print(f"| {kind} | {len(windows)} | {100 * held / len(windows):.1f} |", flush=True)


def _echoes(draw: np.random.Generator) -> Iterator[tuple[str, Window]]:
    for answer, text in enumerate(ANSWERS):
        for room in _ROOMS:
            for often in _GAPS:
                sound, gaps = _played(said(text), often, draw)
                delay = draw.uniform(0.03, 1.5)
                echo = _ROOMS[room](sound, draw)
                microphone = np.concatenate([silence(delay), echo, silence(0.5)])
                for window in _begins(_noisy(microphone, draw), answer):
                    end = window.now - delay
                    count = sum(end - HEARD / EARS < gap < end for gap in gaps)
                    yield f"echo {room}, {('no gaps', 'one', 'two')[count] if count < 3 else 'more'}", window


def _users(draw: np.random.Generator, number: int) -> Iterator[tuple[str, Window]]:
    for place, text in enumerate(USERS):
        answer = (place + 5 * number) % len(ANSWERS)
        for pitch in _PITCHES:
            words = _pitched(said(text), pitch)
            begin = draw.uniform(0.6, len(said(ANSWERS[answer])) / RATE - 1.0)
            alone = np.concatenate([silence(begin), draw.uniform(0.2, 0.8) * words, silence(0.25)])
            for window in [*_begins(_noisy(alone, draw), answer)][:1]:
                yield "a user, no echo", window
            room = _ROOMS["in a room"](said(ANSWERS[answer]), draw)
            both = np.concatenate([silence(0.2), room, silence(3.0)])
            loud = np.sqrt(np.mean(room**2) / np.mean(words**2))
            start = round(begin * RATE)
            both[start : start + len(words)] += loud * words[: len(both) - start]
            for window in _begins(_noisy(both, draw), answer):
                if begin + 0.1 < window.now < begin + len(words) / RATE:
                    after = "0.35 s and more" if window.now > begin + 0.35 else "less"
                    yield f"a user over an echo as loud, {after} after they began", window


def _begins(microphone: Samples, answer: int) -> Iterator[Window]:
    """The windows in which somebody is heard to begin, if each is taken for an echo."""
    found: list[Window] = []
    now = 0.0

    def note(heard: Samples) -> bool:
        if len(heard) >= HEARD:
            found.append(Window(heard.copy(), now, answer))
        return True

    hearing = Hearing(Activity(_detector()), ServerVad(), note)
    for start in range(0, len(microphone), 480):
        now = min(len(microphone), start + 480) / RATE
        for _ in hearing.add(microphone[start : start + 480]):
            pass
    return iter(found)


@cache
def _detector() -> Any:
    return load_detector()


def _played(samples: Samples, often: float, draw: np.random.Generator) -> tuple[Samples, list[float]]:
    """What a player gives that waits for more, or leaves out what it is late with, and when it does, in seconds."""
    pieces: list[Samples] = []
    gaps: list[float] = []
    begin = length = 0
    while often:
        end = begin + round((0.02 + draw.exponential(1 / often)) * RATE)
        pieces.append(samples[begin:end])
        if end >= len(samples):
            return np.concatenate(pieces), gaps
        begin, length = end, length + end - begin
        gaps.append(length / RATE)
        if draw.random() < 0.7:
            pieces.append(np.zeros(round(draw.choice(_WAITS) / 1000 * draw.uniform(0.7, 1.3) * RATE), np.float32))
            length += len(pieces[-1])
            gaps.append(length / RATE)
        else:
            begin += round(draw.choice(_LEAVES_OUT) / 1000 * draw.uniform(0.7, 1.3) * RATE)
    return samples, gaps


def _in_a_room(samples: Samples, draw: np.random.Generator, *, rings: bool = False) -> Samples:
    """By a loudspeaker that colours it, with six reflections; `rings`: and a tail 6 dB below."""
    room = np.zeros(round(0.3 * RATE))
    room[0] = 1.0
    for _ in range(6):
        room[round(draw.uniform(0.001, 0.03) * RATE)] += draw.normal(0, 0.25)
    if rings:
        tail = draw.normal(size=len(room)) * np.exp(-6.9 * np.arange(len(room)) / RATE / 0.25)
        tail[: round(0.003 * RATE)] = 0.0
        room += tail * np.sqrt((room @ room) / (tail @ tail) * 10**-0.6)
    colour = draw.normal(0, 0.15, 8)
    colour[0] = 1.0
    return (0.5 * np.convolve(np.convolve(samples, room), colour)).astype(np.float32)


_ROOMS: Final[Mapping[str, Callable[[Samples, np.random.Generator], Samples]]] = MappingProxyType(
    {
        "into the microphone": lambda samples, _draw: 0.6 * samples,
        "in a room": _in_a_room,
        "in a room that rings": partial(_in_a_room, rings=True),
    }
)


def _noisy(samples: Samples, draw: np.random.Generator) -> Samples:
    """With noise 20 to 35 dB below what is not silent."""
    loud = np.sqrt(np.mean(samples[np.abs(samples) > 1e-3] ** 2))
    return (samples + draw.normal(0, loud * 10 ** (-draw.uniform(20, 35) / 20), len(samples))).astype(np.float32)


def _pitched(samples: Samples, pitch: float) -> Samples:
    """Another voice: lower and slower, or higher and faster."""
    return soxr.resample(samples, RATE, RATE / pitch) if pitch != 1.0 else samples


if __name__ == "__main__":
    main()
