"""What of a run's manifest the page carries: numbers of all rows at once, texts in blocks, pictures of some rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

from voicegen.dataset.manifest import MANIFEST_SCHEMA
from voicegen.dataset.manifest_file import MANIFEST, columns_there, flat
from voicegen.errors import InputError, OutputError
from voicegen.pipeline.run_folder import made_by, read_record, rows_of_input
from voicegen.records import ClipPlace
from voicegen.remote import AnyPath
from voicegen.report.differences import COMPARED
from voicegen.report.overview import overview
from voicegen.report.pictures import BANDS, LEVELS, PICTURE_BYTES, WIDTH, picture
from voicegen.report.statistics import COLUMNS, MEASURES, histogram, measured, worst
from voicegen.store import Store
from voicegen.store.clips import read_clip

BLOCK_ROWS: Final = 1000
"""Rows whose texts are packed together."""
PICTURE_ROWS: Final = 16
"""Pictures that are packed together."""
MOST_ROWS: Final = 100_000
"""Rows that the table holds; totals are of all, histograms too, or of an even sample of very many."""
MOST_PICTURES: Final = 600
"""Rows that have a picture: all, or the worst by each measure, and others from everywhere in the run."""

_BATCH_ROWS = 65_536
_CATEGORIES = ("status", "voice", "split", "language", "finish_reason", "mark", "question_status", "question_voice")
_PLACE = ("audio_path", "audio_offset", "audio_size")
_COST = ("chat_seconds", "tts_seconds")
_TEXTS = (
    "id", "question", "answer", "answer_spoken", "left_out", "audio_path", "audio_sha256", "error", "asr_text", "words",
    "takes", "conversation_id", "turn", "trimmed_before", "rewritten", "answer_cut", "reasoning",
    "audio_offset", "audio_size", "question_audio_offset", "question_audio_size",
    "question_spoken", "question_left_out", "question_audio_path", "question_duration", "question_voice",
    "question_status", "question_takes", "question_words",
)  # fmt: skip


class RunRows:
    """The rows of a run, as a page shows them.

    Args:
        store: the run's.
        name: of the run; its folder's by default.

    Raises:
        InputError: there is no run, or none with a manifest yet.
        OutputError: its files cannot be read.
    """

    def __init__(self, store: Store, name: str | None = None) -> None:
        self._store = store
        self._name = name or store.name
        self._record = read_record(store) or {}
        if not store.changed(MANIFEST):
            raise InputError(f"{store}: there is no {MANIFEST}: give the folder of a run, such as outputs/NAME")
        try:
            with store.reading(MANIFEST) as file:
                self._schema = pq.read_schema(file)
            columns = (*COLUMNS, "status", "question_status", *_COST)
            self._overview = overview((flat(batch).to_pandas() for batch in self._batches(columns)), MOST_ROWS)
        except pa.ArrowException as error:
            raise InputError(f"{store}/{MANIFEST} cannot be read: {error}") from None
        self._kept = self._overview.places
        self._pictured: list[int] | None = None

    @property
    def name(self) -> str:
        """The run's."""
        return self._name

    @property
    def root(self) -> AnyPath:
        """The folder that its clips' paths begin at."""
        return self._store.root

    @property
    def folder(self) -> Path:
        """The same, for what needs one of this machine."""
        return self._store.folder

    def compared(self) -> pd.DataFrame:
        """All rows by their ids, in order, with those columns of two runs that are compared."""
        columns = dict.fromkeys(("id", *COMPARED, *COLUMNS))
        rows: pd.DataFrame = self._read(list(columns)).to_pandas()
        return rows.set_index("id")

    def only(self, places: Sequence[int], pictured: Sequence[int]) -> Self:
        """The same run with these rows in its table instead, by their places in the manifest, in order.

        Args:
            places: of the rows.
            pictured: places in the table of those that have a picture, where they have audio.
        """
        other = copy(self)
        other._kept, other._pictured = np.asarray(places, np.int64), list(pictured)
        return other

    def head(self, beside: RunRows | None = None) -> dict[str, Any]:
        """What the page needs to open: totals, histograms, and the numbers of each row of its table.

        Args:
            beside: another run, whose histograms are to have the same bars.
        """
        others = pd.DataFrame() if beside is None else beside._overview.sample
        sample = self._overview.sample
        rows = self._rows()
        shown = self._shown(rows)
        drawn = [measure for measure in MEASURES if measure.name in sample]
        return {
            "run": {
                "name": self._name,
                "created": self._record.get("created"),
                "version": self._record.get("voicegen"),
                "config_hash": self._record.get("config_hash"),
                "models": _models(self._record),
            },
            "totals": {**self._overview.totals, "input": rows_of_input(self._record)},
            "measures": [
                {
                    **{key: value for key, value in asdict(measure).items() if key not in ("columns", "drawn")},
                    "median": float(sample[measure.name].median()),
                    "histogram": histogram(sample[measure.name], measure, others.get(measure.name))
                    if measure.drawn
                    else None,
                }
                for measure in drawn
            ],
            "numbers": {
                "index": [int(index) for index in rows["index"]],
                **{measure.name: _numbers(shown[measure.name]) for measure in drawn},
            },
            "categories": {
                name: _category(rows[name]) for name in _CATEGORIES if name in rows
            },
            "block_rows": BLOCK_ROWS,
            "pictures": {
                "rows": self.pictured(), "together": PICTURE_ROWS, "width": WIDTH, "bands": BANDS, "levels": LEVELS
            },
        }  # fmt: skip

    def texts(self) -> Iterator[dict[str, list[Any]]]:
        """The texts of the table's rows, by column, `BLOCK_ROWS` rows at a time."""
        inputs = [name for name in self._schema.names if name not in MANIFEST_SCHEMA.names]
        columns = [name for name in (*_TEXTS, *inputs) if name in self._schema.names]
        waiting: list[pa.RecordBatch] = []
        for batch in self._kept_of(columns, BLOCK_ROWS):
            waiting.append(batch)
            while sum(part.num_rows for part in waiting) >= BLOCK_ROWS:
                table = pa.Table.from_batches(waiting)
                yield _texts(table.slice(0, BLOCK_ROWS), inputs)
                waiting = table.slice(BLOCK_ROWS).to_batches()
        if sum(part.num_rows for part in waiting):
            yield _texts(pa.Table.from_batches(waiting), inputs)

    def pictured(self) -> list[int]:
        """The places in the table of the rows that have a picture, in order."""
        shown = self._shown(self._rows())
        with_audio = shown.index[shown["duration"].notna()] if "duration" in shown else shown.index[:0]
        if self._pictured is not None:
            return [int(place) for place in with_audio.intersection(self._pictured)]
        shown = shown.loc[with_audio]
        if len(shown) <= MOST_PICTURES:
            return [int(place) for place in shown.index]
        some = list(worst(shown, self._overview.sample.median(), MOST_PICTURES // 2 // len(shown.columns)))
        even = shown.index[np.linspace(0, len(shown) - 1, MOST_PICTURES - len(some)).astype(int)]
        return sorted({int(place) for place in (*some, *even)})

    def pictures(self) -> Iterator[bytes]:
        """The pictures of those rows, `PICTURE_ROWS` at a time, one after another; empty for a WAV that is gone."""
        places = self.pictured()
        table = self._table(_PLACE).take(pa.array(places, pa.int64()))
        clips = [ClipPlace.of_row(row) for row in table.to_pylist()]
        for start in range(0, len(clips), PICTURE_ROWS):
            yield b"".join(self._picture(clip) for clip in clips[start : start + PICTURE_ROWS])

    def _picture(self, clip: ClipPlace | None) -> bytes:
        try:
            if clip is not None and (wav := read_clip(self._store, clip)) is not None:
                return picture(wav)
        except (OutputError, soundfile.LibsndfileError):
            pass
        return bytes(PICTURE_BYTES)

    def _rows(self) -> pd.DataFrame:
        """Numbers and categories of the table's rows."""
        rows: pd.DataFrame = self._table((*COLUMNS, *_CATEGORIES, "index")).to_pandas()
        return rows

    def _shown(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The measures of the table's `rows`, by their places in it."""
        return measured(rows).reindex(columns=self._overview.sample.columns)

    def _table(self, columns: Sequence[str]) -> pa.Table:
        """The table's rows, with those of these columns that the manifest has."""
        batches = list(self._kept_of(columns))
        return flat(pa.Table.from_batches(batches)) if batches else self._read(columns)

    def _read(self, columns: Sequence[str]) -> pa.Table:
        with self._store.reading(MANIFEST) as file:
            return flat(pq.ParquetFile(file).read(columns_there(self._schema, columns)))

    def _kept_of(self, columns: Sequence[str], together: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """The same, those of so many rows of the manifest at a time."""
        kept, first = _Places(self._kept.tolist()), 0
        for batch in self._batches(columns, together):
            wanted = [place - first for place in kept.below(first + batch.num_rows)]
            first += batch.num_rows
            yield batch.take(pa.array(wanted, pa.int64()))

    def _batches(self, columns: Sequence[str], together: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """All rows, with those of these columns that the manifest has."""
        with self._store.reading(MANIFEST) as file:
            manifest = pq.ParquetFile(file, pre_buffer=False)
            yield from manifest.iter_batches(together, columns=columns_there(self._schema, columns))


class _Places:
    """Places in order, taken up to a bound again and again."""

    def __init__(self, places: Sequence[int]) -> None:
        self._places = places
        self._next = 0

    def below(self, end: int) -> list[int]:
        """Those not taken yet that lie before `end`."""
        start = self._next
        while self._next < len(self._places) and self._places[self._next] < end:
            self._next += 1
        return [int(place) for place in self._places[start : self._next]]


def _models(record: Mapping[str, Any]) -> dict[str, str]:
    """The ids of the models of each stage."""
    ids: dict[str, list[str]] = {}
    for stage, model in made_by(record):
        ids.setdefault(stage, []).append(str(model.get("id")))
    return {stage: ", ".join(dict.fromkeys(found)) for stage, found in ids.items()}


def _numbers(values: pd.Series) -> list[float | None]:
    return [None if value != value else round(value, 4) for value in values.tolist()]


def _category(values: pd.Series) -> dict[str, Any]:
    codes, names = pd.factorize(values)
    return {"names": [str(name) for name in names], "codes": [int(code) for code in codes]}


def _texts(rows: pa.Table, inputs: Sequence[str]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: rows[name].to_pylist() for name in _TEXTS if name in rows.column_names}
    for name in {"words", "question_words"}.intersection(columns):
        columns[name] = [_words(words) for words in columns[name]]
    if inputs:
        columns["input"] = [
            {name: str(value) for name, value in row.items() if value is not None}
            for row in rows.select(inputs).to_pylist()
        ]
    return columns


def _words(words: Any) -> list[list[Any]] | None:
    """Each word with the seconds that it begins and ends at."""
    if words is None:
        return None
    read = (
        json.loads(words) if isinstance(words, str) else [[word["word"], word["start"], word["end"]] for word in words]
    )
    return list(read)
