"""Runs that clients ask for: a config by its name, typed fields, and questions; never an override or a path."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from voicegen.config import JobConfig
from voicegen.dataset.manifest_file import MANIFEST
from voicegen.executors.job import Job as WorkOfRun
from voicegen.executors.job import Watch, Work
from voicegen.executors.local import LocalExecutor
from voicegen.files import inside, write_atomic
from voicegen.job.composing import ConfigWords, compose
from voicegen.job.composition import config_folder
from voicegen.job.run_job import run_job
from voicegen.job.summary import RunSummary
from voicegen.mcp_server.jobs import Job
from voicegen.mcp_server.models import Models, ModelsOfCaller
from voicegen.mcp_server.refusals import Refusal
from voicegen.pipeline.ledger import Entry
from voicegen.pipeline.outcome import Outcome
from voicegen.records import ClipPlace, ModelInfo, Speak
from voicegen.store import Store
from voicegen.store.clips import read_clip

RUNS = "runs"
"""The folder of them, in the output folder."""

REQUESTS = "requests"
"""The folder of what they are to make."""
_GROUPS = ("preset", "chat", "tts", "quality")  # that a config by name chooses
_PAGE = 200  # rows of a manifest that are given at once, at the most


class QuestionRow(BaseModel):
    """One question of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(min_length=1, max_length=20_000, description="The question.")
    id: str | None = Field(default=None, max_length=200, description="Your own name for the row.")
    answer: str | None = Field(
        default=None, max_length=100_000, description="A ready answer to speak, for all rows or for none."
    )


class RunRequest(BaseModel):
    """What a client asks for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    questions: tuple[QuestionRow, ...]
    config: str | None = None
    quality: Literal["off", "basic", "strict"] | None = None
    speak: Speak = "answer"
    voice: str | None = None
    seed: int = 0


def config_names(config_dir: str | None) -> list[str]:
    """The configs that may be named: the presets that come with voicegen and those of the user's own folder."""
    folders = [config_folder(), *([Path(config_dir)] if config_dir else [])]
    return sorted({file.stem for folder in folders for file in (folder / "preset").glob("*.yaml")})


