"""From a command line to a validated `JobConfig`, through Hydra; every mistake becomes one line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicegen.config import JobConfig, dotted_keys, validate
from voicegen.errors import ConfigError, VoicegenError
from voicegen.job.composition import composition, config_folders, opened
from voicegen.job.environment import held_back
from voicegen.job.mistakes import groups, one_line
from voicegen.job.overrides import as_typed, sweep_folder
from voicegen.text.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

Action = Callable[[JobConfig], int]
"""What a command does with its settings; gives the exit code."""

# What a sweep leaves besides its runs, and where; it logs nothing.
_SWEEP = (
    "hydra.mode=MULTIRUN",
    "hydra.sweep.dir=outputs/.hydra",
    "hydra.sweep.subdir=.",
    "hydra.output_subdir=null",
    "hydra/job_logging=none",
    "hydra/hydra_logging=none",
)


_LAUNCHER = ("hydra/launcher=", "hydra.launcher.")
"""How overrides begin that choose who starts the jobs of a sweep: else they run here, one after another."""


@dataclass(frozen=True, slots=True)
class ConfigWords:
    """What a command line says of the configuration.

    Attributes:
        overrides: KEY=VALUE, as typed.
        settings: dotted keys and values set by plain flags; free text needs no quoting there.
        config_dir: a folder with configs of the user's own.
        config_name: of the main config.
        show: print the settings instead of running; `resolve` fills in what refers to others.
        multirun: one run for each combination of the overrides that have several values.
        completion: what a shell asks, such as `install=bash`.
    """

    overrides: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    config_dir: str | None = None
    config_name: str = "config"
    show: bool = False
    resolve: bool = False
    multirun: bool = False
    completion: str | None = None


def launch(words: ConfigWords, action: Action, check: Callable[[JobConfig], None] = lambda _config: None) -> int:
    """Runs `action` on the configuration that `words` ask for, or does what else they ask; returns the exit code.

    Args:
        words: of the command line.
        action: what the command does.
        check: refuses what can be seen to fail before anything is done; for every job of a sweep before the first.

    Raises:
        ConfigError: for a key, a group's option or a value that cannot be.
    """
    if words.completion is not None:
        return _complete(words, words.completion)
    if words.show and words.multirun:
        raise ConfigError("--cfg prints one job's settings and --multirun runs several: leave one of them out")
    if words.multirun:
        return _sweep(words, action, check)
    if words.show:
        from omegaconf import OmegaConf

        print(OmegaConf.to_yaml(_composed(words), resolve=words.resolve), end="")
        return 0
    return action(_validated(_composed(words)))


def compose(
    overrides: Sequence[str],
    config_dir: Path | str | None = None,
    config_name: str = "config",
    settings: Mapping[str, Any] | None = None,
) -> JobConfig:
    """Composes and validates one configuration.

    Raises:
        ConfigError: for a key, a group's option or a value that cannot be.
    """
    folder = None if config_dir is None else str(config_dir)
    return _validated(_composed(ConfigWords(overrides, settings or {}, folder, config_name)))


def _composed(words: ConfigWords) -> Any:
    """The settings, not validated yet."""
    overrides = [as_typed(word) for word in words.overrides]
    folders = config_folders(words.config_dir)
    with _in_one_line(words, folders):
        composed = composition(folders, words.config_name, overrides)
    return _with(composed, words.settings)


@contextmanager
def _in_one_line(words: ConfigWords, folders: Sequence[Path]) -> Iterator[None]:
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import MarkedYAMLError

    try:
        yield
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{mark.name}, line {mark.line + 1}" if mark else "a config"
        raise ConfigError(f"{where}: no YAML: {error.problem or error.context}") from None
    except (HydraException, OmegaConfBaseException, ValueError) as error:  # the last for a group that is null
        message = one_line(error, words.config_name, folders, lambda: _all_keys(words, groups(folders)))
        raise ConfigError(message) from None


def _all_keys(words: ConfigWords, groups: Sequence[str]) -> list[str]:
    """The settings that there are with the options chosen by `words`."""
    from omegaconf import OmegaConf

    chosen = [word for word in words.overrides if word.partition("=")[0] in groups]
    plain = OmegaConf.to_container(_composed(replace(words, overrides=chosen, settings={})), throw_on_missing=False)
    assert isinstance(plain, dict)
    return dotted_keys({str(key): value for key, value in plain.items()})


def _with(composed: Any, settings: Mapping[str, Any]) -> Any:
    from omegaconf import OmegaConf

    OmegaConf.set_struct(composed, False)
    for key, value in settings.items():
        OmegaConf.update(composed, key, _plain(value))
    return composed


def _plain(value: Any) -> Any:
    """A value, or a list of them, as OmegaConf writes it where all text in it stands for itself."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return _uninterpolated(value) if isinstance(value, str) else value


