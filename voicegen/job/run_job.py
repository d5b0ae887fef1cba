"""One whole run: the folder, what is left to do, the models for it, and the manifest."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from voicegen import build
from voicegen.config import JobConfig
from voicegen.dataset.manifest import Provenance, manifest_rows, write_manifest
from voicegen.dataset.questions import QuestionFile
from voicegen.errors import ConfigError
from voicegen.executors import make_executor
from voicegen.files import output_error
from voicegen.job.progress import ProgressDisplay
from voicegen.job.refresh import ManifestRefresher
from voicegen.job.summary import RunSummary
from voicegen.pipeline.clips import forget_missing
from voicegen.pipeline.job import Job
from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.plan import Plan
from voicegen.pipeline.run_folder import RunFolder, config_hash
from voicegen.pipeline.writer import Writer
from voicegen.protocols import AnswerModel, SpeechModel
from voicegen.records import Failure, ManifestRow, Question

_log = logging.getLogger("voicegen.run")

_BLOCK = 1000  # rows read from the ledger at once


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended the run; everything finished is safe, and the same settings go on with it."""

    def __init__(self, summary: RunSummary) -> None:
        super().__init__(f"interrupted with {summary.ok} of {summary.rows} rows done")
        self.summary = summary


def run_job(config: JobConfig, *, show: bool = False) -> RunSummary:
    """Runs what is left of a job.

    Args:
        config: the settings.
        show: whether to tell on standard error how far it is.

    Raises:
        VoicegenError: the settings, the input, a model or the output folder cannot be used.
        Interrupted: the user stopped it.
    """
    questions = _question_file(config)
    identity = _identity(config, questions.inspect().sha256)
    files = {"input.sha256": questions.path}
    folder = RunFolder(config.output_dir, identity, files=files, overwrite=config.overwrite)
    with folder, _logging_to(folder.paths.log, show=show):
        run = _Run(config, folder, questions, show)
        try:
            return run.go_on()
        finally:
            run.ledger.close()


class _Run:
    """A run whose folder is held."""

    def __init__(self, config: JobConfig, folder: RunFolder, questions: QuestionFile, show: bool) -> None:
        self._config = config
        self._folder = folder
        self._questions = questions
        self._show = show
        self._cut_answers = 0
        self.ledger = Ledger(folder.paths.ledger)
        total = questions.inspect().rows
        limit = config.questions.limit
        self._asked = total if limit is None else min(limit, total)
        self._plan = Plan(
            seed=config.seed,
            total_rows=total,
            voices=config.voice.speaking,
            assign=config.voice.assign,
            answers_per_question=config.chat.num_answers if config.questions.answer_column is None else 1,
        )
        self._rows = self._asked * self._plan.answers_per_question

    def go_on(self) -> RunSummary:
        """Does what is left to do."""
        self._forget()
        left = self.ledger.unfinished(self._rows)
        self._announce(left)
        if left:
            return self._make(left)
        if self._manifest_is_stale():
            self._write_manifest()
        return self._summary()

    def _forget(self) -> None:
        missing = forget_missing(self.ledger, self._folder.paths.audio)
        if missing:
            self._say(f"WAVs of {missing} finished rows are gone or cut short: they are made again")
        if self._config.retry_failed:
            for index in range(self.ledger.end):
                status = self.ledger.status(index)
                if status in ("failed", "rejected"):  # the same seed would give the same take once more
                    self.ledger.forget(index, redraw=status == "rejected")

    def _make(self, left: int) -> RunSummary:
        answer_model, speech_model = self._models()
        display = ProgressDisplay(self._rows, self._rows - left, show=self._show, on_rows=self._note_errors)
        job = Job(
            rows=self._plan.rows(self._unread_questions()),
            ledger=self.ledger,
            answer_model=answer_model,
            speech_model=speech_model,
            language=self._config.tts.language,
            writer=Writer(
                self._folder.paths.root,
                self.ledger,
                self._plan.audio_path,
                subtype=self._config.tts.subtype,
                keep_reasoning=getattr(self._config.chat, "keep_reasoning", False),
            ),
            progress=display,
        )
        try:
            with display, ManifestRefresher(self._write_manifest):
                make_executor(self._config.executor).run(job)
        except KeyboardInterrupt:
            _log.info("interrupted")
            raise Interrupted(self._summary(display)) from None
        return self._summary(display)

    def _unread_questions(self) -> Iterator[Question | Failure]:
        """From the first row that is not finished; a conversation is read from its first turn, for its history."""
        start = self.ledger.first_unfinished() // self._plan.answers_per_question
        if self._config.questions.conversation_column is not None:
            start = 0
        return islice(self._questions.questions(start), max(self._asked - start, 0))

    def _manifest_is_stale(self) -> bool:
        """Whether a session ended, or was ended, before its last rows were in the manifest."""
        manifest = self._folder.paths.manifest
        if manifest_rows(manifest) != len(self.ledger):
            return True
        return manifest.is_file() and manifest.stat().st_mtime_ns < self.ledger.changed()

    def _models(self) -> tuple[AnswerModel, SpeechModel]:
        self._say("loading the models")
        answer_model = build.answer_model(self._config)
        self._folder.remember_model("chat", asdict(answer_model.info))
        speech_model = build.speech_model(self._config)
        self._folder.remember_model("tts", asdict(speech_model.info))
        return answer_model, speech_model

    def _write_manifest(self) -> None:
        write_manifest(
            self._folder.paths.manifest,
            self._questions,
            self.ledger,
            Provenance.of(self._folder.models, config_hash(self._folder.identity), self._config.tts.language),
            self._plan,
        )

    def _note_errors(self, rows: Sequence[ManifestRow]) -> None:
        for row in rows:
            self._cut_answers += row.status == "ok" and row.finish_reason == "length"
            if row.error is not None:
                _log.warning("row %d %s: %s", row.index, row.status, row.error)

    def _summary(self, display: ProgressDisplay | None = None) -> RunSummary:
        tally = display.tally if display else None
        summary = RunSummary(
            output_dir=self._folder.paths.root,
            manifest=self._folder.paths.manifest,
            rows=self._rows,
            ok=self.ledger.count("ok", self._rows),
            rejected=self.ledger.count("rejected", self._rows),
            failed=self.ledger.count("failed", self._rows),
            audio_seconds=self.ledger.audio_seconds(self._rows),
            session_rows=tally.written if tally else 0,
            session_seconds=tally.seconds if tally else 0.0,
            session_audio_seconds=tally.audio_seconds if tally else 0.0,
            cut_answers=self._cut_answers,
            errors=tuple(self._errors().most_common()),
        )
        _log.info("%s", summary)
        return summary

    def _errors(self) -> Counter[str]:
        """Why rows failed or were rejected, and how many did, in all sessions."""
        bad = (index for index in range(self._rows) if self.ledger.status(index) in ("failed", "rejected"))
        errors: Counter[str] = Counter()
        while block := list(islice(bad, _BLOCK)):
            errors.update(row.error for row in self.ledger.get(block).values() if row.error is not None)
        return errors

    def _announce(self, left: int) -> None:
        if self._folder.moved_to is not None:
            self._say(f"the run that was there is now in {self._folder.moved_to}")
        done = self._rows - left
        going_on = f", going on after {done} finished" if done else ""
        self._say(f"{self._rows} rows of {self._questions.path} into {self._folder.paths.root}{going_on}")

    def _say(self, text: str) -> None:
        _log.info(text)
        if self._show:
            print(text, file=sys.stderr)


