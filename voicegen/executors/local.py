"""The stages side by side in this process: asking on the main thread, speaking and writing on one of their own each.

MLX ties its streams to the thread that made them, and signals arrive on the main thread: so that is where the chat
model works. Queues between the stages are bounded, so memory does not grow with the input.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from voicegen.executors.channel import Abandoned, Channel, Ended
from voicegen.pipeline.job import Job
from voicegen.pipeline.outcome import Outcome
from voicegen.pipeline.stages import Script, SpeechFeed, ask, unasked

WRITE_GROUP = 64
"""WAVs made durable together, at the most, before their ledger lines are."""


class LocalExecutor:
    """Runs a job's stages in threads of this process.

    Args:
        queue_size: finished answers, and finished takes, that may wait for the next stage.
    """

    def __init__(self, queue_size: int) -> None:
        self._queue_size = queue_size

    def run(self, job: Job) -> None:
        """Runs the job to its end.

        Whatever ends it early, the writes in flight are finished first: an interruption (KeyboardInterrupt), an error
        of a stage, or of the disk.
        """
        _LocalRun(job, self._queue_size).run()


class _LocalRun:
    def __init__(self, job: Job, queue_size: int) -> None:
        self._job = job
        self._to_speak: Channel[Script] = Channel(queue_size)
        self._to_write: Channel[Outcome] = Channel(queue_size)
        self._error: BaseException | None = None

    def run(self) -> None:
        speaking = self._start("speaking", self._speak)
        writing = self._start("writing", self._write)
        try:
            self._ask()
            self._to_speak.close()
            _join(speaking)
        except Abandoned:
            pass  # another stage failed, and `_error` says how
        finally:
            # Also on the way out of an interruption: takes that are made are written, the others are given up.
            self._to_speak.abandon()
            speaking.join()
            self._to_write.close()
            writing.join()
        if self._error is not None:
            raise self._error

    def _start(self, name: str, stage: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                stage()
            except Abandoned:
                pass
            except BaseException as error:
                self._error = self._error or error
                self._to_speak.abandon()
                if name == "writing":
                    self._to_write.abandon()

        thread = threading.Thread(target=guarded, name=f"voicegen-{name}")
        thread.start()
        return thread

    def _ask(self) -> None:
        job = self._job
        feed = job.feed(lambda question, failure: self._asked(unasked(question, failure)))
        for record in ask(feed, job.answer_model, job.language, job.ledger.attempt):
            self._asked(record)

    def _asked(self, record: Script | Outcome) -> None:
        self._job.progress.asked(record)
        if isinstance(record, Outcome):
            self._to_write.put(record)
        else:
            self._to_speak.put(record)

    def _speak(self) -> None:
        def take(wait: bool) -> Script | None:
            try:
                return self._to_speak.get(wait=wait)
            except Ended:
                raise StopIteration from None

        for outcome in SpeechFeed(take).outcomes(self._job.speech_model):
            self._job.progress.spoken(outcome)
            self._to_write.put(outcome)

    def _write(self) -> None:
        while True:
            try:
                group = self._to_write.get_batch(WRITE_GROUP)
            except Ended:
                return
            self._job.progress.written(self._job.writer.write(group))


def _join(thread: threading.Thread) -> None:
    """Waits in short steps, because a plain join would hold Ctrl-C back on some systems."""
    while thread.is_alive():
        thread.join(0.5)
