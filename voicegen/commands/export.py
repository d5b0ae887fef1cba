"""`voicegen export`: a run in the form that another tool reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from voicegen.commands.flags import read_words
from voicegen.errors import ConfigError
from voicegen.export.formats import EXPORTERS
from voicegen.export.rows import SPLITS, Selection, statuses
from voicegen.files import given_path
from voicegen.job.composing import ConfigWords
from voicegen.text.shown import shown

if TYPE_CHECKING:
    from voicegen.export.sound import Container

_FORMATS = "\n".join(f"  {name:<12}  {spec.help}" for name, spec in EXPORTERS.items())

USAGE: Final = f"""\
usage: voicegen export RUN --to FORMAT DEST [flags]

Writes the rows of a run, finished or not, in the form that another tool reads. DEST is there whole or not at all; an
export that is there already is replaced, and nothing else is. Audio is copied byte for byte where nothing is to change,
and checked against the manifest; what is encoded anew keeps what its metadata says.

formats
{_FORMATS}

flags
  --split NAME         train, validation or test alone
  --status A,B         ok (default), rejected, failed, or all; the column `status` says which a row is
  --where CONDITION    rows of which it holds: SQL over the manifest's columns, as in "duration > 2 AND voice = 'joe'",
                       "question ILIKE '%sum%'", "hash(id) % 10 = 0"
  --sample-rate HZ     resample the audio (soxr, best quality)
  --format wav|flac    encode the audio so

exit codes: 0 exported; 1 an unexpected error; 2 bad usage, no run that can be read, or no place to write;
130 interrupted, and nothing is left
"""

VALUES = ("--to", "--split", "--status", "--where", "--sample-rate", "--format")


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, values=VALUES, is_word=lambda _word: True)
    if line.config != ConfigWords():
        raise ConfigError("export takes a run and no settings: see voicegen export --help")
    if "--to" not in line.values:
        raise ConfigError(f"say what to export to: --to {'|'.join(EXPORTERS)}")
    if len(line.words) != 2:
        raise ConfigError("export takes a run's folder and the folder to write: voicegen export RUN --to FORMAT DEST")
    from voicegen.export.sound import Wanted
    from voicegen.job.exporting import export_run

    run, place = given_path("RUN", line.words[0]), given_path("DEST", line.words[1])
    selection = Selection(
        _one_of("--split", line.values.get("--split"), SPLITS),
        statuses(line.values.get("--status", "ok")),
        line.values.get("--where"),
    )
    container = _one_of("--format", line.values.get("--format"), ("wav", "flac"))
    wanted = Wanted(_rate(line.values.get("--sample-rate")), cast("Container | None", container))
    for text in export_run(run, line.values["--to"], place, selection, wanted).lines():
        print(shown(text))
    return 0


def _one_of(flag: str, value: str | None, known: Sequence[str]) -> str | None:
    if value is not None and value not in known:
        raise ConfigError(f"{flag} {value}: give {', '.join(known[:-1])} or {known[-1]}")
    return value


def _rate(value: str | None) -> int | None:
    if value is None:
        return None
    if not value.isdecimal() or not 1_000 <= int(value) <= 192_000:
        raise ConfigError(f"--sample-rate {value}: give a rate in Hz from 1000 to 192000, such as 16000")
    return int(value)
