"""Overrides, `KEY=VALUE`, as a user types them: made what Hydra's grammar reads, and told apart in a sweep."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

from voicegen.config import is_named_by_user, is_text, may_be_list
from voicegen.errors import ConfigError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_FOLDERS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.output_subdir", "hydra.job.chdir")
_LONGEST_NAME = 150  # bytes of a folder's name; file systems take 255, and some is added to it


def as_typed(word: str, *, sweeping: bool = False) -> str:
    """The override whose value Hydra takes as `word` has it: what its grammar cannot read, and text like 2024, quoted.

    Args:
        word: of the command line.
        sweeping: whether a value with commas is several.

    Raises:
        ConfigError: it is no override, it has no effect here, or its value could be meant in several ways.
    """
    key, equals, value = word.partition("=")
    if key.startswith("~") and _parsed(word) is not None:  # takes a setting away
        return word
    if not (key and equals):
        raise ConfigError(f"{word} is not KEY=VALUE: see --help for the settings")
    if key != key.strip():
        raise ConfigError(f"{word!r} has spaces around =: write {shlex.quote(f'{key.strip()}={value.strip()}')}")
    _refuse_without_effect(key, sweeping=sweeping)
    if is_named_by_user(key):  # Hydra adds no name that is not there, unless told to
        key = f"++{key}"
        word = f"{key}={value}"
    parsed = _parsed(word)
    if parsed is None:
        readable = f"{key}={_readable(key, value, sweeping=sweeping)}"
        if _parsed(readable) is None:
            raise ConfigError(f"there is no setting {key}: see voicegen run --cfg job for all of them")
        return readable
    if not is_text(parsed.key_or_group):
        return word
    if parsed.is_sweep_override():
        return f"{key}={_numbers_quoted(value)}" if sweeping else word
    as_it_is = str | list | None if may_be_list(parsed.key_or_group) else str | None
    return word if isinstance(parsed.value(), as_it_is) else f"{key}={quoted(value)}"


def quoted(value: str) -> str:
    """`value` in quotes of Hydra's grammar."""
    return "'" + re.sub(r"(\\*)('|$)", lambda end: end[1] * 2 + ("\\'" if end[2] else ""), value) + "'"


def typed(key: str, *values: str) -> str:
    """What to type into a shell for one value, or for several to sweep over."""
    plain = all(not re.search(r"[\"'\\]", value) for value in values)
    return shlex.quote(f"{key}=" + ",".join(f'"{value}"' if plain else quoted(value) for value in values))


def several_values(word: str) -> ConfigError:
    """The error for several values where one is wanted."""
    key, _, value = word.partition("=")
    if is_text(key.lstrip("+")) and not may_be_list(key.lstrip("+")):
        return ConfigError(f"{word}: for one text quote the value, {typed(key, value)}; to try each add --multirun")
    return ConfigError(f"{word}: for a list write '{key}=[{value}]'; to try each add --multirun")


def sweep_folder(chosen: Iterable[str], given: Iterable[str]) -> str | None:
    """Where one job of a sweep goes inside `output_dir`: what was chosen for it, but for the folder's own name.

    Args:
        chosen: the overrides of this job.
        given: those of the command line, some of them with several values.
    """
    fixed = {"name", "output_dir", *(_key(word) for word in given if not _is_sweep(word))}
    name = ",".join(_shown(word) for word in chosen if _key(word) not in fixed)
    name = "".join("_" if sign == "/" or not sign.isprintable() else sign for sign in name)
    if len(name.encode()) > _LONGEST_NAME:
        digest = sha256(name.encode()).hexdigest()[:12]
        name = f"{name.encode()[:_LONGEST_NAME].decode(errors='ignore')}-{digest}"
    return name or None


def _refuse_without_effect(key: str, *, sweeping: bool) -> None:
    key = key.lstrip("+~")
    if key in _FOLDERS:
        raise ConfigError(f"{key} has no effect: output_dir=FOLDER says where a run goes")
    if key.startswith(("hydra.", "hydra/")) and key != "hydra.searchpath" and not sweeping:
        raise ConfigError(f"{key} has an effect with --multirun alone")


def _parsed(word: str) -> Override | None:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def _readable(key: str, value: str, *, sweeping: bool) -> str:
    """A value that the grammar cannot read, as what it was meant for."""
    if sweeping and "," in value:
        parts = [part.strip() for part in value.split(",")]
        raise ConfigError(
            f"{key}={value} cannot be read as values to sweep over: write {typed(key, *parts)}, "
            f"or {typed(key, value)} for a single one"
        )
    key = key.lstrip("+")
    is_list = value[:1] == "[" and (not is_text(key) or (may_be_list(key) and value.endswith("]")))
    if not is_list and (is_text(key) or value[:1] not in ("{", "'", '"')):
        return quoted(value)
    if is_list:
        texts = [text.strip() for text in value.removeprefix("[").removesuffix("]").split(",")]
        if value.endswith("]") and all(text and not re.search(r"[][{}\"]|^'", text) for text in texts):
            return f"[{','.join(map(quoted, texts))}]"
        raise ConfigError(f"{key}={value} is not a list: write '{key}=[A, B]', a text with commas in quotes")
    if value[0] == "{":
        raise ConfigError(f"{key}={value} cannot be read: write '{key}={{NAME: VALUE}}', a text with commas in quotes")
    raise ConfigError(f"{key}={value}: a quote is missing, or one too many")


def _numbers_quoted(values: str) -> str:
    """`2024,b` as `'2024',b`: values of a text, to sweep over."""
    if re.search(r"[][{}()\"'\\]", values):
        return values
    return ",".join(quoted(part.strip()) if _is_number(part) else part for part in values.split(","))


def _is_number(part: str) -> bool:
    parsed = _parsed(f"x={part}")
    return parsed is not None and isinstance(parsed.value(), int | float)


def _is_sweep(word: str) -> bool:
    parsed = _parsed(word)
    return parsed is not None and parsed.is_sweep_override()


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+")


def _shown(word: str) -> str:
    """An override without the quotes around a text."""
    parsed = _parsed(word)
    value = parsed.value() if parsed is not None else None
    return f"{_key(word)}={value}" if isinstance(value, str) else word
