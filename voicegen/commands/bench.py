"""`voicegen bench`: what this machine does, as ratios against the plain way of doing the same, in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pkgutil import resolve_name
from types import MappingProxyType
from typing import Final

from voicegen.commands.flags import HELP_IN_SHORT, read_words
from voicegen.config import JobConfig
from voicegen.errors import ConfigError
from voicegen.job.composing import launch
from voicegen.tts.marvis.spec import MarvisSettings

USAGE = f"""\
usage: voicegen bench [chat] [speech] [run] [first-audio] [serve] [KEY=VALUE ...]

Times the models that the settings name on this machine, each against the plain way with the same models, and prints
a table. Without a part, all of them; with tts=marvis the Marvis engine against transformers' generate, on MLX against
mlx-audio where it is installed, and as shares of what the machine can do.

  chat     answering one at a time, with mlx-lm's own batching, and as voicegen does
  speech   speaking one at a time and as voicegen does
  run      the whole job against the loop "ask, speak, write, next question"
  first-audio    a chat's first sound while the answer is written, against after it
  serve          the same of a server, over its WebSocket, against its /chat/completions and then /audio/speech

  questions.path=FILE  questions.limit=N    what to ask; default: the questions that come with voicegen, four times
  tts=marvis tts.model=FOLDER               without a folder, a checkpoint of true sizes with random weights is made
{HELP_IN_SHORT}"""

_PARTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "chat": "voicegen.bench.chat:bench_chat",
        "speech": "voicegen.bench.starter:bench_speech",
        "run": "voicegen.bench.starter:bench_run",
        "first-audio": "voicegen.bench.first_audio:bench_first_audio",
        "serve": "voicegen.bench.served:bench_served",
    }
)


def main(argv: Sequence[str]) -> int:
    """Runs the parts that are named and returns the exit code."""
    line = read_words(argv)
    for word in line.words:
        if word not in _PARTS:
            raise ConfigError(f"there is nothing called {word} to time: the parts are {', '.join(_PARTS)}")
    words = replace(line.config, overrides=["serve=default", *line.config.overrides])
    return launch(words, lambda config: _bench(line.words, config))


def _bench(parts: Sequence[str], config: JobConfig) -> int:
    if isinstance(config.tts, MarvisSettings) and not parts:
        from voicegen.bench.marvis import bench_marvis

        bench_marvis(config.tts)
        return 0
    for part in parts or _PARTS:
        resolve_name(_PARTS[part])(config)
    return 0
