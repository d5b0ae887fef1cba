"""A run as a map-style torch Dataset. Imports torch: load this module only when it is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from voicegen.audio.audio_file import decode_audio
from voicegen.audio.mel import LogMel
from voicegen.audio.resample import resample
from voicegen.dataset.manifest_file import open_any_manifest
from voicegen.dataset.splits import Split
from voicegen.errors import InputError
from voicegen.records import ClipPlace, Status
from voicegen.remote import AnyPath
from voicegen.store import Store
from voicegen.store.clips import read_clip

if TYPE_CHECKING:
    import pandas


class SpeechRow(NamedTuple):
    """One row: `text` as spoken, `waveform` float32 mono `(N,)` in [-1, 1], Hz, and the whole manifest row."""

    text: str
    waveform: torch.Tensor
    sampling_rate: int
    row: dict[str, Any]


class SpeechBatch(NamedTuple):
    """Rows of one sampling rate: `waveforms` `(B, T)` float32 padded with zeros at the end, `lengths` `(B,)` int64."""

    waveforms: torch.Tensor
    lengths: torch.Tensor
    texts: list[str]
    sampling_rate: int
    rows: list[dict[str, Any]]


class MelRow(NamedTuple):
    """One row: `text` as spoken, `mel` float32 `(F, 80)` as of `LogMel`, the audio's Hz, and the whole manifest row."""

    text: str
    mel: torch.Tensor
    sampling_rate: int
    row: dict[str, Any]


class MelBatch(NamedTuple):
    """Rows of one sampling rate: `mels` `(B, F, 80)` float32 padded with zeros, `lengths` `(B,)` int64 in frames."""

    mels: torch.Tensor
    lengths: torch.Tensor
    texts: list[str]
    sampling_rate: int
    rows: list[dict[str, Any]]


class PairRow(NamedTuple):
    """A row of a run with `speak=both`: its question and its answer, each as a row of its own would be."""

    question: SpeechRow | MelRow
    answer: SpeechRow | MelRow


class PairBatch(NamedTuple):
    """Questions and their answers, in the same order."""

    question: SpeechBatch | MelBatch
    answer: SpeechBatch | MelBatch


class ManifestDataset(Dataset):  # type: ignore[misc]  # torch has no types here
    """The rows of a manifest, with a clip read when its row is asked for.

    The rows are those at the time of loading, also when the run goes on. Can be pickled for a DataLoader's workers.

    Args:
        table: the manifest's rows.
        folder: the run's.
        sample_rate: Hz that waveforms are resampled to; None: each its own.
        question: whether a row is its question, and not what its own clip says.
    """

    def __init__(
        self, table: pa.Table, folder: AnyPath, sample_rate: int | None = None, *, question: bool = False
    ) -> None:
        self._table = table
        self._folder = folder
        self._sample_rate = sample_rate
        self._of = "question_" if question else ""

    def __len__(self) -> int:
        """Number of rows."""
        return int(self._table.num_rows)

    @property
    def table(self) -> pa.Table:
        """The manifest's rows, without audio."""
        return self._table

    def to_pandas(self) -> pandas.DataFrame:
        """The manifest's rows, without audio, in columns of Arrow's types: whole numbers stay whole beside nulls."""
        import pandas

        frame: pandas.DataFrame = self._table.to_pandas(types_mapper=pandas.ArrowDtype)
        return frame

    def _spoken(self, index: int) -> SpeechRow:
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        row: dict[str, Any] = self._table.slice(index % len(self), 1).to_pylist()[0]
        samples, rate = self._read(row), self._sample_rate or row["sampling_rate"]
        waveform = torch.from_numpy(resample(samples, row["sampling_rate"], rate))
        says = "question_spoken" if self._of or row["answer_spoken"] is None else "answer_spoken"
        return SpeechRow(row[says], waveform, rate, row)

    def _read(self, row: dict[str, Any]) -> NDArray[np.float32]:
        remedy = "run the same command again to make it anew"
        place, num_samples = ClipPlace.of_row(row, self._of), row[f"{self._of}num_samples"]
        if place is None:
            raise InputError(f"row {row['id']!r} has status {row['status']!r} and no audio: load rows of status 'ok'")
        path, data = f"{self._folder}/{place.path}", read_clip(Store(self._folder), place)
        if data is None:
            raise InputError(
                f"{path}: the audio of row {row['id']!r} is missing: {remedy}, or move it with the manifest"
            )
        samples, rate = decode_audio(data, path)
        if (rate, len(samples)) != (row["sampling_rate"], num_samples):
            raise InputError(
                f"{path}: holds {len(samples)} samples at {rate} Hz and the manifest says {num_samples} at "
                f"{row['sampling_rate']}: delete it and {remedy}"
            )
        return samples


class SpeechDataset(ManifestDataset):
    """Rows with their waveforms."""

    def __getitem__(self, index: int) -> SpeechRow:
        """The row at `index`, from the end if negative.

        Raises:
            IndexError: There is no such row.
            InputError: Its audio is missing, damaged or no longer what the manifest says; says which and what to do.
        """
        return self._spoken(index)


class MelDataset(ManifestDataset):
    """Rows with the log-mel spectrograms of their waveforms, made where the row is asked for: in a worker."""

    def __getitem__(self, index: int) -> MelRow:
        """The row at `index`, from the end if negative.

        Raises:
            IndexError: There is no such row.
            InputError: Its audio is missing, damaged or no longer what the manifest says; says which and what to do.
        """
        text, waveform, rate, row = self._spoken(index)
        return MelRow(text, _log_mel(rate)(waveform), rate, row)


