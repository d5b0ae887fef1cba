"""A server from its beginning to its end, over either transport."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import anyio

from voicegen.config import JobConfig
from voicegen.job.composing import ConfigWords
from voicegen.mcp_server import http
from voicegen.mcp_server.runs import config_names
from voicegen.mcp_server.server import make_server
from voicegen.mcp_server.service import Service
from voicegen.mcp_server.standard_input import ended_by_signals
from voicegen.signals import wakeup_kept


def serve(config: JobConfig, words: ConfigWords, tell: Callable[[str], None]) -> None:
    """Serves until the client has gone, over standard input, or the process is told to end.

    Args:
        config: the settings.
        words: what they were composed from.
        tell: is told where the server listens.

    Raises:
        VoicegenError: a model cannot be found, or the address or the token cannot be used.
    """
    settings = config.mcp
    assert settings is not None  # or there would be nothing to serve by
    _tell_problems_alone()
    token = http.token_of(settings) if settings.transport == "http" else None
    with Service(config, words) as service, wakeup_kept():
        server = make_server(service, config_names(words.config_dir))
        if settings.transport == "stdio":
            with ended_by_signals():
                anyio.run(server.run_stdio_async)
            return
        with http.listening(settings) as listener:
            tell(f"serving MCP at {http.address(listener)}")
            anyio.run(partial(http.serve, http.application(server, settings, token), listener))


def _tell_problems_alone() -> None:
    """Keeps notes of runs, which have logs, off standard error; the SDK would set up a handler that shows them."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    logging.basicConfig(handlers=[handler], format="%(name)s: %(message)s")
