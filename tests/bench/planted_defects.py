"""What a quality finds of faults planted in real speech, and how many good takes it holds for bad.

    python -m tests.bench.planted_defects --truthfulqa TruthfulQA.csv [--part third] [--cache FOLDER] [--workers 4]

The parts share no sentence: bounds are chosen on the first, the others are to report, each once. Half of the texts are
plain, a sixth each have numbers, have names, or are lists. The starter voice says them all, and of those that faults
are planted in, every second, also the text with three of its words exchanged, with one of its numbers exchanged (as
"nineteen fifty" for "nineteen sixty") and with two to four words said twice. The voice's pace is known from its first
takes, as in a run. With a cache what was spoken and recognized is kept there: a run that was stopped goes on, and other
bounds of the same measurements are tried in a moment.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from tests.bench_texts import KINDS, PARTS, Text, dealt
from tests.kept_takes import KeptWorkers, kept_takes
from tests.planted_faults import planted
from voicegen.job.composing import compose
from voicegen.quality.checks import checks_on
from voicegen.quality.listener import Hearing, Listener
from voicegen.quality.usual import Usual
from voicegen.records import Speech, Utterance
from voicegen.text.spoken import to_spoken
from voicegen.tts.piper.speech import PiperSpeech

CUT = ("head cut 0.3 s", "head cut 0.1 s", "tail cut 0.3 s", "tail cut 0.1 s", "middle removed", "repeated once")
NUMBERS = tuple(
    words.split()
    for words in (
        "two three four five six seven eight nine",
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
        "twenty thirty forty fifty sixty seventy eighty ninety",
        "third fourth fifth sixth seventh eighth ninth tenth",
    )
)
A_NUMBER = re.compile(rf"\b(?:{'|'.join(word for words in NUMBERS for word in words)})\b")
FURTHER = 7  # texts on is the one whose words are said in another's place


def main() -> None:
    """Prints the tables of all parts, or of some."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--truthfulqa", type=Path, help="TruthfulQA.csv; without it texts are fewer, and none are lists"
    )
    parser.add_argument("--part", choices=PARTS, nargs="+", default=PARTS)
    parser.add_argument("--texts", type=int, default=216, help="to report on; twice as many in each other part")
    parser.add_argument("--quality", default="strict")
    parser.add_argument("--cache", type=Path, help="folder that keeps what was spoken and recognized")
    parser.add_argument("--workers", type=int, default=1, help="processes with a recognizer in each")
    parser.add_argument("--rows", type=Path, help="file for a line of JSON a take: fault, kind of text, scores, reason")
    parser.add_argument("overrides", nargs="*", help="as quality.checks.recognition.recognizer=whisper-tiny.en")
    options = parser.parse_args()
    settings = compose([f"quality={options.quality}", *options.overrides]).quality
    apart = [(check, its) for check, its in checks_on(settings.checks) if check.apart]
    workers = KeptWorkers(apart, options.workers, options.cache)
    group = 8 * options.workers
    try:
        for name, texts in dealt(options.truthfulqa, options.texts, fits).items():
            if name in options.part:
                good, bad = takes(texts, options.cache)
                print(f"\n{options.quality}, {len(texts)} texts of {name}; rules broken", flush=True)
                listener = Listener(settings, workers)
                first = _heard(listener, good[: listener.first_rows], {}, group)
                usual = {None: listener.usual(hearing.scores for hearing in first)}
                heard = _heard(listener, good, usual, group)
                _write(options.rows, "good", texts, heard)
                for kind in KINDS:
                    its = [hearing for text, hearing in zip(texts, heard, strict=True) if text.kind == kind]
                    print(f"good, {kind:16} {_line(its)}", flush=True)
                print(_as_written(heard), end="", flush=True)
                for fault, faulty in bad:
                    its = _heard(listener, faulty, usual, group)
                    print(f"{fault:22} {_line(its)}", flush=True)
                    _write(options.rows, fault, [texts[take.utterance.index] for take in faulty], its)
    finally:
        workers.close()


