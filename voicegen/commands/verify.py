"""`voicegen verify`: whether a run's files are what they were when they were made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voicegen.commands.flags import print_lines, read_words, refuse_settings
from voicegen.errors import ConfigError
from voicegen.files import given_path
from voicegen.remote import given_place

USAGE = """\
usage: voicegen verify RUN [--fix] [--listen [QUALITY]]
       voicegen verify RUN --marks FILE

Measures a run, finished or not, from its files alone: run.json and the ledger; the manifest's columns and rows against
the ledger; that each row has its audio file, under its number, and each file its row; each file's SHA-256, sampling
rate, length and format. Prints a line a kind of fault, with how many there are and the first of them, and nothing where
all is well. Changes nothing without --fix. A run that another command is at work on is refused.

  RUN                 the run's folder, such as outputs/default
  --fix               queue what is broken: damaged audio, audio without a row and a wrong manifest move aside, to
                      RUN/aside-TIME, and the next voicegen run with the run's settings makes them again, the same. What
                      listening finds is not mended so: the same settings make the same takes
  --listen [QUALITY]  also listen to what is ok, by the checks of the run's own quality settings or by
                      those named: basic or strict. Left out are edges and level, which hold for takes as they were made
  --marks FILE        apply the marks that the report's page gave as a CSV, and measure nothing. Rows marked reject are
                      then rejected as by the checks: in rejected/, in no dataset, and made again by retry_failed=true.
                      Rows marked accept stay as they are; the manifest's column mark says either

exit codes: 0 all is well; 1 an unexpected error; 2 bad usage, or no run that can be read; 3 faults were found, also
where --fix has queued them, or marks of audio that was made again since; 130 interrupted
"""

SWITCHES = ("--fix",)
OPTIONAL = ("--listen",)
VALUES = ("--marks",)


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(
        argv, switches=SWITCHES, optional=OPTIONAL, values=VALUES, is_word=lambda word: Path(word).is_dir()
    )
    refuse_settings(line, "verify", "the folder of a run")
    quality, words = line.values.get("--listen"), line.words
    if quality and not words:  # --listen RUN
        quality, words = "", (quality,)
    if len(words) != 1:
        raise ConfigError("verify takes the folder of one run, such as outputs/default")
    if "--marks" in line.values:
        if quality is not None or line.switches:
            raise ConfigError("--marks stands alone: leave out --fix and --listen, or give them afterwards")
        return _mark(given_path("RUN", words[0]), given_path("--marks", line.values["--marks"]))
    from voicegen.job.verifying import verify_run

    root = given_place("RUN", words[0])
    report = verify_run(root, listen=quality is not None, quality=quality or None, fix="--fix" in line.switches)
    print_lines(report.lines())
    return 3 if report.counts else 0


def _mark(root: Path, marks: Path) -> int:
    from voicegen.job.marking import apply_marks

    report = apply_marks(root, marks)
    print_lines(report.lines())
    return 3 if report.outdated else 0
