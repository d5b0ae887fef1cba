"""`voicegen voices`: the voices that there are, and a clip of each."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from voicegen.commands.flags import HELP_IN_SHORT, CommandLine, print_lines, read_words, refuse_words
from voicegen.config import JobConfig
from voicegen.errors import ConfigError, InputError
from voicegen.files import given_path
from voicegen.job.composing import compose, launch
from voicegen.text.shown import shown

USAGE = f"""\
usage: voicegen voices [KEY=VALUE ...] [flags]

Lists voices: name, own language, where from. Those of the model that tts=... or preset=... names, or where neither is
given those of every kind of speech model that is here. Loads nothing and fetches nothing.

  tts=piper|kokoro|marvis|openai  tts.model=NAME  voice.prompts=...     whose voices; your own

flags
  --speak FOLDER              also make a clip of each, FOLDER/KIND-VOICE.wav
  --text TEXT                 what they say; default: a sample, in English
{HELP_IN_SHORT}
exit codes: 0 all is well; 2 bad usage or config, or there is no voice to speak; 3 a voice could not speak
"""

VALUES = ("--speak", "--text")


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, values=VALUES)
    refuse_words(line)
    if "--text" in line.values and "--speak" not in line.values:
        raise ConfigError("--text is what voices say: give --speak FOLDER as well")
    folder = given_path("--speak", line.values["--speak"]) if "--speak" in line.values else None
    return launch(line.config, partial(_list, line, folder))


def _list(line: CommandLine, folder: Path | None, config: JobConfig) -> int:
    from voicegen.job.voice_list import VoiceList
    from voicegen.records import Failure

    lists = [VoiceList.of(one) for one in _configs(line, config)]
    for one in lists:
        print_lines(one.lines())
    if folder is None:
        return 0
    speaking = [one for one in lists if one.voices]
    if not speaking:
        raise InputError("there is no voice to speak: see above what is missing")
    failed = False
    for one in speaking:
        print(f"loading {one.config.tts.kind}", file=sys.stderr)
        for made in one.speak(folder, line.values.get("--text")):
            failed |= isinstance(made, Failure)
            told = f"voicegen: {made.error}" if isinstance(made, Failure) else str(made)
            print(shown(told), file=sys.stderr if isinstance(made, Failure) else sys.stdout)
    return 3 if failed else 0


def _configs(line: CommandLine, config: JobConfig) -> Iterator[JobConfig]:
    """The settings given; where they do not choose a speech model, also those of each other kind that needs no more."""
    yield config
    given = line.config
    if any(word.split("=", 1)[0].split(".", 1)[0].lstrip("+") in ("tts", "preset") for word in given.overrides):
        return
    from voicegen.tts.backends import SPEECH

    for backend in SPEECH:
        if backend.kind != config.tts.kind and backend.models:
            yield compose([*given.overrides, f"tts={backend.kind}"], given.config_dir, given.config_name)
