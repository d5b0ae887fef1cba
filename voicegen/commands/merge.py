"""`voicegen merge`: several runs, or shards of one, as one run."""

from __future__ import annotations

from collections.abc import Sequence

from voicegen.commands.flags import print_lines, read_words, refuse_settings
from voicegen.errors import ConfigError
from voicegen.files import given_path

USAGE = """\
usage: voicegen merge RUN RUN ... --to DEST [--allow-incomplete]

Joins runs to one: audio, ledger, manifest, run.json, card and report. DEST is there whole or not at all, and every
command reads it as a run. It is finished: run does not go on with it, but with the runs that it was made from, which
stay as they are.

Shards of one run (shard.index, shard.count) become that run, with its numbers and names. Rows of different runs are
numbered through in the order given; the columns source_run and source_index say where each came from, as config_hash
does. Ids that a run before has begin with the run's name. Splits and repeats are found anew over all rows.

Audio files are hard links where the disk allows, else copies: a program that changes one in its place changes both.

  RUN                 the folder of a run, such as outputs/one; two or more
  --to DEST           the folder to make
  --allow-incomplete  also merge runs that do not have all rows of their input; what is there counts

exit codes: 0 merged; 1 an unexpected error; 2 bad usage, runs that cannot be merged, or no place to write;
130 interrupted, and nothing is left
"""

VALUES = ("--to",)
SWITCHES = ("--allow-incomplete",)


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, values=VALUES, switches=SWITCHES, is_word=lambda _word: True)
    refuse_settings(line, "merge", "runs")
    if "--to" not in line.values or len(line.words) < 2:
        raise ConfigError("merge takes the folders of two runs or more, and where to: voicegen merge RUN RUN --to DEST")
    from voicegen.job.merging import merge_runs

    runs = [given_path("RUN", word) for word in line.words]
    incomplete = "--allow-incomplete" in line.switches
    print_lines(merge_runs(runs, given_path("--to", line.values["--to"]), allow_incomplete=incomplete).lines())
    return 0
