"""The stages side by side in one process: asking on the thread that calls, the others on one of their own each.

MLX ties its streams to the thread that made them, and signals arrive on the main thread: so that one calls, and the
chat model works there. Queues between the stages are bounded, so memory does not grow with the input.

A take that is not good goes back from listening to speaking. No two stages can wait for each other all the same: what
goes back never waits for room, so listening waits for writing alone, and writing for nobody. Memory stays bounded: a
row begins its round only where there is room in the queue to speaking, so all that go round fit in queues and model.

Rows that are judged by the first ones of their voice wait, as text, until those have ended. Asking waits for that only
when it has none of those in hand, since whoever has them does not wait for asking. Until then it goes on, and as many
rows wait as are answered beside the slowest of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any

from voicegen import build
from voicegen.cores import numpy_on_one_core
from voicegen.executors.channel import Abandoned, Channel, Ended, Round
from voicegen.executors.job import Job, ModelMaker, Watch, Work
from voicegen.executors.share import Share, rows_of
from voicegen.pipeline.conversations import QuestionFeed
from voicegen.pipeline.ledger import Entry
from voicegen.pipeline.outcome import Outcome
from voicegen.pipeline.stages import Script, SpeechFeed, Take, ask, listen, recite, unasked
from voicegen.pipeline.writer import Writer
from voicegen.protocols import AnswerModel, SpeechModel
from voicegen.quality.listener import Listener

LISTEN_GROUP = 32
"""Takes listened to together, at the most."""

WRITE_GROUP = 64
"""Audio files made durable together, at the most, before their ledger lines are."""


def run_chain(job: Job, share: Share, watch: Watch, *, name: str, queue_size: int, models: ModelMaker = build) -> None:
    """Makes a job's models and runs its stages in threads of this process, on its share of the rows.

    Whatever ends it early, the writes in flight are finished first: an interruption (KeyboardInterrupt), an error of a
    stage, or of the disk.

    Args:
        job: the rest of the run.
        share: which of its rows are made here.
        watch: is told how far it is.
        name: of this process, among those that work at the run.
        queue_size: finished answers, and finished takes, that may wait for the next stage.
        models: makes them.

    Raises:
        VoicegenError: a model cannot be found or loaded, or the store cannot be written.
    """
    build.look(job.config)
    answer_model = models.answer_model(job.config)
    if answer_model is not None:
        watch.loaded("chat", answer_model.info)
    speech_model = models.speech_model(job.config)
    watch.loaded("tts", speech_model.info)
    writer = job.writer(name, answer_model.info if answer_model else None, speech_model.info)
    with Listener(job.config.quality) as listener, closing(writer), numpy_on_one_core():
        chain = _Chain(job, share, watch, answer_model, speech_model, listener, writer, queue_size)
        watch.started()
        chain.run()


class _Chain:
    def __init__(
        self,
        job: Job,
        share: Share,
        watch: Watch,
        answer_model: AnswerModel | None,
        speech_model: SpeechModel,
        listener: Listener,
        writer: Writer,
        queue_size: int,
    ) -> None:
        self._job = job
        self._share = share
        self._watch = watch
        self._answer_model = answer_model
        self._speech_model = speech_model
        self._listener = listener
        self._writer = writer
        self._to_speak: Round[Script] = Round(queue_size)
        self._to_listen: Channel[Take] = Channel(queue_size)
        self._to_write: Channel[Outcome] = Channel(queue_size)
        self._error: BaseException | None = None
        self._first_rows = job.first_rows(listener, self._to_speak.open)
        share.joined(self._first_rows, self._to_write.nudge)

    def run(self) -> None:
        speaking = self._start("speaking", self._speak, self._to_speak)
        listening = self._start("listening", self._listen, self._to_speak, self._to_listen)
        writing = self._start("writing", self._write, self._to_speak, self._to_listen, self._to_write)
        try:
            self._ask()
            self._to_speak.close()
            _join(speaking)
        except Abandoned:
            pass  # another stage failed, and `_error` says how
        finally:
            # Also on the way out of an interruption: good takes that are made are written, the others are given up.
            self._to_speak.abandon()
            speaking.join()
            self._to_listen.close()
            listening.join()
            self._to_write.close()
            writing.join()
        if self._error is not None:
            raise self._error

    def _start(self, name: str, stage: Callable[[], None], *up_to_it: Channel[Any]) -> threading.Thread:
        """Starts a stage; where it ends early, the channels up to it are given up, and so the stages before it end."""

        def guarded() -> None:
            try:
                stage()
            except Abandoned:
                pass
            except BaseException as error:
                self._error = self._error or error
                self._share.abandon()
                for channel in up_to_it:
                    channel.abandon()

        thread = threading.Thread(target=guarded, name=f"voicegen-{name}")
        thread.start()
        return thread

    def _ask(self) -> None:
        job = self._job
        wording, attempt = job.config.wording, job.ledger.attempt
        if self._answer_model is None:
            records = recite(rows_of(self._share), wording, attempt)
        else:
            feed = QuestionFeed(
                self._share.part,
                is_done=self._share.is_done,
                earlier_answer=self._share.earlier_answer,
                on_failure=lambda question, failure: self._asked(unasked(question, failure)),
            )
            records = ask(feed, self._answer_model, wording, attempt, aloud=job.config.speak == "both")
        for record in records:
            self._asked(record)

    def _asked(self, record: Script | Outcome) -> None:
        self._watch.worked(Work.of_asking(record))
        if isinstance(record, Outcome):
            self._end(record)
            return
        index = record.question.index
        voices = self._job.plan.voices(index)
        if self._first_rows.precede(index, voices):
            self._to_speak.put_behind(voices, record, wait=self._first_rows.all_asked())
        else:
            self._first_rows.asked(index)
            self._to_speak.put(record)

    def _end(self, outcome: Outcome) -> None:
        self._to_write.put(outcome)
        self._first_rows.ended(outcome.index, outcome.said)

    def _speak(self) -> None:
        def take(wait: bool) -> Script | None:
            try:
                return self._to_speak.get(wait=wait)
            except Ended:
                raise StopIteration from None

        for made in SpeechFeed(take).takes(self._speech_model):
            self._to_listen.put(made)

    def _listen(self) -> None:
        hear = partial(self._listener.hear, usual=self._first_rows.usual)
        max_attempts = self._job.config.quality.max_attempts if self._speech_model.traits.draws else 1
        while True:
            try:
                group = self._to_listen.get_batch(LISTEN_GROUP)
            except Ended:
                return
            for record in listen(group, hear, max_attempts):
                self._watch.worked(Work.of_listening(record))
                if isinstance(record, Outcome):
                    self._end(record)
                    self._to_speak.done()
                else:
                    with suppress(Abandoned):  # of an interrupted run: the row is left for the next session
                        self._to_speak.put_back(record)

    def _write(self) -> None:
        while True:
            try:
                group = self._to_write.get_batch(WRITE_GROUP)
            except Ended:
                self._written(self._writer.put_away())
                return
            entries = self._writer.write(group) if group else self._writer.put_away()
            if not self._written(entries) and group:
                self._watch.made(group)

    def _written(self, entries: Sequence[Entry]) -> bool:
        if entries:
            self._watch.written(entries)
        return bool(entries)


def _join(thread: threading.Thread) -> None:
    """Waits in short steps, because a plain join would hold Ctrl-C back on some systems."""
    while thread.is_alive():
        thread.join(0.5)
