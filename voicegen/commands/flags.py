"""How every command reads what follows its name: flags, KEY=VALUE settings and other words, in any order."""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from voicegen.config import settings_called
from voicegen.errors import ConfigError
from voicegen.job.composing import ConfigWords
from voicegen.text.shown import shown

HELP = """\
  --config-dir FOLDER             your own configs: FOLDER/preset/mine.yaml is preset=mine
  --config-name NAME              another main config than config
  --cfg job [--resolve]           print all settings with their values, and stop
  --multirun, -m                  one run for each combination: tts.speed=0.9,1.2
  --shell-completion install=bash shell completion: eval "$(voicegen run -sc install=bash)"
"""  # of the flags that every command with a configuration has
HELP_IN_SHORT = """\
  --config-dir FOLDER  --config-name NAME  --cfg job [--resolve]  --multirun  -sc install=bash     as for voicegen run
"""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The words of a command, sorted.

    Attributes:
        values: of the flags that were given and take one, such as {"--text": "Hello."}.
        switches: the flags that were given and take no value.
        words: what is neither a flag nor KEY=VALUE.
        config: what the rest says of the configuration.
    """

    values: Mapping[str, str]
    switches: frozenset[str]
    words: tuple[str, ...]
    config: ConfigWords


def read_words(
    argv: Sequence[str],
    *,
    values: Sequence[str] = (),
    switches: Sequence[str] = (),
    optional: Sequence[str] = (),
    is_word: Callable[[str], bool] = lambda _word: False,
) -> CommandLine:
    """Sorts a command line.

    Args:
        argv: what follows the command's name.
        values: the command's own flags that take a value.
        switches: its flags that take none.
        optional: its flags that may take one, "" where they do not.
        is_word: tells a word with `=` that is no override.

    Raises:
        ConfigError: there is no such flag, or its value is missing.
    """
    parser = _Parser(add_help=False, allow_abbrev=False)
    _add_common_flags(parser)
    for name in values:
        parser.add_argument(name, dest=name)
    for name in switches:
        parser.add_argument(name, dest=name, action="store_true")
    for name in optional:
        parser.add_argument(name, dest=name, nargs="?", const="")
    known = [name for action in parser._actions for name in action.option_strings]
    parser.add_argument("words", nargs="*")
    found, unknown = parser.parse_known_intermixed_args(list(argv))
    if unknown:
        raise ConfigError(_no_flag(unknown[0], known, [*argv][[*argv].index(unknown[0]) + 1 :]))
    given = vars(found)
    overrides = tuple(word for word in found.words if _is_override(word) and not is_word(word))
    return CommandLine(
        values={name: given[name] for name in (*values, *optional) if given[name] is not None},
        switches=frozenset(name for name in switches if given[name]),
        words=tuple(word for word in found.words if word not in overrides),
        config=ConfigWords(
            overrides,
            config_dir=found.config_dir,
            config_name=found.config_name,
            show=found.cfg is not None,
            resolve=found.resolve,
            multirun=found.multirun,
            completion=found.shell_completion,
        ),
    )


def _is_override(word: str) -> bool:
    return "=" in word or (word.startswith("~") and word[1:2].isalpha())  # ~/notes.txt is a file


def refuse_words(line: CommandLine) -> None:
    """For a command that takes settings and flags alone.

    Raises:
        ConfigError: there is another word.
    """
    if line.words and any(word.startswith("=") or word.endswith("=") for word in line.config.overrides):
        raise ConfigError(f"{line.words[0]} stands alone: write KEY=VALUE without spaces")
    if line.words:
        raise ConfigError(f"{line.words[0]} is not KEY=VALUE: see --help for the settings")


def refuse_settings(line: CommandLine, command: str, takes: str) -> None:
    """For a command that takes other words and its own flags alone.

    Raises:
        ConfigError: there is a setting, or a flag of those that have some.
    """
    if line.config != ConfigWords():
        raise ConfigError(f"{command} takes {takes} and no settings: see voicegen {command} --help")


def print_lines(lines: Iterable[str]) -> None:
    """Prints lines as a terminal may show them."""
    for line in lines:
        print(shown(line))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        message = message.replace("expected one argument", "it needs a value after it")
        raise ConfigError(re.sub("ignored explicit argument .*", "it takes no value", message))


def _add_common_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--config-name", "-cn", default="config")
    parser.add_argument("--cfg", "-c", choices=["job"])
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--multirun", "-m", action="store_true")
    parser.add_argument("--shell-completion", "-sc")


def _no_flag(word: str, flags: Sequence[str], after: Sequence[str]) -> str:
    """The line for a flag that a command does not have; `after` are the words behind it."""
    name, _, value = word.partition("=")
    called = name.lstrip("-").replace("-", "_")
    keys = ["preset"] if called == "preset" else settings_called(called)
    if keys:
        value = value or next((word for word in after if not word.startswith("-")), "...")
        return f"there is no flag {name}: write {' or '.join(shlex.quote(f'{key}={value}') for key in keys)}"
    near = difflib.get_close_matches(name, flags, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else "see --help for the flags; settings are written KEY=VALUE"
    return f"there is no flag {name}: {hint}"
