"""`voicegen report`: one page to look at a run and to listen to it, or at two side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voicegen.commands.flags import read_words, refuse_settings
from voicegen.errors import ConfigError
from voicegen.files import given_path
from voicegen.remote import given_place
from voicegen.text.shown import shown

USAGE = """\
usage: voicegen report RUN
       voicegen report RUN RUN

Makes RUN/report.html anew, as each voicegen run does at its end, and prints where it is. A browser opens the page from
the disk: totals, how durations, pace, loudness, word errors and attempts are spread, the worst rows by each measure,
and a table to search, sort and filter, with a player for each row. It loads nothing from the network and plays the WAVs
from the run's folder, so it belongs there. A run that is still at work can be looked at, too.

Of two runs, it makes report-with-FIRST.html in the folder of the second: totals, measures and histograms side by side,
and rows matched by their ids, those that differ first, with texts, measures and clips of both. It plays the first run's
WAVs from where that lies as seen from the second, so move them together.

  RUN                 the run's folder, such as outputs/default

On the page: space plays, j and k go to the next and the previous row, a and r mark it as accepted or rejected; of two
runs, b plays the other's clip.

exit codes: 0 the page is there; 1 an unexpected error; 2 bad usage, or no run that can be read; 130 interrupted
"""


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, is_word=lambda word: Path(word).is_dir())
    refuse_settings(line, "report", "the folder of a run")
    if len(line.words) not in (1, 2):
        raise ConfigError("report takes the folder of one run, such as outputs/default, or of two")
    from voicegen.report import write_report, write_report_of_two
    from voicegen.store import Store

    given = given_place if len(line.words) == 1 else given_path  # a page of two says the way from one to the other
    first, *second = (Store(given("RUN", word)) for word in line.words)
    path = write_report_of_two(first, *second) if second else write_report(first)
    print(shown(str(path)))
    return 0
