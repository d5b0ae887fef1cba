"""The few kinds of error a user can meet; every message says what is wrong, where, and what to do next.

A bad row is not an error but a `voicegen.records.Failure`: the run goes on. These stop the command.
"""

import re

_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s'\"]*@")


def without_credentials(text: str) -> str:
    """`text` without the names and passwords that URLs in it hold."""
    return _CREDENTIALS.sub("", text)


class VoicegenError(Exception):
    """Stops the command with one line on stderr and `exit_code`; never a traceback."""

    exit_code = 2

    def __init__(self, message: str = "") -> None:
        """Takes the one line; a URL in it loses its name and password."""
        super().__init__(without_credentials(message))


class ConfigError(VoicegenError):
    """A setting that cannot work: names the key and what it may be."""


class InputError(VoicegenError):
    """The question file cannot be used as it is: names the file, and the row or column where there is one."""


class ModelError(VoicegenError):
    """A model cannot be found, loaded or used as asked."""


class MissingDependency(VoicegenError):
    """An optional package is absent: says which and the command that installs it."""


class OutputError(VoicegenError):
    """The output folder cannot be written, is in use, or holds a run that differs from this one."""