def _question_file(config: JobConfig) -> QuestionFile:
    """The whole input, `questions.limit` aside: the manifest keeps rows that a larger limit made."""
    settings = config.questions
    if settings.conversation_column is not None and config.chat.num_answers > 1:
        raise ConfigError("chat.num_answers must be 1 with questions.conversation_column: it has one history")
    return QuestionFile(
        path=settings.path if settings.path is not None else bundled_questions(),
        format=settings.format,
        text_column=settings.text_column,
        id_column=settings.id_column,
        answer_column=settings.answer_column,
        conversation_column=settings.conversation_column,
        turn_column=settings.turn_column,
    )


def bundled_questions() -> Path:
    """The 24 questions that come with voicegen: in a checkout's `data/`, or inside an installed wheel."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "data" / "questions.csv"
    return installed if installed.is_file() else package.parent / "data" / "questions.csv"


def _identity(config: JobConfig, input_sha256: str) -> dict[str, Any]:
    identity = {**config.identity(), "input.sha256": input_sha256}
    for name, prompt in config.voice.prompts.items():
        try:
            audio = sha256(prompt.audio.read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(f"voice.prompts.{name}.audio={prompt.audio}: {error.strerror or error}") from None
        identity["voice.prompts"] = {**identity["voice.prompts"]}
        identity["voice.prompts"][name] = {**identity["voice.prompts"][name], "audio": audio}
    return identity


@contextmanager
def _logging_to(path: Path, *, show: bool) -> Iterator[None]:
    """Writes voicegen's log to the run's log file; shows what the models warn of on standard error as well."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise output_error(path, error) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("voicegen")
    level = logger.level
    with ExitStack() as undo:
        undo.callback(handler.close)
        logger.addHandler(handler)
        undo.callback(logger.removeHandler, handler)
        if show:
            shown = logging.StreamHandler()
            shown.setLevel(logging.WARNING)
            for models in (logging.getLogger("voicegen.chat"), logging.getLogger("voicegen.tts")):
                models.addHandler(shown)
                undo.callback(models.removeHandler, shown)
        logger.setLevel(logging.INFO)
        undo.callback(logger.setLevel, level)
        yield
