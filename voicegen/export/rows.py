"""The rows of a run that an export is made of: chosen once, then streamed with their audio, in flat memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voicegen.cores import usable_cores
from voicegen.dataset.manifest_file import columns_there, open_manifest
from voicegen.dataset.manifest_schema import WORDS, free_names
from voicegen.errors import InputError
from voicegen.export.choice import Selection, choose
from voicegen.export.sound import Sound, Wanted, read_sound
from voicegen.export.times import TimesFile, times_file
from voicegen.pipeline.plan import QUESTION
from voicegen.records import ClipPlace
from voicegen.store import Store

FOLDER_ROWS: Final = 10_000
"""Audio files in a folder, as in a run."""

_PATHS = ("audio_path", "question_audio_path")
_PLACES = (*_PATHS, "audio_offset", "audio_size", "question_audio_offset", "question_audio_size")
_ROWS = 1024  # of the manifest that are in memory at a time
_READ_AHEAD = 4  # files for each thread

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ExportRow:
    """A row of an export.

    Attributes:
        name: its number, as its file in the run has it; at least six digits.
        values: the manifest's columns but for the paths of audio; those of the audio are of `sound`.
        sound: its audio; None where the row has none.
        times: what says when its words are said, to lie beside the audio; None where that is not known or not wanted.
        question: the audio of its question, where that is beside it.
    """

    name: str
    values: Mapping[str, Any]
    sound: Sound | None
    times: TimesFile | None = None
    question: Sound | None = None

    @property
    def text(self) -> str:
        """What its audio says; empty where it has none."""
        return self.values["answer_spoken"] or self.values.get("question_spoken") or ""

    @property
    def file_name(self) -> str | None:
        """What its audio file is to be called; None where it has none."""
        return None if self.sound is None else f"{self.name}.{self.sound.container}"

    @property
    def question_file_name(self) -> str | None:
        """What the audio file of its question is to be called; None where there is none."""
        return None if self.question is None else f"{self.name}{QUESTION}.{self.question.container}"

    @property
    def files(self) -> Iterator[tuple[str, bytes]]:
        """The names and the bytes of its audio file and of what lies beside that, but for its question."""
        if self.sound is not None:
            yield f"{self.name}.{self.sound.container}", self.sound.data
        if self.times is not None:
            yield f"{self.name}{self.times.suffix}", self.times.data

    def write_audio(self, folder: Path) -> str:
        """Writes its files, audio being among them, and returns the audio's path in `folder`: 0000/000000.wav."""
        place = self.place_in(folder)
        for name, data in self.files:
            (folder / place / name).write_bytes(data)
        return f"{place}/{self.file_name}"

    def write_question(self, folder: Path) -> str | None:
        """Writes the audio of its question likewise, and returns its path; None where there is none."""
        if self.question is None:
            return None
        path = f"{self.place_in(folder)}/{self.question_file_name}"
        (folder / path).write_bytes(self.question.data)
        return path

    def place_in(self, folder: Path) -> str:
        """The folder in `folder` that its files are to lie in, which is there then."""
        place = f"{self.values['index'] // FOLDER_ROWS:04d}"
        if not (folder / place).is_dir():
            (folder / place).mkdir(parents=True)
        return place


