"""What the user sees of a run: a bar a stage on a terminal, a plain line now and then on a pipe."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Never, Self

from tqdm import tqdm

from voicegen.executors.job import Work
from voicegen.pipeline.ledger import Entry
from voicegen.pipeline.run_folder import Session
from voicegen.text.shown import shown

_BAR = "{desc:<9} {percentage:3.0f}% |{bar:24}| {n_fmt}/{total_fmt} rows{postfix}"
_LINE_EVERY = 15.0  # seconds, on a pipe


@contextmanager
def sign_of_life(*, show: bool) -> Iterator[None]:
    """Shows on a terminal that models are loading, and for how long they have been; nothing on a pipe."""
    if not (show and sys.stderr.isatty()):
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stderr=False) as progress:
        progress.add_task("loading", total=None)
        yield


def row_bar(what: str, rows: int) -> tqdm[Never]:
    """A bar over rows on a terminal, gone when it is closed; nothing on a pipe."""
    return tqdm(total=rows, desc=what, unit="row", leave=False, disable=not sys.stderr.isatty(), file=sys.stderr)


class Tally:
    """Counts of this session, safe to add to from several threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.began = time.monotonic()
        self.asked = 0
        self.spoken = 0
        self.made_again = 0  # takes that were not good
        self.written = 0
        self.audio_seconds = 0.0  # of good takes
        self.completion_tokens = 0
        self.wav_bytes = 0  # of good takes
        self._over: float | None = None

    @property
    def seconds(self) -> float:
        """Since the session began, until it was over."""
        return max((self._over or time.monotonic()) - self.began, 1e-9)

    @property
    def through(self) -> int:
        """Rows that are through the stages: spoken, or failed before they could be. Written they are with others."""
        return max(self.spoken, self.written)

    def finish(self) -> None:
        """Stops the clock."""
        self._over = time.monotonic()

    def session(self) -> Session:
        """What the session has done, for the run's record."""
        ended = datetime.now().astimezone().isoformat(timespec="seconds")
        return Session(self.written, self.seconds, self.audio_seconds, self.wav_bytes, ended)


class ProgressDisplay:
    """Shows how far each stage is, as a context manager around the run.

    Args:
        total: rows of the run.
        done: rows that earlier sessions finished.
        show: whether to show anything, on standard error; the tally is kept either way.
    """

    def __init__(self, total: int, done: int, *, show: bool) -> None:
        self.tally = Tally()
        self._visible = show
        self._total = total
        self._done = done
        self._stream = sys.stderr
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._show, name="voicegen-progress", daemon=True)

    def __enter__(self) -> Self:
        self.tally.began = time.monotonic()
        if self._visible:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.tally.finish()
        self._stop.set()
        if self._visible:
            self._thread.join()

    def worked(self, work: Work) -> None:
        """A stage is that much further."""
        with self.tally.lock:
            self.tally.asked += work.asked
            self.tally.completion_tokens += work.completion_tokens
            self.tally.spoken += work.spoken
            self.tally.made_again += work.made_again
            self.tally.audio_seconds += work.audio_seconds

    def say(self, text: str) -> None:
        """Shows a line, above the bars where there are any."""
        if self._visible:
            tqdm.write(shown(text), file=self._stream)

    def written(self, entries: Sequence[Entry]) -> None:
        """Rows are finished, and durable."""
        with self.tally.lock:
            self.tally.written += len(entries)
            rows = (entry.row for entry in entries)
            self.tally.wav_bytes += sum(clip.num_bytes for row in rows if row.status == "ok" for clip in row.clips)

    def _show(self) -> None:
        if self._stream.isatty():
            self._show_bars()
        else:
            self._show_lines()

    def _show_bars(self) -> None:
        bars: list[tqdm[Never]] = [
            tqdm(total=self._total, initial=self._done, desc=name, bar_format=_BAR, file=self._stream, position=place)
            for place, name in enumerate(("answering", "speaking", "writing"))
        ]
        try:
            while True:
                over = self._stop.wait(0.2)
                self._update(bars)
                if over:
                    return
        finally:
            for bar in bars:
                bar.close()

    def _update(self, bars: Sequence[tqdm[Never]]) -> None:
        tally = self.tally
        texts = (
            f"{tally.asked / tally.seconds:.1f} rows/s, {tally.completion_tokens / tally.seconds:.0f} tokens/s",
            f"{tally.audio_seconds / tally.seconds:.1f} s of audio/s, {tally.made_again} made again",
            f"{_clock(self._time_left())} left",
        )
        for bar, count, text in zip(bars, (tally.asked, tally.through, tally.written), texts, strict=True):
            bar.n = min(self._done + count, self._total)
            bar.set_postfix_str(text, refresh=False)
            bar.refresh()

    def _show_lines(self) -> None:
        while not self._stop.wait(_LINE_EVERY):
            tally = self.tally
            line = (
                f"{self._done + tally.through}/{self._total} rows, {tally.through / tally.seconds:.1f} rows/s, "
                f"{tally.audio_seconds / tally.seconds:.1f} s of audio/s, {_clock(self._time_left())} left"
            )
            print(line, file=self._stream, flush=True)

    def _time_left(self) -> float | None:
        """Seconds, by the rate of this session; None before the first row."""
        tally = self.tally
        if not tally.through:
            return None
        return (self._total - self._done - tally.through) * tally.seconds / tally.through


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{whole:02d}" if hours else f"{minutes}:{whole:02d}"
