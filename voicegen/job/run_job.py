"""One whole run: the folder, what is left to do, the job of doing it, and the manifest."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from voicegen import build
from voicegen.config import JobConfig
from voicegen.dataset.growth import check_growth
from voicegen.dataset.input_index import InputIndex
from voicegen.dataset.manifest import Provenance, manifest_rows, write_manifest
from voicegen.dataset.manifest_file import MANIFEST
from voicegen.dataset.minimal_card import CARD
from voicegen.dataset.questions import QuestionFile
from voicegen.dataset.relation_counts import relation_counts
from voicegen.dataset.relations import RowRelations
from voicegen.errors import ConfigError
from voicegen.executors import make_executor
from voicegen.executors.job import Executor, Job
from voicegen.files import shipped
from voicegen.job.planning import asked_of, naming_of, plan_of, relations_of, rows_of
from voicegen.job.progress import ProgressDisplay, Tally, sign_of_life
from voicegen.job.refresh import ManifestRefresher
from voicegen.job.run_log import logging_to
from voicegen.job.summary import SAMPLES, RunSummary, Sample
from voicegen.job.together import refuse_what_does_not_go_together
from voicegen.job.watching import RunWatch
from voicegen.pipeline.audio_faults import laid_out_for
from voicegen.pipeline.clips import Clips
from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.outcome import of_the_question
from voicegen.pipeline.run_folder import INPUT, RunFolder
from voicegen.pipeline.same_audio import reject_same_audio
from voicegen.records import ManifestRow, Question, TakeRecord
from voicegen.report import REPORT, write_report
from voicegen.report.card import card_is_current, write_run_card
from voicegen.store import Store
from voicegen.text.shown import shown

_log = logging.getLogger("voicegen.run")

_BLOCK = 1000  # rows read from the ledger at once


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended the run; everything finished is safe, and the same settings go on with it."""

    def __init__(self, summary: RunSummary) -> None:
        super().__init__(f"interrupted with {summary.ok} of {summary.rows} rows done")
        self.summary = summary


def run_job(config: JobConfig, *, show: bool = False, executor: Executor | None = None) -> RunSummary:
    """Runs what is left of a job.

    Args:
        config: the settings.
        show: whether to tell on standard error how far it is.
        executor: runs the stages; the one that the settings name if None.

    Raises:
        VoicegenError: the settings, the input, a model or the output folder cannot be used.
        Interrupted: the user stopped it.
    """
    questions = checked_input(config)
    identity = identity_of(config, questions.inspect().sha256)
    files = {INPUT: questions.named}
    if config.overwrite:
        build.look(config)  # or a run would be moved aside for one that cannot be made
    folder = RunFolder(
        Store(config.output_dir), identity, files=files, overwrite=config.overwrite, grow=config.questions.grow
    )
    with folder, logging_to(folder.store, show=show):
        if folder.has_grown:
            check_growth(folder.store, questions, naming_of(config), len(Ledger(folder.store)))
        folder.remember_input(questions.inspect().rows)
        questions.keep_index()
        return _Run(config, folder, questions, show, executor or make_executor(config.executor)).go_on()


def check_job(config: JobConfig) -> None:
    """Refuses a job whose input, recordings or lexicon cannot be used; loads and writes nothing.

    Raises:
        VoicegenError: as `run_job`.
    """
    identity_of(config, checked_input(config).inspect().sha256)


