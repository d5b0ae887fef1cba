"""A chat-completions server on loopback that answers, or misbehaves, as a test says."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    path: str
    body: dict[str, Any]
    headers: dict[str, str]


Behaviour = Callable[["Exchange"], None]


@dataclass
class Exchange:
    """One request, and the means to answer it."""

    request: Request
    handler: BaseHTTPRequestHandler

    @property
    def question(self) -> str:
        return str(self.request.body["messages"][-1]["content"])

    def send(self, status: int, body: str | bytes, **headers: str) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.send_header("Content-Length", str(len(data)))
        self.handler.send_header("Connection", "close")
        self.handler.end_headers()
        self.handler.wfile.write(data)

    def send_events(self, *events: dict[str, Any] | str, done: bool = True) -> None:
        self.handler.send_response(200)
        self.handler.send_header("Content-Type", "text/event-stream")
        self.handler.end_headers()
        for event in events:
            payload = event if isinstance(event, str) else "data: " + json.dumps(event, ensure_ascii=False)
            self.handler.wfile.write((payload + "\n\n").encode())
            self.handler.wfile.flush()
        if done:
            self.handler.wfile.write(b"data: [DONE]\n\n")

    def hang_up(self) -> None:
        """Closes the connection in the middle of a body."""
        self.handler.send_response(200)
        self.handler.send_header("Content-Length", "1000")
        self.handler.end_headers()
        self.handler.wfile.write(b'{"choices": [')
        self.handler.wfile.flush()
        self.handler.connection.shutdown(socket.SHUT_RDWR)


@dataclass
class ScriptedServer:
    """Answers request number n with behaviour n; from the last one on, with the last."""

    behaviours: list[Behaviour]
    base_url: str = ""
    requests: list[Request] = field(default_factory=list)
    most_at_once: int = 0
    models: list[dict[str, Any]] = field(default_factory=list)
    voices: list[Any] | None = None
    shows: Behaviour | None = None  # in answer to each GET, in place of models and voices
    stopping: threading.Event = field(default_factory=threading.Event)
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, request: Request) -> Behaviour:
        with self._lock:
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
            self.requests.append(request)
            return self.behaviours[min(len(self.requests), len(self.behaviours)) - 1]

    def done(self) -> None:
        with self._lock:
            self._under_way -= 1


@contextmanager
def serving(*behaviours: Behaviour) -> Iterator[ScriptedServer]:
    script = ScriptedServer(list(behaviours))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            exchange = Exchange(Request(self.path, {}, dict(self.headers)), self)
            if script.shows is not None:
                with suppress(OSError):  # the client went away
                    script.shows(exchange)
            elif self.path != "/v1/audio/voices":
                exchange.send(200, json.dumps({"data": script.models}))
            elif script.voices is None:
                exchange.send(404, json.dumps({"detail": "Not Found"}))
            else:
                exchange.send(200, json.dumps({"voices": script.voices}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = Request(self.path, body, {name.lower(): value for name, value in self.headers.items()})
            behaviour = script.take(request)
            try:
                behaviour(Exchange(request, self))
            except (BrokenPipeError, ConnectionResetError):  # the client went away
                pass
            finally:
                script.done()
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script.base_url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield script
    finally:
        script.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


def completion(
    content: str | None = None, finish: str = "stop", tokens: tuple[int, int] = (7, 3), **message: Any
) -> dict[str, Any]:
    return {
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
        ],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]},
    }


def says(
    content: str | None = None, finish: str = "stop", tokens: tuple[int, int] = (7, 3), **message: Any
) -> Behaviour:
    return lambda exchange: exchange.send(200, json.dumps(completion(content, finish, tokens, **message)))


def echoes(exchange: Exchange) -> None:
    exchange.send(200, json.dumps(completion(f"about {exchange.question}")))


def fails(status: int, message: str = "no", code: str | None = None, **headers: str) -> Behaviour:
    body = json.dumps({"error": {"message": message, "code": code}})
    return lambda exchange: exchange.send(status, body, **headers)


def writes(body: str) -> Behaviour:
    return lambda exchange: exchange.send(200, body)


def hangs_up(exchange: Exchange) -> None:
    exchange.hang_up()


def streams(*events: dict[str, Any] | str, done: bool = True) -> Behaviour:
    return lambda exchange: exchange.send_events(*events, done=done)


def piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