class Runs:
    """Makes runs, each in a folder of its own that has the job's id for a name.

    Args:
        root: the output folder.
        words: what the server was started with; a run has the same where its request says nothing.
        models: that runs share.
    """

    def __init__(self, root: Path, words: ConfigWords, models: Models) -> None:
        self._folder = root.absolute() / RUNS
        self._requests = root.absolute() / REQUESTS
        self._words = words
        self._models = models
        self._composing = threading.Lock()  # Hydra has one state for all threads

    def remember(self, id: str, request: RunRequest) -> JobConfig:
        """Writes a request down, so that the run can be gone on with, and returns the run's settings.

        Raises:
            VoicegenError: the settings cannot be, or the folder cannot be written.
        """
        if 0 < sum(row.answer is not None for row in request.questions) < len(request.questions):
            raise Refusal(
                "arguments", "some questions have an answer and some have none: give all of them one, or none"
            )
        config = self._config(id, request)
        rows = [
            {"id": row.id or str(n), "question": row.text, "answer": row.answer}
            for n, row in enumerate(request.questions)
        ]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_atomic(self._requests / f"{id}.jsonl", lines.encode())
        write_atomic(self._requests / f"{id}.json", request.model_dump_json().encode())
        return config

    def recall(self, id: str) -> tuple[RunRequest, JobConfig]:
        """A request that was written down, and the run's settings.

        Raises:
            Refusal: there is no such run, or it was begun by another version.
        """
        self._of(id)
        try:
            request = RunRequest.model_validate_json((self._requests / f"{id}.json").read_bytes())
        except ValidationError:
            raise Refusal("unknown_run", f"the run {id!r} was begun by another version: begin another") from None
        return request, self._config(id, request)

    def make(self, config: JobConfig, job: Job) -> RunSummary:
        """Makes what is left of a run, with the shared models.

        Raises:
            VoicegenError: as `run_job`.
            Interrupted: the job was cancelled.
        """
        try:
            return run_job(config, executor=_Sharing(ModelsOfCaller(self._models, job.caller), job.advance))
        finally:
            self._models.let_go()

    def manifest(self, id: str, offset: int, limit: int) -> str:
        """Rows of a run's manifest from `offset` on, both 0 or more, as JSON lines; none before the first is made.

        Raises:
            Refusal: there is no such run.
        """
        folder = self._of(id)
        if not (folder / MANIFEST).is_file():
            return ""
        rows = pq.read_table(folder / MANIFEST).slice(offset, min(limit, _PAGE)).to_pylist()
        return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)

    def audio(self, id: str, path: str) -> bytes:
        """An audio file that a run's manifest names.

        Raises:
            InputError: the path leads out of the run.
            Refusal: the manifest names no such file.
        """
        folder = self._of(id)
        inside(folder, path)
        place = _place_of(folder / MANIFEST, path) if (folder / MANIFEST).is_file() else None
        data = None if place is None or (folder / place.file).is_symlink() else read_clip(Store(folder), place)
        if data is None:
            raise Refusal("unknown_clip", f"the run {id!r} has no audio file {path!r}: see audio_path of its manifest")
        return data

    def _of(self, id: str) -> Path:
        """The folder of a run, which may not be there yet."""
        if not id.isalnum() or not (self._requests / f"{id}.json").is_file():
            raise Refusal("unknown_run", f"there is no run {id!r}: give the id that start_run gave")
        return self._folder / id

    def _config(self, id: str, request: RunRequest) -> JobConfig:
        words = self._words
        overrides = list(words.overrides)
        settings: dict[str, Any] = dict(words.settings)
        if request.config is not None:
            overrides = [word for word in overrides if _group(word) not in _GROUPS]
            settings = {key: value for key, value in settings.items() if _group(key) not in _GROUPS}
            overrides.append(f"preset={request.config}")
        if request.quality is not None:
            overrides = [word for word in overrides if _group(word) != "quality"]
            overrides.append(f"quality={request.quality}")
        settings |= {
            "name": id,
            "output_dir": str(self._folder / id),
            "questions.path": str(self._requests / f"{id}.jsonl"),
            "questions.text_column": "question",
            "questions.id_column": "id",
            "questions.answer_column": "answer" if request.questions[0].answer is not None else None,
            "speak": request.speak,
            "seed": request.seed,
            **({"voice.names": [request.voice]} if request.voice else {}),
        }
        with self._composing:
            return compose(overrides, words.config_dir, words.config_name, settings)


def _group(word: str) -> str:
    return word.lstrip("+~").partition("=")[0].partition(".")[0].partition("@")[0]


def _place_of(manifest: Path, path: str) -> ClipPlace | None:
    """Where the clip lies that a manifest calls so; None where it names none so."""
    names = pq.ParquetFile(manifest).schema_arrow.names
    for of in ("", "question_"):
        columns = [
            name for column in ("audio_path", "audio_offset", "audio_size") if (name := f"{of}{column}") in names
        ]
        if f"{of}audio_path" in names:
            for row in pq.read_table(manifest, columns=columns, filters=[(f"{of}audio_path", "=", path)]).to_pylist():
                return ClipPlace.of_row(row, of)
    return None


@dataclass(frozen=True, slots=True)
class _Sharing:
    """The executor of a run whose models are others' as well."""

    models: ModelsOfCaller
    advance: Callable[[int], None]

    def run(self, job: WorkOfRun, watch: Watch) -> None:
        """As an `Executor`."""
        LocalExecutor(job.config.executor.queue_size, models=self.models).run(job, _Counting(watch, self.advance))


@dataclass(frozen=True, slots=True)
class _Counting:
    """A `Watch` before another, which is told how many rows are finished."""

    watch: Watch
    advance: Callable[[int], None]

    def loaded(self, stage: str, model: ModelInfo) -> None:
        self.watch.loaded(stage, model)

    def started(self) -> None:
        self.watch.started()

    def worked(self, work: Work) -> None:
        self.watch.worked(work)

    def told(self, text: str) -> None:
        self.watch.told(text)

    def made(self, outcomes: Sequence[Outcome]) -> None:
        self.watch.made(outcomes)

    def written(self, entries: Sequence[Entry]) -> None:
        self.watch.written(entries)
        self.advance(len(entries))
