"""`voicegen export`: a run in the form that another tool reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from voicegen.commands import export_flags
from voicegen.commands.flags import print_lines, read_words, refuse_settings
from voicegen.errors import ConfigError
from voicegen.export.formats import EXPORTERS
from voicegen.files import given_path

_FORMATS = "\n".join(f"  {name:<12}  {spec.help}" for name, spec in EXPORTERS.items())

USAGE: Final = f"""\
usage: voicegen export RUN --to FORMAT DEST [flags]

Writes the rows of a run, finished or not, in the form that another tool reads. DEST is there whole or not at all; an
export that is there already is replaced, and nothing else is. Audio is copied byte for byte where nothing is to change,
and checked against the manifest; what is encoded anew keeps what its metadata says.

formats
{_FORMATS}

flags
{export_flags.HELP}\
  --times FORMAT       when each word is said, in a file beside the audio: srt, vtt, textgrid or json; for a run that a
                       recognizer has listened to (quality=strict)

exit codes: 0 exported; 1 an unexpected error; 2 bad usage, no run that can be read, or no place to write;
130 interrupted, and nothing is left
"""

VALUES = ("--to", "--times", *export_flags.VALUES)


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, values=VALUES, is_word=lambda _word: True)
    refuse_settings(line, "export", "a run")
    if "--to" not in line.values:
        raise ConfigError(f"say what to export to: --to {'|'.join(EXPORTERS)}")
    if len(line.words) != 2:
        raise ConfigError("export takes a run's folder and the folder to write: voicegen export RUN --to FORMAT DEST")
    from voicegen.export.times import TIMES
    from voicegen.job.exporting import export_run

    run, place = given_path("RUN", line.words[0]), given_path("DEST", line.words[1])
    chosen, wanted = export_flags.selection(line), export_flags.wanted(line)
    times = export_flags.one_of("--times", line.values.get("--times"), tuple(TIMES))
    print_lines(export_run(run, line.values["--to"], place, chosen, wanted, times).lines())
    return 0