def _inside(folder: str | None, composed: Any) -> Any:
    """The settings with `output_dir` as a folder inside of what it was."""
    from omegaconf import OmegaConf

    if folder is not None:
        whole = OmegaConf.to_container(composed, resolve=False)["output_dir"]  # type: ignore[index, call-overload]
        OmegaConf.update(composed, "output_dir", f"{whole}/{_uninterpolated(folder)}")
    return composed


def _uninterpolated(text: str) -> str:
    """`text` as OmegaConf writes it where `${` stands for itself."""
    return re.sub(r"(\\*)\$\{", lambda start: start[1] * 2 + r"\${", text)


def _validated(composed: Any) -> JobConfig:
    from omegaconf import OmegaConf
    from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue

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


def _sweep(words: ConfigWords, action: Action, check: Callable[[JobConfig], None]) -> int:
    """Runs the action for each combination of values, once it is known that all can be; the largest exit code."""
    overrides = [as_typed(word, sweeping=True) for word in words.overrides]
    here = [word for word in overrides if not word.startswith(_LAUNCHER)]
    jobs: list[JobConfig] = []
    mistakes: list[tuple[str | None, VoicegenError]] = []

    def take(composed: Any) -> None:
        folder = _folder_within(overrides)
        try:
            jobs.append(_validated(_inside(folder, _with(composed, words.settings))))
            check(jobs[-1])
        except VoicegenError as error:
            mistakes.append((folder, error))

    _each(words, here, take)
    if mistakes:
        raise ConfigError(_no_sweep(mistakes))
    if len(here) == len(overrides):
        return max(map(partial(_exit_code, action), jobs), default=0)
    try:
        batches = _each(words, overrides, _Elsewhere(words.settings, overrides, action))
        return max((job.return_value for batch in batches for job in batch), default=0)
    except VoicegenError:
        raise
    except Exception as error:  # whatever the launcher has for it
        reason = next(iter(str(error).splitlines()), "")
        raise ConfigError(
            f"a job of the sweep did not end ({type(error).__name__}: {reason}); its log is below outputs/.hydra, and "
            "the same command goes on"
        ) from None


def _each(words: ConfigWords, overrides: Sequence[str], task: Callable[[Any], Any]) -> Any:
    """Has the sweeper call the task with the settings of each job; returns what Hydra does."""
    folders = config_folders(words.config_dir)
    with opened(folders) as hydra, _in_one_line(words, folders):
        return hydra.multirun(words.config_name, task, [*_SWEEP, *overrides], with_log_configuration=False)


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """A job of a sweep in the process that a launcher of Hydra's makes for it, on this machine or another."""

    settings: Mapping[str, Any]
    overrides: Sequence[str]
    action: Action

    def __call__(self, composed: Any) -> int:
        config = _validated(_inside(_folder_within(self.overrides), _with(composed, self.settings)))
        return _exit_code(self.action, config)


def _folder_within(overrides: Sequence[str]) -> str | None:
    """The folder of the job of a sweep that Hydra is at, within that of the sweep."""
    from hydra.core.hydra_config import HydraConfig

    return sweep_folder(HydraConfig.get().overrides.task, overrides)


def _no_sweep(mistakes: Sequence[tuple[str | None, VoicegenError]]) -> str:
    folder, error = mistakes[0]
    if len({str(other) for _, other in mistakes}) == 1 < len(mistakes):
        return str(error)  # not of what is tried, but of what all jobs have
    more = f" ({len(mistakes) - 1} more of the jobs cannot be run either)" if len(mistakes) > 1 else ""
    where = "" if folder is None or str(error).startswith(folder) else f"{folder}: "
    return f"no job was started: {where}{error}{more}"


def _exit_code(action: Action, config: JobConfig) -> int:
    try:
        return action(config)
    except VoicegenError as error:  # the other jobs go on
        print(f"voicegen: {shown(str(error))}", file=sys.stderr)
        return error.exit_code


def _complete(words: ConfigWords, question: str) -> int:
    """Answers a shell that completes a word, or prints the script that makes it ask."""
    before = sys.argv
    sys.argv = ["voicegen"]  # what the script is to call
    try:
        with opened(config_folders(words.config_dir)) as hydra:
            hydra.shell_completion(words.config_name, [question])
    except ValueError as error:
        raise ConfigError(f"--shell-completion {question}: {str(error).splitlines()[0]}") from None
    finally:
        sys.argv = before
    return 0
