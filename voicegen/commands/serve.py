"""`voicegen serve`: a page to talk with the models; chat and speech for programs, as OpenAI's API has them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from voicegen.commands.flags import HELP_IN_SHORT, CommandLine, read_words, refuse_words
from voicegen.config import JobConfig
from voicegen.errors import ConfigError
from voicegen.job.composing import launch
from voicegen.webserver import look_for_packages

USAGE = f"""\
usage: voicegen serve [KEY=VALUE ...] [flags]

Serves the models that the settings name on this machine, until Ctrl-C. http://127.0.0.1:8765/ is a page to talk with
them, by voice or by keys. OpenAI's clients work with it: base_url is http://127.0.0.1:8765/v1, with
/chat/completions, /audio/speech, /audio/voices, /models and /realtime, where they are talked with (docs/serve.md).

  preset=starter|marvis  chat.model=NAME  tts.model=NAME  voice.names=[NAME]     what answers and what speaks
  --host HOST            serve.host=     default 127.0.0.1: this machine alone
  --port N               serve.port=     default 8765; 0 takes any that is free

The environment variable VOICEGEN_TOKEN (serve.token_env) holds a token that clients must send; a host that other
machines can reach needs one.
{HELP_IN_SHORT}
exit codes: 0 ended by Ctrl-C; 1 an unexpected error; 2 bad usage or config
"""

VALUES = ("--host", "--port")


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, values=VALUES)
    refuse_words(line)
    words = replace(
        line.config, overrides=["name=serve", "serve=default", *line.config.overrides], settings=_settings(line)
    )
    return launch(words, _serve)


def _settings(line: CommandLine) -> dict[str, Any]:
    given = {f"serve.{flag.removeprefix('--')}": value for flag, value in line.values.items()}
    port = given.get("serve.port")
    return {**given, "serve.port": int(port)} if port is not None and port.isdecimal() else given


def _serve(config: JobConfig) -> int:
    settings = config.serve
    if settings is None:
        raise ConfigError("a server needs its settings: serve=default")
    look_for_packages()
    from voicegen.webserver.app import address, listening, serve
    from voicegen.webserver.engine import Engine

    token = os.environ.get(settings.token_env) or None
    opened = listening(settings, token)
    print("loading the models", file=sys.stderr)
    engine = Engine.load(config)
    opened.listen()  # from now on there is somebody to answer
    print(f"voicegen is at {address(opened, settings)} until Ctrl-C", file=sys.stderr, flush=True)
    with suppress(KeyboardInterrupt):
        serve(engine, settings, token, opened)
    return 0
