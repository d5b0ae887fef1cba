"""`voicegen diff`: what changed between two runs."""

from __future__ import annotations

from collections.abc import Sequence

from voicegen.commands.flags import print_lines, read_words
from voicegen.errors import ConfigError
from voicegen.files import given_path
from voicegen.job.composing import ConfigWords

USAGE = """\
usage: voicegen diff RUN RUN

Says what changed from the first run to the second, finished or not: settings and models; rows added and removed, by
their ids; rows whose question, answer, spoken form, status, voice, split or audio differs; and medians of measures,
of rows that are ok in both. Prints nothing where nothing differs. Reads run.json and the manifests alone. Audio
differs where the hash of its samples does. A file's tags name its run, so where a setting or the input differs every
file does, and a line says whose sound is the same; in a row of a run from before there was such a hash, the file is
all that is compared.

exit codes: 0 nothing differs; 1 an unexpected error; 2 bad usage, or no run that can be read; 3 they differ
"""


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, is_word=lambda _word: True)
    if line.config != ConfigWords() or len(line.words) != 2:
        raise ConfigError("diff takes the folders of two runs and no settings: voicegen diff outputs/ONE outputs/OTHER")
    from voicegen.job.comparing import compare_runs

    first, second = (given_path("RUN", word) for word in line.words)
    difference = compare_runs(first, second)
    print_lines(difference.lines())
    return 3 if difference else 0
