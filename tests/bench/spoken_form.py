"""How far English that is hard to read is from a person's reading, with its words and as it was given to voices before.

python -m tests.bench.spoken_form

Prints the mean distance of phonemes (espeak's, of the spoken form against a person's reading) over the sentences of
each half of `tests/golden/hard_english.txt`, the share within 5 percent, and the time a sentence takes.
"""

from __future__ import annotations

import time
from statistics import fmean, median

from tests.spoken_cases import cases, phoneme_error
from voicegen.text.spoken import to_spoken

LANGUAGES = {"as written": "xx", "in words": "en"}  # no readings are known of "xx"


def main() -> None:
    """Prints a line for each half and way, and the time."""
    hard = [(half, written, reading) for half, written, [reading] in cases("hard_english.txt")]
    for half in dict.fromkeys(half for half, _, _ in hard):
        for way, language in LANGUAGES.items():
            errors = [phoneme_error(to_spoken(text, language), reading) for of, text, reading in hard if of == half]
            within = fmean(error <= 0.05 for error in errors)
            print(f"{half}, {way}: mean phoneme error {fmean(errors):.3f}, within 5 percent {within:.0%}")
    times = []
    for _, written, _ in hard:
        start = time.perf_counter()
        to_spoken(written)
        times.append(time.perf_counter() - start)
    print(f"{median(times) * 1e3:.2f} ms a sentence at the median")


if __name__ == "__main__":
    main()
