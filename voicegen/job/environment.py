"""`${oc.env:NAME}` in settings: read only for a setting that stays on this machine.

A config may be somebody else's, and most settings end in run.json, in a request or in a prompt. What a variable holds,
and what Hydra made of it, is given out as a token, which interpolation carries wherever the config leads it; the value
takes its place last, if the setting that it has ended in is one for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from voicegen.config import is_path
from voicegen.errors import ConfigError

_TOKEN: Final = re.compile("\ue000(\\d+)\ue001")
_UNSET: Final = object()
_NAMES: Final = ("name", "api_key_env")
"""Settings that are no paths and may be read: a run's folder, and a variable's own name."""


@contextmanager
def held_back() -> Iterator[Outside]:
    """While it lasts, configs get tokens for what comes from outside of them."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.core.utils import setup_globals
    from omegaconf import OmegaConf
    from omegaconf.resolvers import oc

    outside = Outside()

    def variable(name: str, default: Any = _UNSET) -> str:
        return outside.token(f"oc.env:{name}", os.environ.get(name, default))

    def of_hydra(key: str) -> str:
        return outside.token(f"hydra:{key}", OmegaConf.select(HydraConfig.get(), key))  # type: ignore[arg-type]

    OmegaConf.register_new_resolver("oc.env", variable, replace=True)
    OmegaConf.register_new_resolver("hydra", of_hydra, replace=True)
    try:
        yield outside
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)
        setup_globals()


class Outside:
    """What a config asked for that it does not hold itself."""

    def __init__(self) -> None:
        self._asked: list[tuple[str, Any]] = []

    def token(self, source: str, value: Any) -> str:
        """Stands for `value`."""
        self._asked.append((source, value))
        return f"\ue000{len(self._asked) - 1}\ue001"

    def put_in(self, settings: Any, key: str = "") -> Any:
        """Resolved settings with the values in place of their tokens.

        Raises:
            ConfigError: one has ended in a setting that is not for it, or a variable is not set.
        """
        if isinstance(settings, dict):
            return {name: self.put_in(inner, f"{key}.{name}" if key else str(name)) for name, inner in settings.items()}
        if isinstance(settings, list):
            return [self.put_in(inner, key) for inner in settings]
        found = _TOKEN.search(settings) if isinstance(settings, str) else None
        if found is None:
            return settings
        source, value = self._asked[int(found[1])]
        if not is_path(key) and key.rpartition(".")[2] not in _NAMES:
            name = source.partition(":")[2]
            raise ConfigError(
                f"{key} may not hold ${{{source}}}, which is for paths, name and api_key_env alone: "
                f'give its value on the command line, as in {key}="${name}"'
            )
        if value is _UNSET:
            raise ConfigError(f"{key}: the environment variable {source.partition(':')[2]} is not set")
        if settings == found[0]:
            return value
        return self.put_in(settings.replace(found[0], str(value)), key)
