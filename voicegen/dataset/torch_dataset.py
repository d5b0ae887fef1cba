"""A run as a map-style torch Dataset. Imports torch: load this module only when it is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch.utils.data import Dataset

from voicegen.audio.wav import read_wav
from voicegen.dataset.manifest import MANIFEST
from voicegen.errors import InputError
from voicegen.files import given_path
from voicegen.records import Status

NEEDED = ("status", "split", "answer_spoken", "audio_path", "sampling_rate", "num_samples")


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


class SpeechDataset(Dataset):  # type: ignore[misc]  # torch has no types here
    """The rows of a manifest with their audio, each WAV read when its row is asked for.

    The rows are those at the time of loading, also when the run goes on. Can be pickled for a DataLoader's workers.
    """

    def __init__(self, table: pa.Table, folder: Path) -> None:
        self._table = table
        self._folder = folder

    def __len__(self) -> int:
        """Number of rows."""
        return int(self._table.num_rows)

    def __getitem__(self, index: int) -> SpeechRow:
        """The row at `index`, from the end if negative.

        Raises:
            IndexError: There is no such row.
            InputError: Its WAV is missing, damaged or no longer what the manifest says; says which and what to do.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        row: dict[str, Any] = self._table.slice(index % len(self), 1).to_pylist()[0]
        return SpeechRow(row["answer_spoken"], self._waveform(row), row["sampling_rate"], row)

    @property
    def table(self) -> pa.Table:
        """The manifest's rows, without audio."""
        return self._table

    def _waveform(self, row: dict[str, Any]) -> torch.Tensor:
        remedy = "run the same command again to make it anew"
        if row["audio_path"] is None:
            raise InputError(f"row {row['id']!r} has status {row['status']!r} and no audio: load rows of status 'ok'")
        path = self._folder / row["audio_path"]
        if not path.is_file():
            raise InputError(f"{path}: the WAV of row {row['id']!r} is missing: {remedy}, or move it with the manifest")
        samples, rate = read_wav(path)
        if (rate, len(samples)) != (row["sampling_rate"], row["num_samples"]):
            raise InputError(
                f"{path}: holds {len(samples)} samples at {rate} Hz and the manifest says {row['num_samples']} at "
                f"{row['sampling_rate']}: delete it and {remedy}"
            )
        return torch.from_numpy(samples)


def load_manifest(
    path: str | Path, status: Status | None = "ok", split: Literal["train", "validation", "test"] | None = None
) -> SpeechDataset:
    """Opens a run for training.

    Args:
        path: the run's folder, or its manifest.
        status: only rows that ended so; `None`: all, of which some have no audio.
        split: only rows of this split; `None`: all.

    Raises:
        ConfigError: the path is a URL.
        InputError: There is no manifest, or it is not voicegen's.
    """
    path = given_path("path", path)
    manifest = path / MANIFEST if path.is_dir() else path
    if not manifest.is_file():
        raise InputError(f"{manifest}: there is no manifest: give the folder of a run, such as outputs/NAME")
    try:
        table = pq.read_table(manifest)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{manifest}: cannot be read as Parquet ({error}): run the command again") from error
    missing = [name for name in NEEDED if name not in table.schema.names]
    if missing:
        raise InputError(f"{manifest}: is no manifest of voicegen: it has no column {missing[0]!r}")
    for column, wanted in (("status", status), ("split", split)):
        if wanted is not None:
            table = table.filter(pc.equal(table[column], wanted))
    return SpeechDataset(table, manifest.parent)


def collate(rows: Sequence[SpeechRow]) -> SpeechBatch:
    """Pads rows to one batch, as a DataLoader's `collate_fn`.

    Raises:
        ValueError: The rows differ in sampling rate.
    """
    rates = sorted({row.sampling_rate for row in rows})
    if len(rates) != 1:
        raise ValueError(f"a batch needs one sampling rate, not {rates}: resample the rows first")
    return SpeechBatch(
        waveforms=torch.nn.utils.rnn.pad_sequence([row.waveform for row in rows], batch_first=True),
        lengths=torch.tensor([len(row.waveform) for row in rows]),
        texts=[row.text for row in rows],
        sampling_rate=rates[0],
        rows=[row.row for row in rows],
    )
