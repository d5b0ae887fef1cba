"""A finished run of millions of rows, made in minutes: for measuring what comes before, beside and after the work.

Questions are of nine words, one in a hundred was asked before, answers are of a sentence. Lines of the ledger are
written by a template of the product's own, its index has its columns as many times over, and all clips of a folder are
one file under many names; larger runs, whose folders nobody looks into, have none.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tests.finished_rows import spoken_row
from voicegen.audio.audio_file import encode_clip
from voicegen.dataset.input_index import InputIndex
from voicegen.dataset.questions import QuestionFile
from voicegen.pipeline.clips import AUDIO_INDEX, Clips
from voicegen.pipeline.ledger import INDEX, LEDGER, Ledger
from voicegen.pipeline.ledger_lines import to_line
from voicegen.pipeline.plan import ROWS_PER_FOLDER, Plan
from voicegen.pipeline.row_columns import Column, load, save
from voicegen.quality.checks.duplicates import HASH
from voicegen.records import Speech, Utterance
from voicegen.store.folder import FolderStore

_BLOCK: Final = 100_000
_ANSWER: Final = "It is what you get when you put the one number beside the other and count them all, one by one."
_WORDS: Final = [f"{one}{two}{three}" for one in "bdfgklmnprst" for two in "aeiou" for three in ("n", "rk", "st", "ll")]
_INDEX: Final = 7_777_777_777  # stands for a row's in the template of a line
_HASH: Final = "7a7a7a7a7a7a7a7a"
_SPREAD: Final = 0x9E3779B97F4A7C15  # so that no two rows have one
_LINES: Final = f"{LEDGER}/00000-made.jsonl"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run of so many rows, without its audio's sounds."""

    root: Path
    rows: int

    @property
    def store(self) -> FolderStore:
        """Where its files lie."""
        return FolderStore(self.root / "run")

    @property
    def plan(self) -> Plan:
        """What its rows are."""
        return Plan(0, self.rows)

    @property
    def new(self) -> QuestionFile:
        """Its input, as a first session has it."""
        return QuestionFile(self.root / "questions.parquet")

    @property
    def questions(self) -> QuestionFile:
        """Its input, as later ones have it."""
        return QuestionFile(self.root / "questions.parquet", index=InputIndex(self.store))

    def clips(self, ledger: Ledger) -> Clips:
        """Its audio."""
        return Clips(self.store, self.plan, ledger)


def make_run(root: Path, rows: int, *, with_audio: bool) -> Run:
    """A finished run with all its indexes; its folders of audio have their files, or are empty and held to be whole."""
    root.mkdir()
    run = Run(root, rows)
    _write_questions(root / "questions.parquet", rows)
    clip, sound = encode_clip(Speech(Utterance(0, "-"), np.zeros(480, np.float32), 24_000), _INDEX, "-")
    said = {"answer": _ANSWER, "answer_spoken": _ANSWER, "completion_tokens": 30}
    line = to_line(spoken_row(_INDEX, clip=clip, scores={HASH: _HASH}, **said)).replace(b"%", b"%%")
    line = line.replace(b'"path":"-"', b'"path":"%(path)s"').replace(_HASH.encode(), b"%(hash)s")
    template = line.replace(b"%d" % _INDEX, b"%(index)d")
    lengths = []
    with closing(run.store.journal(_LINES)) as journal:
        for start in range(0, rows, ROWS_PER_FOLDER):
            indexes = range(start, min(start + ROWS_PER_FOLDER, rows))
            _make_folder(run, indexes, sound if with_audio else None)
            lines = [template % _of_row(index, run.plan.audio_path(index, "ok")) for index in indexes]
            lengths.append(np.fromiter(map(len, lines), np.uint64, len(lines)))
            journal.add(b"".join(lines))
    _keep_ledger_index(run, np.concatenate(lengths))
    _age(run)
    if with_audio:
        run.clips(Ledger(run.store)).keep()
    else:
        whole = {f"/{path.name}": [path.stat().st_mtime_ns, 0] for path in (run.store.root / "audio").iterdir()}
        run.store.put([(AUDIO_INDEX, json.dumps({"whole": whole}).encode())])
    run.questions.keep_index()
    return run


def _make_folder(run: Run, indexes: range, sound: bytes | None) -> None:
    """The folder of some rows' audio: one file by all their names, or nothing."""
    first = run.store.root / run.plan.audio_path(indexes[0], "ok")
    first.parent.mkdir(parents=True)
    if sound is None:
        return
    first.write_bytes(sound)
    for index in indexes[1:]:
        os.link(first, run.store.root / run.plan.audio_path(index, "ok"))


def _of_row(index: int, path: str) -> dict[bytes, object]:
    return {b"index": index, b"path": path.encode(), b"hash": b"%016x" % (index * _SPREAD % 2**64)}


def _keep_ledger_index(run: Run, lengths: NDArray[np.uint64]) -> None:
    """The index that the product makes of the first line, with as many rows as there are lines."""
    with run.store.reading(_LINES) as file, TemporaryDirectory() as folder:
        of_one = FolderStore(Path(folder))
        with closing(of_one.journal(_LINES)) as journal:
            journal.add(file.readline())
        Ledger(of_one).keep_index(after=0)
        with of_one.reading(INDEX) as made:
            head, columns = load(made)
    rows, ends = len(lengths), np.cumsum(lengths)
    changed = {"place": ends - lengths, "hash": np.arange(rows, dtype=np.uint64) * np.uint64(_SPREAD)}
    whole = {
        name: Column(
            column.dtype.char, base=changed.get(name, np.repeat(column, rows))
        )  # those that have nothing: nothing
        for name, column in columns.items()
    }
    head["files"] = [[_LINES, int(ends[-1] - lengths[-1]), rows - 1]]
    with run.store.making(INDEX) as path:
        save(path, head, whole, {})


def _write_questions(path: Path, rows: int) -> None:
    drawn, words = np.random.default_rng(0), pa.array(_WORDS)
    schema = pa.schema([("id", pa.string()), ("question", pa.string())])
    with pq.ParquetWriter(path, schema) as file:
        for start in range(0, rows, _BLOCK):
            numbers = pa.array(range(start, min(start + _BLOCK, rows)), pa.int64()).cast(pa.string())
            nine = drawn.integers(0, len(words), (9, len(numbers)))
            nine[:, ::100] = nine[:, :1]
            texts = pc.binary_join_element_wise(*(words.take(pa.array(each)) for each in nine), " ")
            texts = pc.binary_join_element_wise("What ", texts, "?", "")
            ids = pc.binary_join_element_wise("q", numbers, "")
            file.write_table(pa.table({"id": ids, "question": texts}, schema))


def _age(run: Run) -> None:
    """Makes the input and the folders of audio as old as those of an earlier session are."""
    os.utime(run.root / "questions.parquet", ns=(0, time.time_ns() - 10**10))
    for folder in (run.store.root / "audio").iterdir():
        os.utime(folder, ns=(0, time.time_ns() - 10**10))
    time.sleep(2.1)  # what the system knows of the input cannot be set
