"""The flags by which `export` and `push` say which rows, and what their audio is to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from voicegen.commands.flags import CommandLine
from voicegen.dataset.splits import SPLITS
from voicegen.errors import ConfigError
from voicegen.export.choice import Selection, statuses
from voicegen.export.encoding import ENCODINGS, Encoding
from voicegen.export.sound import Wanted

HELP: Final = """\
  --split NAME         train, validation or test alone
  --status A,B         ok (default), rejected, failed, or all; the column `status` says which a row is
  --where CONDITION    rows of which it holds: SQL over the manifest's columns, as in "duration > 2 AND voice = 'joe'",
                       "question ILIKE '%sum%'", "hash(id) % 10 = 0"
  --sample-rate HZ     resample the audio (soxr, best quality)
  --format FORMAT      encode the audio as wav, flac, opus or mp3; `audio_sha256` of the last two is of the samples
"""

VALUES: Final = ("--split", "--status", "--where", "--sample-rate", "--format")


def selection(line: CommandLine) -> Selection:
    """Which rows.

    Raises:
        ConfigError: there is no such split or status.
    """
    split = one_of("--split", line.values.get("--split"), SPLITS)
    return Selection(split, statuses(line.values.get("--status", "ok")), line.values.get("--where"))


def wanted(line: CommandLine) -> Wanted:
    """What their audio is to be.

    Raises:
        ConfigError: it is no rate, or no format, or the one cannot have the other.
    """
    container = one_of("--format", line.values.get("--format"), ENCODINGS)
    return Wanted(_rate(line.values.get("--sample-rate")), cast("Encoding | None", container))


def one_of(flag: str, value: str | None, known: Sequence[str]) -> str | None:
    """The value of a flag, where it has one.

    Raises:
        ConfigError: it is none of those known.
    """
    if value is not None and value not in known:
        raise ConfigError(f"{flag} {value}: give {', '.join(known[:-1])} or {known[-1]}")
    return value


def _rate(value: str | None) -> int | None:
    if value is None:
        return None
    if not value.isdecimal() or not 1_000 <= int(value) <= 192_000:
        raise ConfigError(f"--sample-rate {value}: give a rate in Hz from 1000 to 192000, such as 16000")
    return int(value)
