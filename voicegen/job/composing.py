"""From a command line to a validated `JobConfig`, through Hydra.

Plain jobs go through Hydra's compose API, so that every mistake becomes one line. Hydra's own modes (`--cfg`,
`--info`, `--multirun`, `--shell-completion`, `--hydra-help`) are left to `hydra.main`.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from voicegen.config import JobConfig, dotted_keys, is_text, unknown_key, validate
from voicegen.errors import ConfigError, VoicegenError
from voicegen.job.environment import held_back

Job = Callable[[JobConfig], int]

_HYDRA_MODES = ("--cfg", "-c", "--info", "-i", "--multirun", "-m", "--shell-completion", "-sc", "--hydra-help")


def config_folder() -> Path:
    """The `conf/` of a checkout, or the copy inside an installed wheel."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "conf"
    return installed if installed.is_dir() else package.parent / "conf"


def launch(argv: Sequence[str], job: Job, settings: Mapping[str, Any] | None = None) -> int:
    """Runs `job` on the configuration that `argv` asks for and returns its exit code.

    Args:
        argv: Hydra's overrides and flags.
        job: what to do with the validated configuration.
        settings: dotted keys and values set by plain flags; free text needs no quoting here.

    Raises:
        ConfigError: for a key, a group's option or a value that cannot be.
    """
    if any(word.split("=", 1)[0] in _HYDRA_MODES for word in argv):
        return _launch_hydra(argv, job, settings or {})
    flags, overrides = _parse(argv)
    return job(compose(overrides, flags.config_dir, flags.config_name, settings))


def compose(
    overrides: Sequence[str],
    config_dir: Path | None = None,
    config_name: str = "config",
    settings: Mapping[str, Any] | None = None,
) -> JobConfig:
    """Composes and validates one configuration.

    Raises:
        ConfigError: for a key, a group's option or a value that cannot be.
    """
    return _validated(_composed(overrides, config_dir, config_name), settings or {})


def _parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd", type=Path)
    parser.add_argument("--config-name", "-cn", default="config")
    try:
        flags, overrides = parser.parse_known_args(list(argv))
    except argparse.ArgumentError as error:
        raise ConfigError(str(error)) from None
    for word in overrides:
        if word.startswith("-"):
            raise ConfigError(f"there is no flag {word}: see --help for the flags; settings are written KEY=VALUE")
    if flags.config_dir is not None and not flags.config_dir.is_dir():
        raise ConfigError(f"--config-dir {flags.config_dir}: there is no such folder")
    return flags, overrides


def _composed(overrides: Sequence[str], config_dir: Path | None, config_name: str) -> Any:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if config_dir is not None:
        overrides = [*overrides, f"hydra.searchpath=[file://{config_dir.resolve()}]"]
    overrides = [_readable(word) for word in overrides]
    GlobalHydra.instance().clear()
    with initialize_config_dir(version_base="1.3", config_dir=str(config_folder())):
        try:
            return hydra_compose(config_name, overrides=list(overrides))
        except (HydraException, OmegaConfBaseException, ValueError) as error:  # the last for a group that is null
            raise ConfigError(_one_line(error, config_name, overrides)) from None


