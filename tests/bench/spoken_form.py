"""How far English is from a person's reading, with its words and as it was given to voices before.

python -m tests.bench.spoken_form

Prints the mean distance of phonemes (espeak's, of the spoken form against a person's reading) over the sentences of
each part of `tests/golden/hard_english.txt` and of each kind of `tests/golden/english.txt`, the share within 5 percent,
and the time that a sentence takes. Rules were made with the kinds and the first part in view; the others were kept
apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import fmean, median

from tests.spoken_cases import cases, phoneme_error
from voicegen.text.spoken import to_spoken

WITHIN = 0.05
Case = tuple[str, list[str]]


def main() -> None:
    """Prints a table with a line for each part and kind, and the time."""
    by_kind: dict[str, list[Case]] = {}
    for name, what in (("hard_english.txt", "hard sentences, {}"), ("english.txt", "{}")):
        for kind, written, readings in cases(name):
            by_kind.setdefault(what.format(kind), []).append((written, readings))
    print("| kind | sentences | as written: error | within 5 % | in words: error | within 5 % |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for kind, texts in by_kind.items():
        print(f"| {kind} | {len(texts)} | {figures(texts, as_written)} | {figures(texts, to_spoken)} |")
    kinds = [case for kind, texts in by_kind.items() if not kind.startswith("hard") for case in texts]
    print(f"| all kinds | {len(kinds)} | {figures(kinds, as_written)} | {figures(kinds, to_spoken)} |")
    times = [seconds(written) for texts in by_kind.values() for written, _ in texts]
    print(f"\n{median(times) * 1e3:.2f} ms a sentence at the median")


def as_written(text: str) -> str:
    """Without Markdown, and else as it stands: no readings are known of the language "xx"."""
    return to_spoken(text, "xx")


def figures(texts: Iterable[Case], way: Callable[[str], str]) -> str:
    """The mean error, and the share of sentences whose error is small, of the nearest reading each."""
    errors = [min(phoneme_error(way(written) or "-", reading) for reading in readings) for written, readings in texts]
    return f"{fmean(errors):.3f} | {fmean(error <= WITHIN for error in errors):.0%}"


def seconds(text: str) -> float:
    """What it takes to put `text` in words."""
    start = time.perf_counter()
    to_spoken(text)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
