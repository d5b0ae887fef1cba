"""What is imported on first use, so that a start loads no model library that it does not need."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__` for public names, given the module that each is at home in."""

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return get


@contextmanager
def put_off(package: str) -> Iterator[None]:
    """Whoever imports `package` within gets one that loads when a name of it is first asked for, which may be never.

    For libraries that import it at once and seldom use it.
    """
    if package in sys.modules or (spec := find_spec(package)) is None:
        yield
        return
    later = _Later(package)
    later.__spec__ = spec  # by which libraries look whether it is there
    sys.modules[package] = later
    try:
        yield
    finally:
        later.leave()


class _Later(ModuleType):
    def leave(self) -> None:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]

    def __getattr__(self, name: str) -> Any:
        self.leave()
        return getattr(import_module(self.__name__), name)
