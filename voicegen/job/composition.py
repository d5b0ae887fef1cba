"""What Hydra composes of the folders of configs: ours, and the user's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicegen.errors import ConfigError
from voicegen.files import local_path, shipped

if TYPE_CHECKING:
    from hydra._internal.hydra import Hydra
    from hydra.core.override_parser.types import Override


def config_folder() -> Path:
    """The folder of the configs that come with voicegen."""
    return shipped("conf")


def config_folders(own: str | None = None) -> tuple[Path, ...]:
    """Our folder of configs and the user's own, where there is one; none of its files has the name of one of ours.

    Hydra would take one of the two and be silent about the other.

    Raises:
        ConfigError: it is none, or has a file of such a name.
    """
    ours = config_folder()
    if own is None:
        return (ours,)
    try:
        folder = local_path(own).resolve()
    except ValueError as error:
        raise ConfigError(f"the folder of configs: {error}") from None
    if not folder.is_dir():
        raise ConfigError(f"the folder of configs {own} does not exist")
    for file in ours.rglob("*.yaml"):
        twin = folder / file.relative_to(ours)
        if not twin.exists() or twin.samefile(file):
            continue
        remedy = "give it another name"
        if twin.parent == folder:
            remedy += ", begin it with `defaults: [config, _self_]`, and choose it by --config-name"
        raise ConfigError(f"{twin}: a config of that name comes with voicegen: {remedy}")
    return ours, folder


@contextmanager
def opened(folders: Sequence[Path]) -> Iterator[Hydra]:
    """Hydra over the folders of configs."""
    from hydra import version
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.config_search_path import SearchPathQuery
    from hydra.core.global_hydra import GlobalHydra

    path = create_config_search_path(f"file://{folders[0]}")
    for own in folders[1:]:  # an override of hydra.searchpath would be parsed, and come after the main config
        path.prepend("--config-dir", f"file://{own}", anchor=SearchPathQuery(provider="schema"))
    version.setbase("1.3")
    GlobalHydra.instance().clear()
    try:
        yield Hydra.create_main_hydra2("voicegen", path)
    finally:
        GlobalHydra.instance().clear()


def composition(folders: tuple[Path, ...], config_name: str, overrides: Sequence[str]) -> Any:
    """The settings that `config_name` and the overrides make, as an OmegaConf of the caller's own.

    Hydra takes most of its time for the groups' files, and ours are the same for as long as a process lives: what is
    composed of a choice of them is kept, and overrides of single settings are applied to a copy, as Hydra does it.

    Raises:
        HydraException: for a key or a group's option that cannot be.
    """
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_overrides(list(overrides))
    groups = {str(path.relative_to(folders[0])) for path in folders[0].rglob("*") if path.is_dir()}
    choices = [override for override in parsed if override.key_or_group in groups]
    if len(folders) > 1 or any(map(_is_for_hydra, parsed)) or any(isinstance(word.value(), dict) for word in choices):
        return _composed(folders, config_name, tuple(overrides))
    composed = deepcopy(_kept(folders, config_name, tuple(str(choice.input_line) for choice in choices)))
    settings = [override for override in parsed if override.key_or_group not in groups]
    ConfigLoaderImpl._apply_overrides_to_config(settings, composed)
    return composed


def _is_for_hydra(override: Override) -> bool:
    return override.is_sweep_override() or override.key_or_group.startswith(("hydra.", "hydra/"))


def _composed(folders: tuple[Path, ...], config_name: str, overrides: tuple[str, ...]) -> Any:
    from hydra import compose

    with opened(folders):
        return compose(config_name, overrides=list(overrides))


_kept = lru_cache(maxsize=32)(_composed)