def takes(texts: Sequence[Text], cache: Path | None) -> tuple[list[Speech], Iterator[tuple[str, list[Speech]]]]:
    """A good take of each text; and by fault, those of every second text with the fault in it."""
    voice = PiperSpeech.load()
    meant = [to_spoken(text.written) for text in texts]
    some = range(0, len(meant), 2)

    def said(place: int, words: str) -> Utterance:
        return Utterance(place, words, seed=place)

    def instead(texts_said: Mapping[int, str]) -> list[Speech]:
        spoken = kept_takes(voice, [said(place, words) for place, words in texts_said.items()], cache)
        return [
            replace(take, utterance=said(place, meant[place])) for place, take in zip(texts_said, spoken, strict=True)
        ]

    def of_others(change: Callable[[list[str], list[str], random.Random], list[str]]) -> list[Speech]:
        others = {place: meant[(place + FURTHER) % len(meant)].split() for place in some}
        return instead(
            {place: " ".join(change(meant[place].split(), others[place], random.Random(place))) for place in some}
        )

    good = kept_takes(voice, [said(place, words) for place, words in enumerate(meant)], cache)

    def faulty() -> Iterator[tuple[str, list[Speech]]]:
        exchanged = of_others(_with_words_exchanged)
        others = [exchanged[-1], *exchanged[:-1]]  # none of which was heard before
        yield "words exchanged", exchanged
        counting = [place for place in some if texts[place].kind == "numbers" and A_NUMBER.search(meant[place])]
        yield "a number exchanged", instead({place: number_exchanged(meant[place], place) for place in counting})
        yield "words said twice", of_others(_with_words_twice)
        for fault in ("another text", *CUT):
            yield fault, [planted(fault, good[place], other, place) for place, other in zip(some, others, strict=True)]

    return good, faulty()


def _with_words_exchanged(words: list[str], others: list[str], draw: random.Random) -> list[str]:
    """Up to three neighbouring words are another text's."""
    count = min(3, len(words) // 2)
    at, there = draw.randint(0, len(words) - count), draw.randint(0, max(0, len(others) - count))
    return [*words[:at], *others[there : there + count], *words[at + count :]]


def number_exchanged(text: str, seed: int) -> str:
    """One of its words that count is another of its kind: a digit, a teen, a ten or an ordinal."""
    draw = random.Random(seed)
    place = draw.choice(list(A_NUMBER.finditer(text)))
    others = next(words for words in NUMBERS if place[0] in words)
    other = draw.choice([word for word in others if word != place[0]])
    return f"{text[: place.start()]}{other}{text[place.end() :]}"


def _with_words_twice(words: list[str], _others: list[str], draw: random.Random) -> list[str]:
    """Two to four neighbouring words come again."""
    count = draw.randint(2, 4)
    at = draw.randint(0, max(0, len(words) - count))
    return [*words[: at + count], *words[at:]]


def fits(written: str) -> bool:
    """Of five to 55 words: shorter than that hardly anything can be missing, longer is none of Whisper's windows."""
    return 5 <= len(to_spoken(written).split()) <= 55


def _heard(listener: Listener, takes: Sequence[Speech], usual: Usual, group: int) -> list[Hearing]:
    groups = (takes[place : place + group] for place in range(0, len(takes), group))
    return [hearing for some in groups for hearing in listener.hear(some, usual)]


def _write(file: Path | None, fault: str, texts: Sequence[Text], hearings: Sequence[Hearing]) -> None:
    if file is not None:
        with file.open("a", encoding="utf-8") as rows:
            for text, hearing in zip(texts, hearings, strict=True):
                row = {"fault": fault, "kind": text.kind, "written": text.written, "reason": hearing.verdict.reason}
                print(json.dumps(row | {"scores": dict(hearing.scores)}), file=rows)


def _as_written(hearings: Sequence[Hearing]) -> str:
    """How well a recognizer, where there is one, writes good takes down, whatever the case and the form of numbers."""
    errors = [error for hearing in hearings if isinstance(error := hearing.scores.get("cer"), float)]
    if not errors:
        return ""
    right = sum(error == 0 for error in errors)
    return f"good, letter by letter {right:3} of {len(errors):3}, character error {fmean(errors):.4f}\n"


def _line(hearings: Sequence[Hearing]) -> str:
    """How many are held for bad, and by which rules."""
    reasons = [hearing.verdict.reason or "" for hearing in hearings if hearing.verdict.status != "ok"]
    rules = Counter(part.rsplit("(", 1)[-1].split(" ")[0] for reason in reasons for part in reason.split("; "))
    told = ", ".join(f"{rule} {count}" for rule, count in rules.most_common())
    return f"{len(reasons):3} of {len(hearings):3} {len(reasons) / max(len(hearings), 1):6.1%}  {told}"


if __name__ == "__main__":
    main()
