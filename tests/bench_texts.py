"""Texts to try checks on: sentences of several kinds, in two halves that share no text."""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from tests.spoken_cases import cases

ROOT = Path(__file__).resolve().parent.parent
Kind = Literal["plain", "numbers", "names", "lists"]
Part = Literal["choose", "report", "third", "fourth", "fifth", "sixth"]
PARTS: tuple[Part, ...] = ("choose", "report", "third", "fourth", "fifth", "sixth")
KINDS: tuple[Kind, ...] = ("plain", "numbers", "names", "lists")

_HEADING = "What people say:"
_NAME = re.compile(r"(?<=[a-z] )[A-Z][a-z]+ (?:[A-Z]|of |the )")


@dataclass(frozen=True, slots=True)
class Text:
    """What is written, and what is hard about it."""

    kind: Kind
    written: str


def two_halves(truthfulqa: Path | None, each: int, seed: int = 0) -> tuple[list[Text], list[Text]]:
    """Texts for choosing and texts for reporting, `each` of them a half, as many of each kind as there are.

    Args:
        truthfulqa: TruthfulQA.csv, as its authors publish it; without it there are fewer texts, and no lists.
        each: texts a half, at most.
        seed: draws them.
    """
    draw = random.Random(seed)
    halves: tuple[list[Text], list[Text]] = ([], [])
    pools = _pools(truthfulqa)
    for kind in KINDS:
        pool = [Text(kind, written) for written in pools[kind]]
        draw.shuffle(pool)
        share = min(len(pool) // 2, each // len(KINDS))
        halves[0].extend(pool[:share])
        halves[1].extend(pool[share : 2 * share])
    return halves


def dealt(truthfulqa: Path | None, each: int, fits: Callable[[str], bool]) -> dict[Part, list[Text]]:
    """Texts by what they are for; half of each part are plain, a sixth each of another kind.

    Those to choose on, about two times `each`, are of the pools that `two_halves` deals and of TruthfulQA's wrong
    answers; those to report on, about `each`, are others of the latter. The third and the fourth deal, two times
    `each`, are of what is left of all pools and of answers that are in none, and so is the fifth, of about `each`
    without the sentences with numbers that were written for it; the sixth was written whole, 100 sentences with numbers
    and 60 with names. No two parts share a sentence, and the last three share
    none with `two_halves` of 480 texts, on which earlier rules were chosen. Sentences that come to `golden/english.txt`
    are dealt as well, so that a later version's parts are others.
    """
    draw = random.Random(0)
    choose: list[Text] = []
    report: list[Text] = []
    for dealt_of in (_pools(truthfulqa), _wrong(truthfulqa)):
        part: list[Text] = []
        left: list[Text] = []
        for kind in KINDS:
            pool = [Text(kind, written) for written in dealt_of[kind] if fits(written)]
            draw.shuffle(pool)
            share = _share(kind, each)
            part.extend(pool[:share])
            left.extend(pool[share:])
        draw.shuffle(part)
        choose.extend(part)
    known = {sentence for text in choose for sentence in _said(text)}
    others = [text for text in left if known.isdisjoint(_said(text))]
    for kind in KINDS:
        report.extend([text for text in others if text.kind == kind][: _share(kind, each)])
    draw.shuffle(report)
    parts: dict[Part, list[Text]] = {"choose": choose, "report": report}
    seen = [*choose, *report, *(text for half in two_halves(truthfulqa, 240) for text in half)]
    known = {sentence for text in seen for sentence in _said(text)}
    pools = [_pools(truthfulqa), _wrong(truthfulqa), _pairs(truthfulqa, known)]
    further = {kind: list(dict.fromkeys(text for pool in pools for text in pool[kind])) for kind in KINDS}
    parts["third"] = _new(further, 2 * each, fits, known, draw)
    parts["fourth"] = _new(further, 2 * each, fits, known, draw)
    parts["fifth"] = [*_new(further, each, fits, known, draw), *_written_for("numbers", "fresh_numbers.txt")]
    parts["sixth"] = [*_written_for("numbers", "more_numbers.txt"), *_written_for("names", "fresh_names.txt")]
    draw.shuffle(parts["sixth"])
    return parts


def _written_for(kind: Kind, name: str) -> list[Text]:
    lines = (ROOT / "tests" / "golden" / name).read_text(encoding="utf-8").splitlines()
    return [Text(kind, line) for line in lines if not line.startswith("#")]


def _new(
    pools: dict[Kind, list[str]], each: int, fits: Callable[[str], bool], known: set[str], draw: random.Random
) -> list[Text]:
    """As many texts of each kind as are due; none holds a sentence that is known, and theirs are known from then on."""
    part: list[Text] = []
    for kind in KINDS:
        pool = [Text(kind, written) for written in pools[kind] if fits(written)]
        draw.shuffle(pool)
        due = len(part) + _share(kind, each)
        for text in pool:
            if len(part) < due and known.isdisjoint(_said(text)):
                part.append(text)
                known.update(_said(text))
    draw.shuffle(part)
    return part


def _share(kind: Kind, each: int) -> int:
    return each // 2 if kind == "plain" else each // 6


def _said(text: Text) -> list[str]:
    """Its sentences, however they are put."""
    sentences = (sentence.strip("- ") for sentence in re.split(r"[.\n]+", text.written.removeprefix(_HEADING)))
    return [sentence for sentence in sentences if sentence]


def _wrong(truthfulqa: Path | None) -> dict[Kind, list[str]]:
    """Wrong answers, two of neighbouring rows together, and lists of three and more."""
    pools: dict[Kind, dict[str, None]] = {kind: {} for kind in KINDS}
    rows = [_answers(row["Incorrect Answers"]) for row in _rows(truthfulqa)]
    for answers, others in pairwise(rows):
        written = f"{answers[0].rstrip('.')}. {others[-1].rstrip('.')}."
        pools[_kind(written)][written] = None
        if 3 <= len(answers) <= 6:
            pools["lists"]["\n".join([_HEADING, "", *(f"- {answer}" for answer in answers)])] = None
    return {kind: list(pool) for kind, pool in pools.items()}


def _pairs(truthfulqa: Path | None, known: set[str]) -> dict[Kind, list[str]]:
    """Answers that are not known, right and wrong: two of neighbouring rows together, and lists of three to six."""
    pools: dict[Kind, list[str]] = {kind: [] for kind in KINDS}
    rows = [
        [answer.rstrip(".") for answer in _answers(f"{row['Incorrect Answers']};{row['Correct Answers']}")]
        for row in _rows(truthfulqa)
    ]
    new = [[answer for answer in answers if known.isdisjoint(_said(Text("plain", answer)))] for answers in rows]
    for answers, others in pairwise(new):
        for one, other in zip(answers, others, strict=False):
            written = f"{one}. {other}."
            pools[_kind(written)].append(written)
        if len(answers) >= 3:
            pools["lists"].append("\n".join([_HEADING, "", *(f"- {answer}" for answer in answers[:6])]))
    return pools


def _pools(truthfulqa: Path | None) -> dict[Kind, list[str]]:
    pools: dict[Kind, dict[str, None]] = {kind: {} for kind in KINDS}
    for written in _sentences(truthfulqa):
        pools[_kind(written)][written] = None
    pools["lists"] |= dict.fromkeys(_lists(truthfulqa))
    return {kind: list(pool) for kind, pool in pools.items()}


def _kind(written: str) -> Kind:
    if re.search(r"\d", written):
        return "numbers"
    return "names" if _NAME.search(written) else "plain"


def _sentences(truthfulqa: Path | None) -> Iterator[str]:
    for name in ("english.txt", "hard_english.txt"):
        yield from (written for _, written, _ in cases(name))
    with (ROOT / "data" / "questions.csv").open(encoding="utf-8") as file:
        yield from (row["question"] for row in csv.DictReader(file))
    for row in _rows(truthfulqa):
        yield f"{row['Question']} {row['Best Answer'].rstrip('.')}."


def _lists(truthfulqa: Path | None) -> Iterator[str]:
    """Markdown lists of answers, of three and more; such as repeat words, as lists do."""
    for row in _rows(truthfulqa):
        answers = _answers(row["Correct Answers"])
        if 3 <= len(answers) <= 6:
            yield "\n".join([row["Question"], "", *(f"- {answer}" for answer in answers)])


def _answers(column: str) -> list[str]:
    return list(dict.fromkeys(answer.strip() for answer in column.split(";") if answer.strip()))


def _rows(truthfulqa: Path | None) -> Iterable[dict[str, str]]:
    if truthfulqa is None:
        return []
    with truthfulqa.open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))
