"""Clients of the Model Context Protocol for tests, which call them from where nothing is asynchronous."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from voicegen.job.composing import ConfigWords, compose
from voicegen.mcp_server import http
from voicegen.mcp_server.runs import config_names
from voicegen.mcp_server.server import make_server
from voicegen.mcp_server.service import Service

ROOT = Path(__file__).parent.parent

HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
"""What a client says first."""


def request_of(method: str, params: dict[str, Any], number: int = 1) -> dict[str, Any]:
    """A message, as it goes over the wire."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


class Assistant:
    """A client whose methods return when the server has answered."""

    def __init__(self, portal: BlockingPortal, client: Client) -> None:
        self.portal = portal
        self.client = client

    def call(self, tool: str, **arguments: Any) -> CallToolResult:
        return self.portal.call(self.client.call_tool, tool, arguments)

    def told(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a call gives that is no error."""
        result = self.call(tool, **arguments)
        assert not result.is_error, result.structured_content
        assert result.structured_content is not None
        return result.structured_content

    def refused(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What an error says."""
        result = self.call(tool, **arguments)
        assert result.is_error
        assert result.structured_content is not None
        error: dict[str, Any] = result.structured_content["error"]
        assert error["message"] in result.content[0].text
        return error

    def read(self, uri: str) -> Any:
        (contents,) = self.portal.call(self.client.read_resource, uri).contents
        return contents

    def begin(self, tool: str, arguments: dict[str, Any], seen: Callable[..., Any] | None = None) -> Any:
        """A call under way: a future, whose `cancel` cancels the call."""
        return self.portal.start_task_soon(lambda: self.client.call_tool(tool, arguments, progress_callback=seen))


@contextmanager
def assistant(transport: Any, mode: str = "auto") -> Iterator[Assistant]:
    with start_blocking_portal() as portal:
        client = Client(transport, mode=mode)
        with portal.wrap_async_context_manager(client):
            yield Assistant(portal, client)


def over_stdio(*words: str, told: Path | None = None) -> Any:
    """The transport to a server of its own, whose environment is bare.

    Args:
        words: of its command line.
        told: a file to write all of its standard output to, too.
    """
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PYTHON", "HF_", "TMP"))}
    command = [sys.executable, "-m", "voicegen", "mcp", *words]
    if told is not None:
        command = ["sh", "-c", '"$@" | tee "$0"', str(told), *command]
    return stdio_client(
        StdioServerParameters(command=command[0], args=command[1:], env={**kept, "SECRET": "hush"}, cwd=ROOT)
    )


def over_http(url: str, token: str | None = None) -> Any:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return streamable_http_client(url, http_client=httpx2.AsyncClient(headers=headers, timeout=60))


@contextmanager
def serving(*overrides: str, token: str | None = None) -> Iterator[tuple[str, Service]]:
    """A server over HTTP in this process, as `voicegen mcp --http` makes it: its address, and what does its work."""
    words = ConfigWords(["name=mcp", "mcp=default", "mcp.transport=http", "mcp.port=0", *overrides])
    config = compose(words.overrides)
    with Service(config, words) as service, http.listening(service.settings) as listener:
        server = make_server(service, config_names(None))
        app = http.application(server, service.settings, token)
        with start_blocking_portal() as portal:
            stop = portal.call(_event)
            served = portal.start_task_soon(http.serve, app, listener, stop)
            try:
                yield http.address(listener), service
            finally:
                portal.call(stop.set)
                served.result()


async def _event() -> Any:
    import anyio

    return anyio.Event()
