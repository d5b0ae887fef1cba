"""Tools of MCP servers, in the registry that a chat offers to its model.

A config may be somebody else's, and starts nothing: it names servers that the user has written down, in the form that
MCP's clients share, or gives a URL. A command is started where the user gives it, on the command line.
"""

from __future__ import annotations

import json
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from voicegen.chat.tools import ToolRegistry
from voicegen.errors import ConfigError, MissingDependency, without_credentials

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal
    from mcp.client.client import Client
    from mcp_types import CallToolResult, Tool

_PATIENCE: Final = 60.0  # seconds to start in: a server may be installed first
_TIMEOUT: Final = 60.0  # seconds for one call


class _Entry(BaseModel):
    """A server as clients write it down."""

    model_config = ConfigDict(extra="ignore")

    command: str | None = None
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = Field(default_factory=dict)
    url: str | None = None
    headers: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_somewhere(self) -> _Entry:
        if (self.command is None) == (self.url is None):
            raise ValueError("each has a command or a url")
        return self

    def server(self, name: str) -> ToolServer:
        """What it stands for."""
        command = () if self.command is None else (self.command, *self.args)
        return ToolServer(name, command, self.url, self.env, self.headers)


class _File(BaseModel):
    servers: Mapping[str, _Entry] = Field(alias="mcpServers")


@dataclass(frozen=True, slots=True)
class ToolServer:
    """Where a server is: a command that starts it, or a URL.

    Attributes:
        name: what the user is told of it by.
        env: of the command, besides the few variables that a program needs.
        headers: of the requests to the URL.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def named(cls, name: str) -> ToolServer:
        """The server of that URL, or the one that the user has written down under that name.

        Raises:
            ConfigError: there is none.
        """
        if name.startswith(("http://", "https://")):
            return cls(without_credentials(name), url=name)
        if (found := written_down().get(name)) is not None:
            return found
        raise ConfigError(
            f"there is no MCP server {name!r} in {user_file()}: write it down there, as "
            '{"mcpServers": {"NAME": {"command": "...", "args": []}}}, or give its command by --mcp'
        )

    @classmethod
    def given(cls, words: str) -> ToolServer:
        """The server that the user asks for: as `named`, or by the command that starts it.

        Raises:
            ConfigError: it is no command.
        """
        if words.startswith(("http://", "https://")) or words in written_down():
            return cls.named(words)
        try:
            command = tuple(shlex.split(words))
        except ValueError as error:
            raise ConfigError(f"--mcp {words}: no command: {str(error).lower()}") from None
        if not command:
            raise ConfigError("--mcp: give the command that starts an MCP server, its URL, or its name")
        return cls(words, command)


def user_file() -> Path:
    """The user's own servers, in the form of other clients."""
    return user_config_path("voicegen", appauthor=False) / "mcp.json"


def written_down() -> Mapping[str, ToolServer]:
    """The user's own servers by name.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = user_file()
    try:
        entries = _File.model_validate_json(path.read_bytes()).servers
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError) as error:
        raise ConfigError(f'{path}: it must be {{"mcpServers": {{"NAME": {{...}}}}}}: {_first_line(error)}') from None
    return {name: entry.server(name) for name, entry in entries.items()}


@contextmanager
def tools_of(servers: Sequence[ToolServer], registry: ToolRegistry) -> Iterator[Mapping[str, Sequence[str]]]:
    """Starts servers, adds their tools to the registry, and gives those by the server; ends them in the end.

    A name that another tool has is given a number; a call that fails, or takes over a minute, is told to the model.

    Raises:
        ConfigError: a server cannot be started, or what it offers is no tool.
        MissingDependency: the SDK is not installed.
    """
    if not servers:
        yield {}
        return
    if find_spec("mcp") is None:
        raise MissingDependency("MCP servers need mcp: install it with `uv sync --extra mcp`")
    from anyio.from_thread import start_blocking_portal

    with start_blocking_portal() as portal, ExitStack() as stack:
        added = {}
        for server in servers:
            client = _connected(server, portal, stack)
            tools = portal.call(client.list_tools).tools
            added[server.name] = [_add(registry, tool, client, portal) for tool in tools]
        yield added


def _connected(server: ToolServer, portal: BlockingPortal, stack: ExitStack) -> Client:
    from mcp.client.client import Client

    log = stack.enter_context(_open_log())
    client = Client(_transport(server, log), read_timeout_seconds=_PATIENCE)
    try:
        running = portal.wrap_async_context_manager(client)
        running.__enter__()
        stack.callback(running.__exit__, None, None, None)  # what ends the chat is no affair of the server
    except FileNotFoundError:
        raise ConfigError(f"the MCP server {server.name!r}: there is no command {server.command[0]!r}") from None
    except Exception as error:  # of the SDK, of a transport, or a group of both
        raise ConfigError(
            f"the MCP server {server.name!r} cannot be used: {_last_words(log) or _first_line(error)}"
        ) from None
    return client


def _transport(server: ToolServer, log: TextIO) -> Any:
    if server.url is not None:
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        return streamable_http_client(server.url, http_client=httpx2.AsyncClient(headers=dict(server.headers)))
    from mcp.client.stdio import StdioServerParameters, stdio_client

    command, *words = server.command
    return stdio_client(StdioServerParameters(command=command, args=words, env=dict(server.env)), errlog=log)


def _add(registry: ToolRegistry, tool: Tool, client: Client, portal: BlockingPortal) -> str:
    """Adds a tool under a name that models take, and returns that."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", tool.name)[:60]
    free = next(one for one in (name, *(f"{name}_{number}" for number in range(2, 100))) if one not in registry)

    def call(**arguments: Any) -> str:
        return _as_text(portal.call(partial(client.call_tool, tool.name, arguments, _TIMEOUT)))

    description = tool.description or tool.title or tool.name
    registry.register(free, description, call, _for_models(tool.input_schema), timeout=_TIMEOUT)
    return free


def _for_models(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "$schema"}


def _as_text(result: CallToolResult) -> str:
    """What the model reads of a result; what is no text is named."""
    parts = [getattr(block, "text", None) or _named(block) for block in result.content]
    text = "\n".join(parts) or json.dumps(result.structured_content, ensure_ascii=False)
    return json.dumps({"error": text}, ensure_ascii=False) if result.is_error else text


def _named(block: Any) -> str:
    if block.type == "resource":
        return str(getattr(block.resource, "text", None) or f"[resource {block.resource.uri}]")
    where = getattr(block, "uri", None) or getattr(block, "mime_type", "")
    return f"[{block.type} {where}]"


def _open_log() -> TextIO:
    """A file for what a server writes to its standard error; gone when it is closed."""
    return cast("TextIO", tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace"))


def _last_words(log: TextIO) -> str:
    """The last line of what a server wrote to its standard error."""
    log.seek(0)
    lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _first_line(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return next(iter(str(error).splitlines()), "") or type(error).__name__
