"""What `split.near` finds: planted near duplicates among other questions, by how like they truly are.

    python -m tests.bench.near_duplicates [QUESTIONS]

Like is what `voicegen.dataset.likeness` says: the Jaccard similarity of the sets of trigrams of characters.
"""

from __future__ import annotations

import random
import sys
import time

from voicegen.dataset.likeness import NEAR, Likeness, plain

WORDS = """
what why how when which who does did would should river mountain engine number planet music letter animal colour bread
window history school garden cloud ocean battery market doctor summer metal bridge candle forest lemon paper
""".split()  # noqa: SIM905 - a list of them would be a page long
BOUNDS = (0.95, 0.9, 0.85, 0.8)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    draw = random.Random(0)
    texts = [question(draw) for _ in range(count)]
    copies = [(place, changed(texts[place], draw)) for place in draw.sample(range(count), count // 25)]
    began = time.monotonic()
    likeness = Likeness()
    likeness.add(range(count), texts)
    likeness.add(range(count, count + len(copies)), [text for _, text in copies])
    taken = time.monotonic()
    found = {
        pair for pairs in likeness.pairs() for pair in zip(pairs.later.tolist(), pairs.earlier.tolist(), strict=True)
    }
    print(f"{count + len(copies)} texts: {taken - began:.1f} s to take, {time.monotonic() - taken:.1f} s to compare")
    for low, high in zip(BOUNDS, (1.0, *BOUNDS), strict=False):
        planted = [
            (count + number, place)
            for number, (place, text) in enumerate(copies)
            if low <= similarity(texts[place], text) < high
        ]
        print(f"similarity {low} to {high}: {sum(pair in found for pair in planted)} of {len(planted)} found")
    wrong = [
        pair for pair in found if pair[0] >= count and similarity(texts[pair[1]], copies[pair[0] - count][1]) < 0.7
    ]
    print(f"pairs found below 0.7, though {NEAR} is asked for: {len(wrong)}")


def question(draw: random.Random) -> str:
    words = [
        draw.choice(WORDS) + draw.choice(["", "s", str(draw.randrange(1000))]) for _ in range(draw.randrange(6, 16))
    ]
    return " ".join(words).capitalize() + "?"


def changed(text: str, draw: random.Random) -> str:
    """The text with one to three words dropped or put in."""
    words = text.split()
    for _ in range(draw.randrange(1, 4)):
        place = draw.randrange(len(words))
        words[place : place + 1] = draw.choice([[], [words[place], draw.choice(WORDS)]])
    return " ".join(words) or text


def similarity(one: str, other: str) -> float:
    first, second = trigrams(one), trigrams(other)
    return len(first & second) / len(first | second)


def trigrams(text: str) -> set[str]:
    letters = plain(text)
    return {letters[start : start + 3] for start in range(max(len(letters) - 2, 1))}


if __name__ == "__main__":
    main()
