"""`voicegen report`: one page to look at a run and to listen to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voicegen.commands.flags import read_words
from voicegen.errors import ConfigError
from voicegen.files import given_path
from voicegen.job.composing import ConfigWords
from voicegen.text.shown import shown

USAGE = """\
usage: voicegen report RUN

Makes RUN/report.html anew, as each voicegen run does at its end, and prints where it is. A browser opens the page from
the disk: totals, how durations, pace, loudness, word errors and attempts are spread, the worst rows by each measure,
and a table to search, sort and filter, with a player for each row. It loads nothing from the network and plays the WAVs
from the run's folder, so it belongs there. A run that is still at work can be looked at, too.

  RUN                 the run's folder, such as outputs/default

On the page: space plays, j and k go to the next and the previous row, a and r mark it as accepted or rejected.

exit codes: 0 the page is there; 1 an unexpected error; 2 bad usage, or no run that can be read; 130 interrupted
"""


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, is_word=lambda word: Path(word).is_dir())
    if line.config != ConfigWords():
        raise ConfigError("report takes the folder of a run and no settings: see voicegen report --help")
    if len(line.words) != 1:
        raise ConfigError("report takes the folder of one run, such as outputs/default")
    from voicegen.report import write_report
    from voicegen.store import Store

    print(shown(str(write_report(Store(given_path("RUN", line.words[0]))))))
    return 0