class PairDataset(ManifestDataset):
    """Rows with both their clips.

    Attributes:
        question: the questions alone.
        answer: the answers alone.
    """

    def __init__(self, question: SpeechDataset | MelDataset, answer: SpeechDataset | MelDataset) -> None:
        super().__init__(answer.table, answer._folder)
        self.question = question
        self.answer = answer

    def __getitem__(self, index: int) -> PairRow:
        """The row at `index`, from the end if negative.

        Raises:
            IndexError: There is no such row.
            InputError: Its audio is missing, damaged or no longer what the manifest says; says which and what to do.
        """
        return PairRow(self.question[index], self.answer[index])


@cache
def _log_mel(sampling_rate: int) -> LogMel:
    return LogMel(sampling_rate)


@overload
def load_manifest(
    path: str | AnyPath,
    status: Status | None = ...,
    split: Split | None = ...,
    *,
    features: Literal["waveform"] = ...,
    sample_rate: int | None = ...,
    speak: Literal["question"] | None = ...,
) -> SpeechDataset: ...
@overload
def load_manifest(
    path: str | AnyPath,
    status: Status | None = ...,
    split: Split | None = ...,
    *,
    features: Literal["mel"],
    sample_rate: int | None = ...,
    speak: Literal["question"] | None = ...,
) -> MelDataset: ...
@overload
def load_manifest(
    path: str | AnyPath,
    status: Status | None = ...,
    split: Split | None = ...,
    *,
    features: Literal["waveform", "mel"] = ...,
    sample_rate: int | None = ...,
    speak: Literal["both"],
) -> PairDataset: ...
def load_manifest(
    path: str | AnyPath,
    status: Status | None = "ok",
    split: Split | None = None,
    *,
    features: Literal["waveform", "mel"] = "waveform",
    sample_rate: int | None = None,
    speak: Literal["question", "both"] | None = None,
) -> SpeechDataset | MelDataset | PairDataset:
    """Opens a run for training.

    Args:
        path: the run's folder, or its manifest; also at a URL.
        status: only rows that ended so; `None`: all, of which some have no audio.
        split: only rows of this split; `None`: all.
        features: what a row holds: its waveform `(N,)`, or the log-mel spectrogram `(F, 80)` of it, with a frame every
            10 ms (`LogMel`). To make spectrograms on a device, give `LogMel` the waveforms of a batch there.
        sample_rate: Hz that waveforms are resampled to when they are read; `None`: each its own.
        speak: `None`: a row is what its own clip says, the answer where that is spoken; `"question"`: its question;
            `"both"`: the two of them, as a `PairRow`.

    Raises:
        ConfigError: the path can be none.
        InputError: There is no manifest, or it is not voicegen's; questions are wanted, and the run has none.
        ValueError: There are no such features, or the rate is not over 0.
    """
    if features not in ("waveform", "mel"):
        raise ValueError(f"features={features!r}: they are 'waveform' or 'mel'")
    if sample_rate is not None and sample_rate < 1:
        raise ValueError(f"sample_rate={sample_rate}: it is a number of Hz over 0")
    file, folder = open_any_manifest(path)
    table = file.read()
    for column, wanted in (("status", status), ("split", split)):
        if wanted is not None:
            table = table.filter(pc.equal(table[column], wanted))
    kind = MelDataset if features == "mel" else SpeechDataset
    own = kind(table, folder, sample_rate)
    if speak is None:
        return own
    if "question_spoken" not in table.column_names or table["question_spoken"].null_count == table.num_rows > 0:
        raise InputError(f"{folder}: its questions are not spoken: make the run with speak={speak}")
    if speak == "both" and table["answer_spoken"].null_count == table.num_rows > 0:
        raise InputError(f"{folder}: its answers are not spoken: load it with speak='question'")
    questions = kind(table, folder, sample_rate, question=True)
    return questions if speak == "question" else PairDataset(questions, own)


@overload
def collate(rows: Sequence[SpeechRow]) -> SpeechBatch: ...
@overload
def collate(rows: Sequence[MelRow]) -> MelBatch: ...
@overload
def collate(rows: Sequence[PairRow]) -> PairBatch: ...
def collate(rows: Sequence[Any]) -> SpeechBatch | MelBatch | PairBatch:
    """Pads rows to one batch, as a DataLoader's `collate_fn`.

    Raises:
        ValueError: The rows differ in sampling rate.
    """
    if isinstance(rows[0], PairRow):
        questions, answers = zip(*rows, strict=True)
        return PairBatch(collate(questions), collate(answers))
    rates = sorted({row.sampling_rate for row in rows})
    if len(rates) != 1:
        raise ValueError(f"a batch needs one sampling rate, not {rates}: load the rows with sample_rate={rates[0]}")
    kind = MelBatch if isinstance(rows[0], MelRow) else SpeechBatch
    texts, contents, _, manifest_rows = zip(*rows, strict=True)
    return kind(
        torch.nn.utils.rnn.pad_sequence(contents, batch_first=True),
        torch.tensor([len(content) for content in contents]),
        list(texts),
        rates[0],
        list(manifest_rows),
    )
