"""An S3 API server for a run with a fault: it answers each request rightly, but for those that have the fault."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import fsspec
import s3fs

from tests.faults.invariants import Broken
from tests.faults.plan import READ, WRITE
from tests.faults.planted_requests import PlantedRequests
from tests.s3_server import Answer, Application, Environ, Start, fails, rightly

PROCESS: Final = "process"
"""Where a run writes the number of its process, for what kills it."""

_PATIENCE: Final = 1.0  # seconds

_PIECE: Final = re.compile(r"(\d+)-(\d+)")


class FaultyStore(PlantedRequests):
    """How the server answers.

    Args:
        process: a file with the number of the process that a fault kills.
    """

    def __init__(self, process: Path) -> None:
        super().__init__()
        self._process = process

    def __call__(self, app: Application, environ: Environ, start: Start) -> Iterable[bytes]:
        """Answers a request."""
        kind, _, over = self.had_by_next(READ if environ["REQUEST_METHOD"] in ("GET", "HEAD") else WRITE)
        answers = rightly if kind is None else self._wrong_answers(over)[kind]
        return answers(app, environ, start)

    def _wrong_answers(self, over: threading.Event) -> Mapping[str, Answer]:
        def silent(_: Application, environ: Environ, start: Start) -> Iterable[bytes]:
            over.wait()
            return _hangs_up(_, environ, start)

        return {
            "store kill before": self._killing(_hangs_up),
            "store kill after": self._killing(_loses_answer),
            "store error": fails(500, "InternalError"),
            "store busy": fails(503, "SlowDown"),
            "store hangs up": _hangs_up,
            "store answer lost": _loses_answer,
            "store half": _breaks_off,
            "store silent": silent,
            "store down": fails(500, "InternalError"),
            "store denies": fails(403, "AccessDenied"),
            "store gone": _hangs_up,
        }

    def _killing(self, answers: Answer) -> Answer:
        def answer(app: Application, environ: Environ, start: Start) -> Iterable[bytes]:
            try:
                return answers(app, environ, start)
            finally:
                os.kill(int(self._process.read_text()), signal.SIGKILL)

        return answer


def _hangs_up(_: Application, environ: Environ, start: Start) -> Iterable[bytes]:
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return _ended(environ, start)


def _loses_answer(app: Application, environ: Environ, start: Start) -> Iterable[bytes]:
    b"".join(app(environ, lambda *_: None))
    return _ended(environ, start)


def _ended(environ: Environ, start: Start) -> Iterable[bytes]:
    with suppress(OSError):
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    start("200 OK", [])
    return []


def _breaks_off(app: Application, environ: Environ, start: Start) -> Iterable[bytes]:
    """Sends half of what it says it would."""
    body = b"".join(app(environ, start))
    yield body[: len(body) // 2]
    with suppress(OSError):
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)


def hurry(*, lasts: bool, silent: bool) -> None:
    """Has this process be less patient than it is by itself, which is for minutes.

    Args:
        lasts: whether requests go on failing, so that each is tried twice and not 25 times.
        silent: whether the store does not answer, so that it is waited for a second and not 15.
    """
    if lasts:
        os.environ["AWS_MAX_ATTEMPTS"] = "2"
        s3fs.S3FileSystem.retries = 1
    if silent:
        fsspec.config.conf["s3"] = {"config_kwargs": {"connect_timeout": _PATIENCE, "read_timeout": _PATIENCE}}


def put(file: Path, name: str) -> None:
    """Puts a file of this machine into the store."""
    _filesystem().put_file(str(file), name)


def fetch(url: str, folder: Path) -> None:
    """Copies a run of the store into a folder, but for its lease; the objects of a journal become a file.

    Raises:
        Broken: objects of a journal that have the same bytes say other ones.
    """
    filesystem = _filesystem()
    _, root = fsspec.core.url_to_fs(url)
    names = filesystem.find(root)
    found = filesystem.cat(names) if names else {}
    files: dict[Path, bytes] = {}
    for name in sorted(found, key=_place):
        path, data = folder / name.removeprefix(f"{root}/"), found[name]
        if path.parent.name == ".lock":
            continue
        if piece := _PIECE.fullmatch(path.name):
            path, start, before = path.parent, int(piece[1]), files.get(path.parent, b"")
            if not (before[start:].startswith(data) or data.startswith(before[start:])) or start > len(before):
                raise Broken(f"{name} says something else than what overlaps it, or something before it is missing")
            data = before[:start] + max(before[start:], data, key=len)
        files[path] = data
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _place(name: str) -> tuple[str, int]:
    """Where an object comes among others: those of a journal by the bytes that they are of."""
    folder, _, own = name.rpartition("/")
    piece = _PIECE.fullmatch(own)
    return (folder, int(piece[1])) if piece else (name, 0)


def remove(url: str) -> None:
    """Removes a run from the store."""
    filesystem = _filesystem()
    _, root = fsspec.core.url_to_fs(url)
    if filesystem.exists(root):
        filesystem.rm(root, recursive=True)


def _filesystem() -> Any:
    return fsspec.filesystem("s3", use_listings_cache=False)
