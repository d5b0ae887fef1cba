"""A few rows of a run made beforehand, in a folder of their own: of the same numbers, seeds and voices."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from voicegen.dataset.manifest import write_manifest
from voicegen.dataset.manifest_file import MANIFEST
from voicegen.dataset.relations import RowRelations
from voicegen.errors import OutputError
from voicegen.executors import make_executor
from voicegen.executors.job import Job
from voicegen.job.pace import Pace, trial_folder
from voicegen.job.planning import plan_of, relations_of
from voicegen.job.preview import Preview
from voicegen.job.progress import ProgressDisplay, sign_of_life
from voicegen.job.run_job import identity_of, models_of, provenance_of
from voicegen.job.run_log import logging_to
from voicegen.job.watching import RunWatch
from voicegen.pipeline.clips import Clips
from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.plan import Asked
from voicegen.pipeline.run_folder import RunFolder, config_hash, read_record
from voicegen.store import Store
from voicegen.text.shown import shown

_SHOWN = (
    *("index", "question", "answer_spoken", "answer", "status", "error", "duration", "audio_path"),
    *("question_duration", "question_audio_path"),
)
_LONGEST = 600  # characters of an answer that are shown
_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Trial:
    """Rows that were tried: their manifest's columns, where they are, and what they took."""

    folder: Path
    rows: list[dict[str, Any]]
    pace: Pace | None

    @property
    def all_ok(self) -> bool:
        """Whether no row failed or was rejected."""
        return all(row["status"] == "ok" for row in self.rows)

    def lines(self) -> Iterator[str]:
        """The rows, to read; the audio's paths, to listen."""
        for row in self.rows:
            took = f", {row['duration']:.1f} s, {self.folder / row['audio_path']}" if row["audio_path"] else ""
            yield f"row {row['index'] + 1}: {row['status']}{took}"
            if (question := row["question_audio_path"]) not in (None, row["audio_path"]):
                yield f"  its question, {row['question_duration']:.1f} s, {self.folder / question}"
            if row["error"]:
                yield f"  {row['error']}"
            yield from _wrapped(row["question"])
            yield from _wrapped(row["answer_spoken"] or row["answer"])


def try_rows(preview: Preview, count: int, *, show: bool = False) -> Trial:
    """Makes rows from across the input, each as the run would make it; what was tried before gives way.

    Args:
        preview: of the run; its own folder is left alone.
        count: questions to try.
        show: whether to tell on standard error how far it is.

    Raises:
        VoicegenError: a model or the folder of what is tried cannot be used.
    """
    config, questions = preview.config, preview.questions
    files = config.audio.model_copy(update={"container": "wav"})  # to be listened to
    config = config.model_copy(update={"audio": files})
    store = Store(trial_folder(config))
    identity = identity_of(config, questions.inspect().sha256)
    run = config_hash(identity)  # files are marked as the run's, and so are the same to the byte
    relations = relations_of(config, questions)
    plan = plan_of(config, questions, relations)
    chosen = preview.found.spread(count)
    _clear(store)
    with RunFolder(store, {**identity, "job": "try"}) as folder, logging_to(store, show=show):
        ledger = Ledger(store)
        display = ProgressDisplay(len(chosen) * plan.answers_per_question, 0, show=show)
        watch = RunWatch(
            folder,
            ledger,
            Clips(store, plan, ledger),
            display,
            loading=sign_of_life(show=show),
            refresher=nullcontext(),
        )
        if show:
            print(shown(f"loading {' and '.join(models_of(config))}"), file=sys.stderr)
        with watch:
            make_executor(config.executor).run(
                Job(config, questions, plan, store, ledger, run, Asked(range(0), chosen)), watch
            )
        related = RowRelations(relations, plan.answers_per_question)
        write_manifest(store, questions, ledger, provenance_of(folder, config), plan, related)
    rows = pq.read_table(store.folder / MANIFEST, columns=list(_SHOWN)).to_pylist()
    session = display.tally.session()
    pace = Pace(session, f"{session.rows} rows tried", tried=True) if session.rows else None
    return Trial(store.folder, rows, pace)


def _clear(store: Store) -> None:
    """Removes what an earlier try left; only that."""
    if not store.names():
        return
    record = read_record(store)
    if record is None or record["identity"].get("job") != "try":
        raise OutputError(f"{store} is where rows are tried, and holds something else: move it away")
    with store.kept_still():
        shutil.rmtree(store.folder)


def _wrapped(text: str | None) -> Iterator[str]:
    if text:
        short = textwrap.shorten(shown(text), _LONGEST, placeholder=" ...")
        yield from textwrap.wrap(short, _WIDTH, initial_indent="  ", subsequent_indent="  ")
