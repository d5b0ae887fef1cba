"""How far English is from a person's reading, with its words and as it was given to voices before.

python -m tests.bench.spoken_form
    python -m tests.bench.spoken_form --cases FOLDER [--wrong]

Prints the mean distance of phonemes (espeak's, of the spoken form against a person's reading) over the sentences of
each part of `tests/golden/hard_english.txt` and of each kind of `tests/golden/english.txt`, the share within 5 percent,
and the time that a sentence takes. Rules were made with the kinds and the first part in view; the others were kept
apart.

With a folder of another project's cases (`*.txt`, a line each: what is written, `~`, how it is said; more ways after
more `~`) it prints how many of each file are said in one of these ways: first but for capitals, punctuation and
hyphens, then also but for "and", "the", and initials together or apart, in which readers differ and nothing is lost.
`--wrong` prints what differs even so.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean, median

from tests.spoken_cases import cases, phoneme_error
from voicegen.text.spoken import to_spoken

WITHIN = 0.05
Case = tuple[str, list[str]]
_MARKS = re.compile(r"[^\w\s]|_")
_WITHIN_WORDS = re.compile(r"(?<=\w)[.'’](?=\w|$|\s)")
_OPTIONAL = re.compile(r"\b(?:and|the)\b")
_APART = re.compile(r"\b(\w) (?=\w\b)")


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables that are asked for."""
    parser = argparse.ArgumentParser(description="How far the spoken form of English is from a person's reading.")
    parser.add_argument("--cases", type=Path, metavar="FOLDER", help="another project's cases, written~spoken")
    parser.add_argument("--wrong", action="store_true", help="print what differs, too")
    asked = parser.parse_args(arguments)
    if asked.cases is None:
        own_sentences()
    else:
        cases_of_others(asked.cases, tell=asked.wrong)


def own_sentences() -> None:
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


def cases_of_others(folder: Path, *, tell: bool) -> None:
    """Prints a table with a line for each file in `folder`; where asked to `tell`, also what differs."""
    print("| kind | cases | right | but for and, the, initials |")
    print("| --- | ---: | ---: | ---: |")
    every: list[tuple[bool, bool]] = []
    wrong: list[str] = []
    for file in sorted(folder.glob("*.txt")):
        right = []
        for line in file.read_text(encoding="utf-8").splitlines():
            written, *readings = line.split("~")
            if not (written.strip() and readings):
                continue
            spoken = to_spoken(written)
            alike = any(words(spoken) == words(reading) for reading in readings)
            nearly = any(loosely(spoken) == loosely(reading) for reading in readings)
            right.append((alike, nearly))
            if not nearly:
                wrong.append(f"{written} => {spoken} | not {' | '.join(readings)}")
        print(f"| {file.stem.removeprefix('test_cases_')} | {shares(right)} |")
        every += right
    print(f"| all | {shares(every)} |")
    if tell:
        print("\n".join(["", *wrong]))


def shares(right: Sequence[tuple[bool, bool]]) -> str:
    """How many there are, and what part of them is right, strictly and loosely."""
    return " | ".join([str(len(right)), *(f"{fmean(column):.0%}" for column in zip(*right, strict=True))])


def words(text: str) -> str:
    """`text` but for capitals, punctuation and hyphens."""
    return " ".join(_MARKS.sub(" ", _WITHIN_WORDS.sub("", text.casefold())).split())


def loosely(text: str) -> str:
    """Its words but for "and" and "the", and with initials together."""
    return _APART.sub(r"\1", " ".join(_OPTIONAL.sub("", words(text)).split()))


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
