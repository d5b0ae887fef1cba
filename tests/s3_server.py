"""An S3 API server on loopback (moto's), which a test may have answer some requests with an error."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import parse_qs

import fsspec
from moto.moto_api._internal.models import moto_api_backend
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "bucket"
SECRET = "not-to-be-shown"

Environ = dict[str, Any]
Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]
Answer = Callable[[Application, Environ, Start], Iterable[bytes]]
"""How a request is answered, by the store's own application or without it (WSGI, PEP 3333)."""

Refusals = Callable[[str, str], tuple[int, str] | None]
"""Which requests, by method and path, are answered with an error: an HTTP status and S3's code."""

_ERROR = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>as a test has it</Message></Error>'


def rightly(app: Application, environ: Environ, start: Start) -> Iterable[bytes]:
    return app(environ, start)


def fails(status: int, code: str) -> Answer:
    """Answers with an error; nothing is done."""

    def answer(_: Application, environ: Environ, start: Start) -> Iterable[bytes]:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start(f"{status} {code}", [("Content-Type", "application/xml")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [_ERROR.format(code=code).encode()]

    return answer


class _Quiet(WSGIRequestHandler):
    def log_request(self, *_: Any) -> None:
        pass


class S3Server:
    """A server with one bucket.

    Attributes:
        refuse: which requests are answered with an error now.
        answer: how all others are answered, by the store's own application.
        listed: the prefixes of the lists that were asked for.
    """

    def __init__(self) -> None:
        self.refuse: Refusals = lambda _method, _path: None
        self.answer: Answer = rightly
        self.listed: list[str] = []
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Quiet)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()

    def _answer(self, environ: Environ, start: Start) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        query = parse_qs(environ["QUERY_STRING"])
        if "list-type" in query and query.get("max-keys") != ["1"]:
            self.listed += query.get("prefix", [""])
        refused = self.refuse(method, path)
        if refused is None:
            return self.answer(self._app, environ, start)
        return fails(*refused)(self._app, environ, start)


def killing_at(run: str, part: str, number: int) -> Refusals:
    """Kills the process that holds a run as it makes the request of that number to put a part of it."""
    puts = count(1)

    def refuse(method: str, path: str) -> tuple[int, str] | None:
        if method == "PUT" and path.startswith(f"/bucket/{run}/{part}") and next(puts) == number:
            store = fsspec.filesystem("s3", use_listings_cache=False)
            lock = max(store.find(f"bucket/{run}/.lock"))
            os.kill(json.loads(store.cat_file(lock))["process"], signal.SIGKILL)
            return 500, "Killed"
        return None

    return refuse


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A running server, which this process and those that it starts find by their environment alone."""
    server = S3Server()
    ours = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()
        moto_api_backend.reset()  # an earlier server of this process has left its bucket
        s3fs.S3FileSystem(use_listings_cache=False).mkdir(BUCKET)
        yield server
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        server.close()
