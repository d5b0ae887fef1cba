"""How soon an answer of the server is heard: over its WebSocket, against asked whole and then spoken whole."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx

from voicegen.bench.first_audio import QUESTIONS, SYSTEM_PROMPT, FirstAudio, print_first_audio
from voicegen.config import JobConfig
from voicegen.errors import ConfigError
from voicegen.text.split import split_sentences
from voicegen.webserver import look_for_packages

if TYPE_CHECKING:
    from websockets.sync.connection import Connection

_MAX_TOKENS = 200
_TIMEOUT = 300  # seconds


def bench_served(config: JobConfig) -> list[FirstAudio]:
    """Asks the same questions both ways in turn, of one server with the models of the settings, and prints a table.

    Raises:
        ConfigError: the settings are of no server.
        MissingDependency: a package of the server is not installed.
    """
    look_for_packages()
    from voicegen.webserver.app import serving
    from voicegen.webserver.engine import Engine

    settings = config.serve
    if settings is None:
        raise ConfigError("this benchmark is of a server: add serve=default")
    quiet = settings.model_copy(update={"port": 0, "recognizer": None})
    engine = Engine.load(config.model_copy(update={"serve": quiet}))
    streamed: dict[str, tuple[int, float]] = {}
    whole: dict[str, float] = {}
    with serving(engine, quiet) as url, httpx.Client(base_url=url, timeout=_TIMEOUT) as client:
        _streamed(url, "Good morning!")  # what is slow only once is no part of it
        for question in QUESTIONS:
            streamed[question] = _streamed(url, question)
            whole[question] = _whole(client, question)
    results = [FirstAudio(*streamed[question], whole[question]) for question in QUESTIONS]
    print_first_audio("first audio of the server, in seconds from the question", results)
    return results


def _system_prompt(way: str) -> str:
    """Another one for each way, so that neither finds in the model's cache what the other has asked."""
    return f"({way}) {SYSTEM_PROMPT}"


def _streamed(url: str, question: str) -> tuple[int, float]:
    """Sentences of the answer, and seconds until the first audio of it was there."""
    from websockets.sync.client import connect

    with connect(f"{url.replace('http', 'ws', 1)}v1/realtime", max_size=None) as socket:
        session = {"instructions": _system_prompt("a"), "max_output_tokens": _MAX_TOKENS}
        _send(socket, "session.update", session=session)
        _until(socket, "session.updated")
        started = time.monotonic()
        content = [{"type": "input_text", "text": question}]
        _send(socket, "conversation.item.create", item={"type": "message", "role": "user", "content": content})
        _send(socket, "response.create")
        _until(socket, "response.output_audio.delta")
        seconds = time.monotonic() - started
        answer = _until(socket, "response.done")["response"]["output"][0]["content"][0]["transcript"]
    return len(split_sentences(answer)), seconds


def _whole(client: httpx.Client, question: str) -> float:
    """Seconds until an answer was written, and then spoken, whole."""
    started = time.monotonic()
    messages = [{"role": "system", "content": _system_prompt("b")}, {"role": "user", "content": question}]
    reply = client.post("v1/chat/completions", json={"messages": messages, "max_tokens": _MAX_TOKENS})
    text = reply.raise_for_status().json()["choices"][0]["message"]["content"]
    client.post("v1/audio/speech", json={"input": text, "response_format": "wav"}).raise_for_status()
    return time.monotonic() - started


def _send(socket: Connection, kind: str, **fields: Any) -> None:
    socket.send(json.dumps({"type": kind, **fields}))


def _until(socket: Connection, kind: str) -> dict[str, Any]:
    while True:
        event: dict[str, Any] = json.loads(socket.recv(_TIMEOUT))
        if event["type"] == kind:
            return event
