"""`voicegen mcp`: the models as tools for assistants, by the Model Context Protocol."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import Any

from voicegen.commands.flags import HELP_IN_SHORT, CommandLine, read_words, refuse_words
from voicegen.config import JobConfig
from voicegen.errors import ConfigError, MissingDependency
from voicegen.job.composing import ConfigWords, launch

USAGE = f"""\
usage: voicegen mcp [KEY=VALUE ...] [flags]

Serves ask, speak, list_voices, start_run, run_status, cancel_run and, with --docs, search_documents to assistants, by
the Model Context Protocol: over standard input and output, or with --http to several clients at once. Its audio and
runs go to outputs/mcp.

  --http                          mcp.transport=http: at http://127.0.0.1:8766/mcp
  --port N                        mcp.port=
  --preset NAME                   preset=      which models: starter (default), marvis
  --audio files|resource|inline   mcp.audio=   how a client gets audio: a path, a link (default), in the message
  --docs FILE.npz                 mcp.docs=    an index of `voicegen index`, for clients to search
  --output-dir FOLDER             output_dir=
  mcp.host=ADDRESS                to be reached from other machines: set VOICEGEN_TOKEN to what clients must send
  chat.*  tts.*  voice.*  mcp.*   models, voices, limits
{HELP_IN_SHORT}
exit codes: 0 the client has gone; 1 an unexpected error; 2 bad usage or config; 130 interrupted
"""

VALUES = ("--port", "--preset", "--audio", "--docs", "--output-dir")
SWITCHES = ("--http",)

_KEYS = {"--audio": "mcp.audio", "--docs": "mcp.docs", "--output-dir": "output_dir"}


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, values=VALUES, switches=SWITCHES)
    refuse_words(line)
    if find_spec("mcp") is None or find_spec("uvicorn") is None:
        raise MissingDependency("voicegen mcp needs mcp, uvicorn: install it with `uv sync --extra mcp`")
    chosen = ["name=mcp", "mcp=default"]  # a run's default name would put all among the files of the first run
    if "--preset" in line.values:
        chosen.append(f"preset={line.values['--preset']}")
    words = replace(line.config, overrides=[*chosen, *line.config.overrides], settings=_settings(line))
    return launch(words, partial(_serve, words))


def _settings(line: CommandLine) -> dict[str, Any]:
    settings: dict[str, Any] = {key: line.values[flag] for flag, key in _KEYS.items() if flag in line.values}
    if (port := line.values.get("--port")) is not None:
        settings["mcp.port"] = int(port) if port.isdecimal() else port
    if "--http" in line.switches:
        settings["mcp.transport"] = "http"
    return settings


def _serve(words: ConfigWords, config: JobConfig) -> int:
    from voicegen.mcp_server.serving import serve

    if config.mcp is None:
        raise ConfigError("an MCP server needs its settings: mcp=default")
    serve(config, words, partial(print, file=sys.stderr, flush=True))
    return 0
