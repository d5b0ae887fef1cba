"""Checks in worker processes of their own, beside generation.

A worker is a Python process that reads takes from its stdin and writes scores to its stdout, pickled, one group after
another; it ends when its stdin does, however this process ended. It is in no terminal's foreground group: to act on an
interruption is this process's. One that dies costs the group that it had, which another is given once.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any, Final

from voicegen.errors import ModelError, VoicegenError
from voicegen.quality.check import CheckSettings, CheckSpec
from voicegen.records import Scores, Speech

_PATIENCE: Final = 5.0  # seconds that a worker is given to end when it is asked to


class Workers:
    """As many processes, each with all of the checks; started when they are first needed."""

    def __init__(self, checks: Sequence[tuple[CheckSpec[Any], CheckSettings]], number: int) -> None:
        self._checks = [(check.name, settings) for check, settings in checks]
        self._number = number
        self._workers: list[_Worker] = []

    def measure(self, takes: Sequence[Speech]) -> list[dict[str, Any]]:
        """The scores of each take by all the checks, in their order.

        Raises:
            ModelError: a worker died twice of the same takes.
            VoicegenError: what a check raised.
        """
        if not self._checks or not takes:
            return [{} for _ in takes]
        try:
            return self._shared(takes)
        except BaseException:
            self.close()  # replies that nobody has taken would be taken for others'
            raise

    def close(self) -> None:
        """Ends the workers, whatever they are at."""
        for worker in self._workers:
            worker.end()
        self._workers = []

    def _shared(self, takes: Sequence[Speech]) -> list[dict[str, Any]]:
        self._workers += [_Worker(self._checks) for _ in range(self._number - len(self._workers))]
        shares = [takes[place :: self._number] for place in range(self._number)]
        for worker, share in zip(self._workers, shares, strict=True):
            worker.give(share)
        found: list[dict[str, Any]] = [{} for _ in takes]
        for place, share in enumerate(shares):
            found[place :: self._number] = self._taken(place, share)
        return found

    def _taken(self, place: int, share: Sequence[Speech]) -> list[dict[str, Any]]:
        try:
            return self._workers[place].take()
        except _Died:
            self._workers[place].end()
            self._workers[place] = _Worker(self._checks)
            self._workers[place].give(share)
        try:
            return self._workers[place].take()
        except _Died as died:
            names = ", ".join(name for name, _ in self._checks)
            raise ModelError(
                f"the process that listens to takes ({names}) died twice of the same {len(share)} ({died}); where "
                "memory ran out, take a smaller recognizer or fewer quality.workers"
            ) from None


class _Died(Exception):
    pass


class _Worker:
    def __init__(self, checks: Sequence[tuple[str, CheckSettings]]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from voicegen.quality.apart import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self._send(checks)

    def give(self, takes: Sequence[Speech]) -> None:
        """Asks for the scores of takes."""
        self._send(takes)

    def take(self) -> list[dict[str, Any]]:
        """The scores that were asked for."""
        assert self._process.stdout is not None
        try:
            found = pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError, OSError):
            raise _Died(f"exit code {self._process.wait()}") from None
        if isinstance(found, VoicegenError):
            raise found
        return list(found)

    def end(self) -> None:
        """Ends the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, what: object) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it died: taking tells
            pickle.dump(what, self._process.stdin)
            self._process.stdin.flush()


def serve() -> None:
    """A worker's work, until its stdin ends; what libraries print goes to stderr."""
    with suppress(EOFError, BrokenPipeError):
        replies = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        _serve(sys.stdin.buffer, replies)


def _serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    from voicegen.quality.checks import CHECKS

    settings = dict(pickle.load(requests))
    made = None
    while True:
        takes = pickle.load(requests)
        try:
            made = made or [check.make(settings[check.name]) for check in CHECKS if check.name in settings]
            found: object = _together(takes, [check(takes) for check in made])
        except VoicegenError as error:
            found = error
        pickle.dump(found, replies)
        replies.flush()


def _together(takes: Sequence[Speech], found: Sequence[Sequence[Scores]]) -> list[dict[str, Any]]:
    return [{name: score for scores in found for name, score in scores[place].items()} for place in range(len(takes))]
