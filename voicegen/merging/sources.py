"""The runs that are merged, each as it lies in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from voicegen.audio.audio_format import AudioFormat
from voicegen.dataset.manifest_faults import manifest_faults
from voicegen.dataset.manifest_file import MANIFEST, open_manifest
from voicegen.errors import InputError
from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.run_folder import INPUT, audio_of, read_record, rows_of_input, run_hash
from voicegen.store import Store


@dataclass(frozen=True, slots=True)
class Source:
    """A run that is merged; its folder is kept still meanwhile.

    Attributes:
        name: its folder's, or so much of the path to it as tells it from the others.
        record: what its run.json says.
    """

    name: str
    store: Store
    record: Mapping[str, Any]
    ledger: Ledger

    @classmethod
    def of(cls, name: str, store: Store) -> Source:
        """Reads a run's record and ledger, and holds its manifest against them.

        Raises:
            InputError: there is no run.
            OutputError: its files cannot be read, or its manifest is not as its ledger has it.
        """
        record = read_record(store)
        if record is None:
            raise InputError(f"{store}: there is no run: give the folder of one, such as outputs/NAME")
        ledger = Ledger(store)
        fault = next(manifest_faults(store, ledger, len(ledger)), None)
        if fault is not None or not store.changed(MANIFEST):
            what = fault or "there is none"
            raise InputError(
                f"{store}: its {MANIFEST} is not as its ledger has it ({what}): run it again with its settings, which "
                f"writes it anew, or see voicegen verify {store}"
            )
        return cls(name, store, record, ledger)

    @property
    def identity(self) -> Mapping[str, Any]:
        """The settings that decided it."""
        identity: Mapping[str, Any] = self.record.get("identity", {})
        return identity

    @property
    def run(self) -> str | None:
        """What it has in common with other shards of the same run; None: it is no such shard.

        A chat, or a run that was merged itself, is none: another with the same settings has other rows.
        """
        return run_hash(self.record) if INPUT in self.identity and "job" not in self.identity else None

    @property
    def audio(self) -> AudioFormat:
        """What its audio files are."""
        return audio_of(self.identity, self.store)

    @property
    def answers_per_question(self) -> int:
        """Its rows made of one question."""
        return int(self.identity.get("chat.num_answers", 1))

    @property
    def inputs(self) -> Sequence[Mapping[str, Any]]:
        """What its input was, one after the other; nothing where that is not known."""
        inputs: Sequence[Mapping[str, Any]] = self.record.get("inputs", ())
        return inputs

    @property
    def rows(self) -> int:
        """Rows that its whole input comes to; as far as is known, where it is a run from before 0.2."""
        known = rows_of_input(self.record)
        return self.ledger.end if known is None else known

    def manifest(self) -> pq.ParquetFile:
        """Its manifest, opened anew."""
        return open_manifest(self.store.folder)[0]


def names_of(folders: Sequence[Path]) -> list[str]:
    """What runs are called: their folders' names, or their paths below the folder that they have in common.

    Raises:
        InputError: one is given twice.
    """
    whole = [folder.resolve() for folder in folders]
    for place, folder in enumerate(whole):
        if folder in whole[:place]:
            raise InputError(f"{folders[place]} is given twice: give each run once")
    names = [folder.name for folder in whole]
    if len(set(names)) == len(names):
        return names
    above = commonpath(whole)
    return [folder.relative_to(above).as_posix() for folder in whole]