def _readable(word: str) -> str:
    """An override whose value Hydra takes as it was typed: what its grammar cannot read, and text like 2024, quoted."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    key, equals, value = word.partition("=")
    try:
        parsed = OverridesParser.create().parse_override(word)
    except HydraException:
        unclear = not equals or value.startswith(("[", "{", "'", '"'))
        return word if unclear else f"{key}={_quoted(value)}"
    if parsed.is_sweep_override() or parsed.is_delete() or not is_text(parsed.key_or_group):
        return word
    return f"{key}={_quoted(value)}" if isinstance(parsed.value(), int | float) else word


def _override(key: str, value: Any) -> str:
    """The override that gives a setting this plain value, whether the settings have it or not."""
    return f"++{key}={_literal(value)}"


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(_uninterpolated(value))
    return f"[{','.join(map(_literal, value))}]" if isinstance(value, list) else json.dumps(value)


def _uninterpolated(text: str) -> str:
    """`text` as OmegaConf writes it where `${` stands for itself."""
    return re.sub(r"(\\*)\$\{", lambda start: start[1] * 2 + r"\${", text)


def _quoted(value: str) -> str:
    return "'" + re.sub(r"(\\*)('|$)", lambda end: end[1] * 2 + ("\\'" if end[2] else ""), value) + "'"


def _validated(composed: Any, settings: Mapping[str, Any], folder: str | None = None) -> JobConfig:
    """The settings with these in place of some, inside a folder of `output_dir` if one is given."""
    from omegaconf import OmegaConf
    from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue

    OmegaConf.set_struct(composed, False)
    for key, value in settings.items():
        OmegaConf.update(composed, key, _uninterpolated(value) if isinstance(value, str) else value)
    if folder is not None:
        whole = OmegaConf.to_container(composed, resolve=False)["output_dir"]  # type: ignore[index, call-overload]
        OmegaConf.update(composed, "output_dir", f"{whole}/{_uninterpolated(folder)}")
    try:
        with held_back() as outside:
            plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise ConfigError(f"{error.full_key} has no default: give it as {error.full_key}=...") from None
    except InterpolationResolutionError as error:
        raise ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}") from None
    assert isinstance(plain, dict)
    plain.pop("hydra", None)
    return validate(outside.put_in(plain))


def _one_line(error: Exception, config_name: str, overrides: Sequence[str]) -> str:
    """What Hydra says over several lines, as one that names the nearest thing that exists."""
    text = str(error)
    if key := re.search(r"Could not override '([^']+)'", text) or re.search(r"Key '([^']+)' is not in struct", text):
        from omegaconf import OmegaConf

        chosen = [word for word in overrides if word.partition("=")[0] in _groups()]
        plain = OmegaConf.to_container(_composed(chosen, None, "config"), throw_on_missing=False)
        assert isinstance(plain, dict)
        return unknown_key(key[1].lstrip("+~"), dotted_keys({str(key): value for key, value in plain.items()}))
    if option := re.search(r"Could not find '([^']+)'", text):
        return _unknown_option(option[1])
    if group := re.search(r"Could not override '([^'=]+)(?:=[^']*)?'\. No match in the defaults list", text):
        return unknown_key(group[1], _groups())
    if "Cannot find primary config" in text:
        return f"there is no config named {config_name}: --config-name takes one of the files in the config folder"
    if word := re.search(r"Error parsing override '(.*)'\s+missing EQUAL", text, re.DOTALL):
        return f"{word[1]} is not KEY=VALUE: see --help for the settings"
    if "LexerNoViableAltException" in text or "mismatched input" in text or "no viable alternative" in text:
        first = text.splitlines()[0]
        return f"{first}: quote values with commas, spaces or brackets, as in 'key=\"a, b\"'"
    return " ".join(text.split())


def _groups() -> list[str]:
    return sorted(folder.name for folder in config_folder().iterdir() if folder.is_dir())


def _unknown_option(choice: str) -> str:
    group, _, option = choice.rpartition("/")
    folder = config_folder() / group
    if not group or not folder.is_dir():
        return f"there is no config {choice}: the groups are {', '.join(_groups())}"
    options = sorted(file.stem for file in folder.glob("*.yaml"))
    near = difflib.get_close_matches(option, options, n=1, cutoff=0.5)
    hint = f"did you mean {group}={near[0]}? " if near else ""
    return f"there is no {group}={option}: {hint}the choices are {', '.join(options)}"


def _launch_hydra(argv: Sequence[str], job: Job, settings: Mapping[str, Any]) -> int:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    exit_codes: list[int] = []
    words = _with_overrides(argv, [_override(key, value) for key, value in settings.items()])

    def run_one(composed: Any) -> None:
        # Hydra would print a traceback for an error that the user made.
        try:
            folder = None
            if HydraConfig.get().mode is RunMode.MULTIRUN:
                folder = _sweep_folder(HydraConfig.get().overrides.task, words)
            exit_codes.append(job(_validated(composed, {}, folder)))
        except VoicegenError as error:
            print(f"voicegen: {error}", file=sys.stderr)
            exit_codes.append(error.exit_code)

    before = sys.argv
    sys.argv = ["voicegen", *words]
    try:
        hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="config")(run_one)()
    finally:
        sys.argv = before
    return max(exit_codes, default=0)


def _with_overrides(words: Sequence[str], more: Sequence[str]) -> list[str]:
    """`words` with `more` behind the last override: Hydra takes overrides only when they stand together."""
    last = max((place for place, word in enumerate(words, 1) if "=" in word and word[0] != "-"), default=len(words))
    return [*words[:last], *more, *words[last:]]


def _sweep_folder(words: Sequence[str], argv: Sequence[str]) -> str | None:
    """Where one job of a sweep goes inside `output_dir`: what was chosen for it, but for the folder's own name."""
    chosen = [word for word in words if word not in argv and not word.startswith(("name=", "output_dir="))]
    return ",".join(word.replace("/", "_") for word in chosen) or None
