"""`voicegen selftest`: whether the speech model that the settings name speaks as good speech does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from voicegen.commands.flags import HELP_IN_SHORT, read_words, refuse_words
from voicegen.config import JobConfig
from voicegen.job.composing import launch
from voicegen.text.shown import shown

USAGE = f"""\
usage: voicegen selftest [KEY=VALUE ...] [flags]

Speaks twenty English sentences with the speech model that the settings name, listens to them (with the recognizer, if
it is here), compares what it finds with what good speech gives, and prints a verdict. The takes and this page are
written to outputs/selftest; a report of a fault needs both.

  tts=piper|kokoro|marvis|openai  tts.*     which model: tts=marvis tts.model=FOLDER
  voice.names=[a,b]  voice.*                who speaks
  name=NAME  output_dir=FOLDER  seed=N
{HELP_IN_SHORT}
exit codes: 0 it speaks as good speech does; 2 bad usage or config, or the model cannot be loaded; 3 it does not
"""


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv)
    refuse_words(line)
    given = {word.split("=", 1)[0] for word in line.config.overrides}
    settings = {} if given & {"name", "output_dir"} else {"name": "selftest"}
    return launch(replace(line.config, settings=settings), _selftest)


def _selftest(config: JobConfig) -> int:
    from voicegen.job.selftest import page, selftest, write

    print("loading the model, and speaking", file=sys.stderr)
    outcome = selftest(config)
    lines = [shown(line) for line in page(outcome, config)]
    write(outcome, lines, config.folder)
    for line in [*lines, f"files      {config.folder}"]:
        print(line)
    return 3 if outcome.reasons else 0