class _Run:
    """A run whose folder is held."""

    def __init__(
        self, config: JobConfig, folder: RunFolder, questions: QuestionFile, show: bool, executor: Executor
    ) -> None:
        self._config = config
        self._executor = executor
        self._folder = folder
        self._store = folder.store
        self._questions = questions
        self._show = show
        self._ledger = Ledger(self._store)
        relations = relations_of(config, questions)
        self._plan = plan_of(config, questions, relations)
        if len(folder.inputs) > 1:  # new audio lies where that of the first input does
            self._plan = replace(self._plan, total_rows=laid_out_for(self._ledger))
        self._clips = Clips(self._store, self._plan, self._ledger)
        self._relations = RowRelations(relations, self._plan.answers_per_question)
        self._asked = asked_of(config, questions, self._plan)
        answers = self._plan.answers_per_question
        self._rows = rows_of(self._asked.part, answers)
        self._besides = [
            index for place in self._asked.besides for index in rows_of(range(place, place + 1), answers)
        ]  # of other shards

    def go_on(self) -> RunSummary:
        """Does what is left to do."""
        self._forget()
        consents_changed = self._folder.remember_consents(self._config.voice.consents)
        left = self._left()
        self._announce(left)
        if left:
            return self._make(left)
        if consents_changed:
            self._write_manifest()
        self._complete()
        return self._summary()

    @property
    def _total(self) -> int:
        return len(self._rows) + len(self._besides)

    def _left(self) -> int:
        besides = sum(self._ledger.status(index) is None for index in self._besides)
        return self._ledger.unfinished(self._rows) + besides

    def _forget(self) -> None:
        self._clips.remove_leftovers()  # of a session that was killed
        if missing := self._clips.forget_missing():
            self._say(f"audio files of {missing} finished rows are gone or cut short: they are made again")
        if self._config.retry_failed:
            for index in self._ledger.bad(self._rows):  # the same seed would give the same take once more
                self._ledger.forget(index, redraw=self._ledger.status(index) == "rejected")

    def _make(self, left: int) -> RunSummary:
        display = ProgressDisplay(self._total, self._total - left, show=self._show)
        watch = RunWatch(
            self._folder,
            self._ledger,
            self._clips,
            display,
            loading=sign_of_life(show=self._show),
            refresher=ManifestRefresher(self._write_manifest, at_once=not self._store.changed(MANIFEST)),
        )
        run = self._folder.config_hash
        job = Job(self._config, self._questions, self._plan, self._store, self._ledger, run, self._asked)
        self._say(f"loading {' and '.join(models_of(self._config))}")
        try:
            with watch:
                self._executor.run(job, watch)
        except KeyboardInterrupt:
            _log.info("interrupted")
            if self._left():
                raise Interrupted(self._summary(display.tally, watch.cut_answers)) from None
        self._clips.remove_leftovers()
        self._complete()
        return self._summary(display.tally, watch.cut_answers)

    def _complete(self) -> None:
        """Does what is left to do when all rows are made."""
        settings = self._config.quality.checks.duplicates  # type: ignore[attr-defined]
        if settings is not None and (count := reject_same_audio(self._store, self._ledger, settings)):
            self._say(f"{count} rows have the audio of an earlier row with another text")
        if self._manifest_is_stale():
            self._write_manifest()
        self._write_pages()

    def _manifest_is_stale(self) -> bool:
        """Whether a session ended, or was ended, before its last rows were in the manifest."""
        if manifest_rows(self._store) != len(self._ledger) or self._folder.split != self._config.split.record:
            return True
        return self._store.changed(MANIFEST) < self._ledger.changed()

    def _write_manifest(self) -> None:
        write_manifest(
            self._store,
            self._questions,
            self._ledger,
            provenance_of(self._folder, self._config),
            self._plan,
            self._relations,
        )
        self._folder.remember_split(self._config.split.record)

    def _write_pages(self) -> None:
        """Makes the pages that show the run, where they are older than the rows; what goes wrong costs them alone."""
        current = {
            CARD: card_is_current(self._store),
            REPORT: self._store.changed(REPORT) >= self._store.changed(MANIFEST),
        }
        for page, write in ((CARD, write_run_card), (REPORT, write_report)):
            if current[page]:
                continue
            try:
                write(self._store)
            except Exception as error:
                _log.warning("no %s", page, exc_info=True)
                self._say(f"no {page} could be made ({error}): the same command tries again")

    def _summary(self, tally: Tally | None = None, cut_answers: int = 0) -> RunSummary:
        summary = RunSummary(
            output_dir=self._config.output_dir,
            manifest=self._config.output_dir / MANIFEST,
            rows=len(self._rows),
            ok=self._ledger.count("ok", self._rows),
            rejected=self._ledger.count("rejected", self._rows),
            failed=self._ledger.count("failed", self._rows),
            audio_seconds=self._ledger.audio_seconds(self._rows),
            session_rows=tally.written if tally else 0,
            session_seconds=tally.seconds if tally else 0.0,
            session_audio_seconds=tally.audio_seconds if tally else 0.0,
            cut_answers=cut_answers,
            made_again=tuple(self._made_again().most_common()),
            errors=tuple(self._errors().most_common()),
            samples=tuple(self._samples()),
            relations=relation_counts(self._store),
        )
        _log.info("%s", summary)
        return summary

    def _samples(self) -> Iterator[Sample]:
        """The first rows that are ok, to look at and to listen to."""
        good = [index for index in self._rows[:_BLOCK] if self._ledger.status(index) == "ok"][:SAMPLES]
        rows = self._ledger.get(good)
        for index in good:
            asked = next(self._questions.questions(index // self._plan.answers_per_question))
            answer, clip = rows[index].answer or "", rows[index].clip
            if isinstance(asked, Question) and clip is not None:
                yield Sample(asked.text[:200], answer[:200], clip.path)

    def _errors(self) -> Counter[str]:
        """Why rows failed or were rejected, and how many did, in all sessions."""
        bad = self._finished(self._ledger.bad(self._rows))
        return Counter(reason for row in bad if (reason := _reason(row)) is not None)

    def _made_again(self) -> Counter[str]:
        """The faults of takes after which others were made, in all sessions."""
        rows = self._finished(self._ledger.drawn_again(self._rows))
        return Counter(
            take.reason or "" for row in rows for kept in (row, row.asked) if kept for take in kept.takes[:-1]
        )

    def _finished(self, indexes: Iterator[int]) -> Iterator[ManifestRow]:
        while block := list(islice(indexes, _BLOCK)):
            yield from self._ledger.get(block).values()

    def _announce(self, left: int) -> None:
        if self._folder.moved_to is not None:
            self._say(f"the run that was there is now in {self._folder.moved_to}")
        done = self._total - left
        going_on = f", going on after {done} finished" if done else ""
        if left and (remark := self._config.wording.remark) is not None:
            self._say(remark)
        then, now = self._folder.split, self._config.split.record
        if then != now and len(self._ledger):
            self._say(f"rows are split anew: {_shares(then)} then, {_shares(now)} now")
        rows = "1 row" if len(self._rows) == 1 else f"{len(self._rows)} rows"
        shard = self._config.shard
        besides = f", and {len(self._besides)} of others, by which it is judged" if self._besides else ""
        rows += f" (shard {shard.index} of {shard.count}{besides})" if shard.count > 1 else ""
        self._say(f"{rows} of {self._questions.told} into {self._store}{going_on}")

    def _say(self, text: str) -> None:
        _log.info(text)
        if self._show:
            print(shown(text), file=sys.stderr)


def _reason(row: ManifestRow) -> str | None:
    """Why a row is not ok: the faults of the take that was kept, without their values, where there is one."""
    if row.status != "rejected":
        return row.error
    of_question = _fault(row.asked.takes) if row.asked else None
    faults = (of_the_question(of_question), _fault(row.takes))
    return "; ".join(filter(None, faults)) or row.error


def _fault(takes: Sequence[TakeRecord]) -> str | None:
    """What is wrong with the least bad of takes of which none is good."""
    rejected = [take for take in takes if take.status == "rejected"]
    if not rejected or takes[-1].status == "ok":
        return None
    return min(rejected, key=lambda take: take.excess).reason


def _shares(split: Mapping[str, Any] | None) -> str:
    if split is None:
        return "all train"
    near = "" if split["near"] else ", near duplicates apart"
    return f"validation {split['validation']:g} and test {split['test']:g}{near}"


def provenance_of(folder: RunFolder, config: JobConfig) -> Provenance:
    """What made the rows of a run, for its manifest."""
    return Provenance.of(folder.models, folder.config_hash, config.tts.language, config.voice.consents)


def models_of(config: JobConfig) -> list[str]:
    """The names of the models that a job has at work."""
    models = (config.chat if config.asks else None, config.tts)
    return [getattr(model, "model", None) or model.kind for model in models if model is not None]


def checked_input(config: JobConfig) -> QuestionFile:
    """The input of a job, looked through.

    Raises:
        ConfigError: settings exclude each other, or are not for this input.
        InputError: it cannot be used.
    """
    refuse_what_does_not_go_together(config)
    questions = question_file(config)
    if config.answers_per_question > 1 and questions.inspect().names.conversation is not None:
        raise ConfigError("chat.num_answers must be 1 with conversations: each has one history")
    return questions


def question_file(config: JobConfig) -> QuestionFile:
    """The whole input, `questions.limit` aside: the manifest keeps rows that a larger limit made."""
    settings = config.questions
    return QuestionFile(
        path=settings.path if settings.path is not None else bundled_questions(),
        format=settings.format,
        text_column=settings.text_column,
        id_column=settings.id_column,
        answer_column=settings.answer_column,
        conversation_column=settings.conversation_column,
        turn_column=settings.turn_column,
        messages_column=settings.messages_column,
        given_history=settings.history == "given",
        index=InputIndex(Store(config.output_dir)),
    )


def bundled_questions() -> Path:
    """The 24 questions that come with voicegen."""
    return shipped("data", "questions.csv")


def identity_of(config: JobConfig, input_sha256: str) -> dict[str, Any]:
    """What decides the result of a job: its settings, its input and the recordings of its voices.

    Raises:
        ConfigError: a recording cannot be read.
        InputError: the lexicon or the index of documents cannot be read.
    """
    identity = {**config.identity(), **build.documents_identity(config.retrieval), "input.sha256": input_sha256}
    similarity = config.quality.checks.similarity  # type: ignore[attr-defined]
    if similarity is not None:
        identity["quality.recordings"] = {
            name: _hash(path, f"quality.checks.similarity.recordings.{name}")
            for name, path in similarity.voices.items()
        }
    for key, voices in (("voice.prompts", config.voice), ("voice.question.prompts", config.voice.question)):
        for name, prompt in voices.prompts.items():
            identity[key] = {**identity[key]}
            identity[key][name] = {**identity[key][name], "audio": _hash(prompt.audio, f"{key}.{name}.audio")}
    return identity


def _hash(recording: Path, setting: str) -> str:
    try:
        return sha256(recording.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{setting}={recording}: {error.strerror or error}") from None
