"""What Hydra says of a mistake over several lines, as one line that names the nearest thing that exists."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from voicegen.config import unknown_key
from voicegen.job.overrides import several_values


def one_line(error: Exception, config_name: str, folders: Sequence[Path], keys: Callable[[], Iterable[str]]) -> str:
    """The line for `error`.

    Args:
        error: Hydra's or OmegaConf's, which have no kinds to tell them apart by.
        config_name: of the main config.
        folders: of configs.
        keys: all settings, asked for only when one of them is to be suggested.
    """
    text = str(error)
    if key := re.search(r"Could not override '([^']+)'", text) or re.search(r"Key '([^']+)' is not in struct", text):
        return unknown_key(key[1].lstrip("+~"), [*keys(), *groups(folders)])
    if option := re.search(r"Could not find '([^']+)'", text):
        return _unknown_option(option[1], folders)
    if group := re.search(r"Could not override '([^'=]+)(?:=[^']*)?'\. No match in the defaults list", text):
        return unknown_key(group[1], groups(folders))
    if option := re.search(r"Could not load '([^']+)'", text):
        return _unknown_option(option[1], folders)
    if key := re.search(r"Multiple values for ([^ ]+)\. To override", text):
        return f"{key[1]} is chosen already: write {key[1]}=..., without the +"
    if key := re.search(r"An item is already at '([^']+)'", text):
        return f"there is a setting {key[1]} already: write {key[1]}=..., without the +"
    if "Config group override must be a string" in text:
        return "a group of settings cannot be null: leave it out, or name one of its choices, as in tts=piper"
    if word := re.search(r"Ambiguous value for argument '(.*)'\s+1\. ", text, re.DOTALL):
        return str(several_values(word[1]))
    if word := re.search(r"Error merging override (.*)", text):
        return f"{word[1]}: a ${{...}} in it is not whole; write \\${{ for the signs themselves"
    if reference := re.search(r"Error resolving interpolation '([^']+)'", text):
        return f"{reference[1]} cannot choose a group's settings: name one of its choices, as in tts=piper"
    if "Cannot find primary config" in text:
        return f"there is no config named {config_name}: --config-name takes one of {', '.join(_options(folders))}"
    return " ".join(text.split())


def groups(folders: Sequence[Path]) -> list[str]:
    """The groups of configs in these folders."""
    return sorted({group.name for folder in folders for group in folder.iterdir() if group.is_dir()})


def _options(folders: Sequence[Path], group: str = "") -> list[str]:
    return sorted({file.stem for folder in folders for file in (folder / group).glob("*.yaml")})


def _unknown_option(choice: str, folders: Sequence[Path]) -> str:
    group, _, option = choice.rpartition("/")
    if group == "hydra/launcher":
        return (
            f"there is no launcher {option}: hydra/launcher=submitit_slurm and submitit_local come with "
            "`uv sync --extra slurm`, or `pip install 'voicegen[slurm]'`"
        )
    options = _options(folders, group)
    if not group or not options:
        return f"there is no config {choice}: the groups are {', '.join(groups(folders))}"
    near = difflib.get_close_matches(option, options, n=1, cutoff=0.5)
    hint = f"did you mean {group}={near[0]}? " if near else ""
    return f"there is no {group}={option}: {hint}the choices are {', '.join(options)}"