class ExportRows:
    """The chosen rows of a run, which may go on meanwhile: they are of the manifest as it was when this was made.

    Args:
        run: its folder, or its manifest.
        selection: which rows.
        wanted: what their audio is to be.
        times: the format of what is to lie beside the audio, a key of `TIMES`; None: nothing.
        adds: columns that the format adds; the manifest's of these names, which the input brought, get a suffix.
        unbroken: whether a conversation ends before its first turn that is not chosen, since what follows refers to it.
        tell: is called with the number of rows that were given, for progress.

    Attributes:
        folder: the run's.
        counts: of rows.
        pairs: whether rows have the audio of their questions beside their own.
        encoded: whether audio that was read so far is not the run's own bytes.
        broken_off: rows that are left out since a turn before them is.

    Raises:
        ConfigError: the path is a URL, or the condition cannot be used.
        InputError: there is no manifest, or no row is chosen; times are wanted, and no row has them.
    """

    def __init__(
        self,
        run: str | Path,
        selection: Selection = Selection(),  # noqa: B008 - frozen
        wanted: Wanted = Wanted(),  # noqa: B008 - frozen
        times: str | None = None,
        adds: Sequence[str] = (),
        unbroken: bool = False,
        tell: Callable[[int], object] = lambda _rows: None,
    ) -> None:
        self._manifest, self.folder = open_manifest(run)
        self._wanted = wanted
        self._times = times
        self._names = free_names(self._manifest.schema_arrow.names, adds)
        self.tell = tell
        self.pairs = _has_pairs(self._manifest)
        self.encoded = False
        choice = choose(self._manifest, selection, unbroken=unbroken)
        self._splits, self.counts, self.broken_off = choice.splits, choice.counts, choice.broken_off
        self._digits = max(6, len(str(choice.last)))
        if not self.counts.chosen:
            raise InputError(f"{self.folder}: no row is chosen: {selection.why_none(self.counts.rows)}")
        if times is not None and not self.has_words:
            raise InputError(
                f"{self.folder}: no row has the times of its words, which are found where a recognizer listens: "
                "make the run with quality=strict, or leave --times out"
            )

    @property
    def has_words(self) -> bool:
        """Whether any row of the run has its words with their times."""
        return _has_words(self._manifest)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have rows: train, validation and test in this order, then others."""
        return tuple(self.counts.by_split)

    @property
    def schema(self) -> pa.Schema:
        """The columns of `ExportRow.values`, which say nothing of where audio lies in the run."""
        schema: pa.Schema = self._manifest.schema_arrow
        fields = [field.with_name(name) for name, field in zip(self._names, schema, strict=True)]
        return pa.schema([field for field in fields if field.name not in _PLACES], schema.metadata)

    def columns(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Those of the manifest's columns of these names that there are, of the chosen rows; audio is not looked at."""
        first = 0
        there = columns_there(self._manifest.schema_arrow, names)
        for batch in self._manifest.iter_batches(columns=there):
            yield batch.filter(pc.is_valid(self._splits.slice(first, batch.num_rows)).combine_chunks())
            first += batch.num_rows

    def rows(self, split: str) -> Iterator[ExportRow]:
        """The rows of a split in the manifest's order, each with its audio, which threads read a few rows ahead.

        Raises:
            ConfigError: audio cannot be encoded as is wanted at the rate that it has.
        InputError: an audio file is missing or is not what the manifest says.
        """
        for row in _ahead(self._values(split), self._row, min(usable_cores(), 16)):
            yield row
            self.tell(1)

    def _values(self, split: str) -> Iterator[dict[str, Any]]:
        first = 0
        for batch in self._manifest.iter_batches(_ROWS):
            chosen = pc.fill_null(pc.equal(self._splits.slice(first, batch.num_rows).cast(pa.string()), split), False)
            yield from batch.filter(chosen.combine_chunks()).rename_columns(self._names).to_pylist()
            first += batch.num_rows

    def _row(self, values: dict[str, Any]) -> ExportRow:
        place, question_place = (ClipPlace.of_row(values, of) for of in ("", "question_"))
        for column in _PLACES:
            values.pop(column, None)
        name = f"{values['index']:0{self._digits}d}"
        if place is None:
            return ExportRow(name, values, None)
        digest = values.get("audio_sha256")
        sound = read_sound(
            Store(self.folder), place, values["sampling_rate"], values["num_samples"], digest, self._wanted
        )
        if sound.sha256 != digest:
            self.encoded = True
            values |= {
                "sampling_rate": sound.sampling_rate,
                "num_samples": sound.num_samples,
                "duration": sound.num_samples / sound.sampling_rate,
                "audio_sha256": sound.sha256,
                "peak": sound.peak,
                **_of_samples("audio_samples_sha256", sound, values),
            }
        words = values.get("words") if self._times else None
        times = times_file(words, values["duration"], self._times) if self._times and words else None
        question = None if question_place in (None, place) else self._question(values, question_place)
        return ExportRow(name, values, sound, times, question)

    def _question(self, values: dict[str, Any], place: ClipPlace) -> Sound:
        digest, samples = values["question_audio_sha256"], values["question_num_samples"]
        rate = round(samples / values["question_duration"])  # as `sampling_rate`, which may be another by now
        sound = read_sound(Store(self.folder), place, rate, samples, digest, self._wanted)
        if sound.sha256 != digest:
            self.encoded = True
            values |= {
                "question_num_samples": sound.num_samples,
                "question_duration": sound.num_samples / sound.sampling_rate,
                "question_audio_sha256": sound.sha256,
                **_of_samples("question_audio_samples_sha256", sound, values),
                "question_measures": {**(values.get("question_measures") or {}), "peak": sound.peak},
            }
        return sound


def _of_samples(column: str, sound: Sound, values: Mapping[str, Any]) -> dict[str, str | None]:
    """The hash of samples, where the run has them: one from before there was such a column has none."""
    return {column: sound.samples_sha256} if column in values else {}


def _has_words(manifest: pq.ParquetFile) -> bool:
    """Whether any row has its words with their times."""
    schema = manifest.schema_arrow
    if "words" not in schema.names or not schema.field("words").type.equals(WORDS):
        return False
    return any(batch["words"].null_count < batch.num_rows for batch in manifest.iter_batches(columns=["words"]))


def _has_pairs(manifest: pq.ParquetFile) -> bool:
    """Whether any row has the audio of its question beside its own."""
    if not set(_PATHS).issubset(manifest.schema_arrow.names):
        return False
    own, question = _PATHS
    return any(
        pc.any(pc.not_equal(batch[own], batch[question])).as_py()
        for batch in manifest.iter_batches(columns=list(_PATHS))
    )


def _ahead(items: Iterable[T], work: Callable[[T], R], threads: int) -> Iterator[R]:
    """`map(work, items)`, by threads that are a few items ahead of what is taken."""
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > _READ_AHEAD * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
