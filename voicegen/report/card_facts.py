"""What a dataset card says of rows, as numbers: counted from manifest columns, a batch at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pandas as pd
import pyarrow as pa

from voicegen.dataset.manifest_file import flat
from voicegen.report.overview import EvenSample
from voicegen.report.statistics import COLUMNS, MEASURES, Measure, measured, totals

_COUNTED: Final = ("split", "status", "voice", "language", "sampling_rate", "chat_model", "tts_model")
_REPEATS: Final = ("question_similarity", "answer_similarity")


class MadeBy(NamedTuple):
    """What made audio of an answer or a question: the manifest's columns of these names, None where there is none.

    Of a question `voice` and `voice_consent` are the columns `question_voice` and `question_voice_consent`.
    """

    chat_model: str | None
    chat_licence: str | None
    tts_model: str | None
    tts_licence: str | None
    voice: str | None
    voice_consent: str | None


_ASKED: Final = ("question_voice", "question_voice_consent", "question_duration", "question_status")

CARD_COLUMNS: Final = tuple(dict.fromkeys((*_COUNTED, *MadeBy._fields, *_ASKED, *_REPEATS, *COLUMNS)))
"""The manifest's columns that facts are taken from, where it has them."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How a measure of good rows is spread: its median, and what one in twenty is below and above."""

    measure: Measure
    rows: int
    low: float
    median: float
    high: float


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What rows come to.

    Attributes:
        rows: their number by split and status.
        seconds: of audio in good rows, by split.
        question_seconds: of the questions' audio in good rows.
        question_rejected: rows whose question's clip is rejected, beside the answer's.
        made_by: how many clips were made by what.
        values: how many rows have which voice, language, rate and model, by the column's name.
        same: rows whose question or answer is the same as an earlier one's, by the column's name.
        near: rows whose question or answer is nearly so.
        spreads: of the measures that good rows have.
    """

    rows: Mapping[tuple[str, str], int]
    seconds: Mapping[str, float]
    question_seconds: float
    question_rejected: int
    made_by: Mapping[MadeBy, int]
    values: Mapping[str, Mapping[Any, int]]
    same: Mapping[str, int]
    near: Mapping[str, int]
    spreads: Sequence[Spread]

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows.values())

    @property
    def hours(self) -> float:
        """Of audio in good rows."""
        return sum(self.seconds.values()) / 3600


@dataclass
class _Count:
    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    question_seconds: float = 0.0
    question_rejected: int = 0
    made_by: Counter[MadeBy] = field(default_factory=Counter)
    values: dict[str, Counter[Any]] = field(default_factory=lambda: {name: Counter() for name in _COUNTED[2:]})
    same: Counter[str] = field(default_factory=Counter)
    near: Counter[str] = field(default_factory=Counter)
    measures: EvenSample = field(default_factory=EvenSample)

    def add(self, batch: pd.DataFrame) -> None:
        split = batch["split"].fillna("none")
        self.rows.update(zip(split, batch["status"], strict=True))
        self.made_by.update(_makers(batch[batch["duration"].notna()]))
        if "question_duration" in batch:
            asked = batch[batch["question_duration"].notna()]
            self.made_by.update(
                _makers(asked.assign(voice=asked["question_voice"], voice_consent=asked.get("question_voice_consent")))
            )
        for name, counter in self.values.items():
            if name in batch:
                values = batch[name].dropna()
                counter.update((values.astype("int64") if name == "sampling_rate" else values).tolist())
        for name in _REPEATS:
            if name in batch:
                repeats = batch[name].dropna()
                self.same[name] += int((repeats == 1).sum())
                self.near[name] += int((repeats < 1).sum())
        good = batch[batch["status"] == "ok"]
        for part, seconds in good["duration"].groupby(split[good.index]).sum().items():
            self.seconds[str(part)] = self.seconds.get(str(part), 0.0) + float(seconds)
        if "question_duration" in good:
            self.question_seconds += float(good["question_duration"].sum())
        self.question_rejected += totals(batch)["question_rejected"]
        self.measures.add(measured(good))


def _makers(clips: pd.DataFrame) -> Iterator[MadeBy]:
    """What made each of these."""
    known = clips.reindex(columns=list(MadeBy._fields)).astype(object)
    return map(MadeBy._make, known.where(known.notna(), None).itertuples(index=False, name=None))


def card_facts(batches: Iterable[pa.RecordBatch]) -> CardFacts:
    """The facts of rows, which are given with those of `CARD_COLUMNS` that there are."""
    count = _Count()
    for batch in batches:
        count.add(flat(batch).to_pandas())
    return CardFacts(
        *(count.rows, count.seconds, count.question_seconds, count.question_rejected),
        *(count.made_by, count.values, count.same, count.near),
        list(_spreads(count.measures)),
    )


def _spreads(measures: EvenSample) -> Iterator[Spread]:
    rows = measures.rows()
    for measure in MEASURES:
        if measure.name in rows:
            low, median, high = (float(rows[measure.name].quantile(share)) for share in (0.05, 0.5, 0.95))
            yield Spread(measure, measures.known[measure.name], low, median, high)
