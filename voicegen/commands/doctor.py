"""`voicegen doctor`: what this machine has, and the exact command for what it lacks."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from voicegen import __version__
from voicegen.backend import Backends
from voicegen.chat.backends import CHAT
from voicegen.cores import usable_cores
from voicegen.errors import ConfigError
from voicegen.quality.checks.mos import INSTALL as _INSTALL_MOS
from voicegen.quality.checks.similarity import INSTALL as _INSTALL_SIMILARITY
from voicegen.quality.recognizers.files import INSTALL as _INSTALL_RECOGNITION
from voicegen.quality.recognizers.files import RECOGNIZERS
from voicegen.retrieval.documents import INSTALL as _INSTALL_RETRIEVAL
from voicegen.retrieval.documents import NEEDS as RETRIEVAL_NEEDS
from voicegen.retrieval.documents import SENTENCE_MODEL
from voicegen.tts.backends import SPEECH
from voicegen.webserver import INSTALL as _INSTALL_SERVER
from voicegen.webserver import PACKAGES as SERVER_PACKAGES

USAGE = """\
usage: voicegen doctor [--model tts=FOLDER_OR_REPOSITORY]

Says what this machine has: devices, the matrix library in use, models and where they are, optional packages and the
command that installs each, audio devices, ffmpeg, free disk and memory. Changes nothing.

  --model tts=NAME   says instead what a Marvis checkpoint is: format, sizes, precision, tokenizer, codec, voices, what
                     it needs, and what of it is not known; its weights are neither loaded nor fetched
"""

Finding = tuple[str, str]

_INSTALL_PLAYBACK: Final = "`uv sync --extra playback`, or `pip install 'voicegen[playback]'`"
_INSTALL_RAY: Final = "`uv sync --extra ray`, or `pip install 'voicegen[ray]'`"
_INSTALL_SLURM: Final = "`uv sync --extra slurm`, or `pip install 'voicegen[slurm]'`"
_INSTALL_MCP: Final = "`uv sync --extra mcp`, or `pip install 'voicegen[mcp]'`"


def main(argv: Sequence[str]) -> int:
    """Prints the findings and returns the exit code."""
    model = _model(argv)
    for title, look in _SECTIONS if model is None else ((model, partial(_examined, model)),):
        print(title)
        for name, what in look():
            print(f"  {name:<20} {what}")
    return 0


def _model(argv: Sequence[str]) -> str | None:
    """The model that `--model` names."""
    if not argv:
        return None
    flag, _, joined = argv[0].partition("=")
    words = [joined, *argv[1:]] if joined else list(argv[1:])
    if flag != "--model":
        raise ConfigError(f"doctor looks at the machine and takes no words: leave out {' '.join(argv)}")
    if len(words) != 1:
        raise ConfigError("--model takes one folder or repository of a speech model: --model tts=NAME")
    return words[0].removeprefix("tts=")


def _examined(model: str) -> Iterator[Finding]:
    backend = SPEECH.owner(model).ready()
    if backend.examine is None:
        kinds = ", ".join(f"tts={row.kind}" for row in SPEECH if row.examine)
        raise ConfigError(f"{model} is a model of tts={backend.kind}; doctor reads those of {kinds}")
    return backend.examine(model)


def _machine() -> Iterator[Finding]:
    import psutil

    yield "voicegen", f"{__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    yield "processor", f"{platform.machine()}, {usable_cores()} cores"
    memory = psutil.virtual_memory()
    yield "memory", f"{_gigabytes(memory.available)} free of {_gigabytes(memory.total)}"
    yield "disk", f"{_gigabytes(shutil.disk_usage(Path.cwd()).free)} free in this folder"


def _compute() -> Iterator[Finding]:
    yield "MLX", _attempt(_mlx_device)
    yield "MLX's BLAS", _attempt(_blas)
    yield "torch", _attempt(_torch_device)


def _mlx_device() -> str:
    import mlx.core as mx

    device = "Metal" if mx.metal.is_available() else "CUDA" if mx.default_device().type == mx.gpu else "CPU"
    return f"{device} (mlx {_version('mlx')}, mlx-lm {_version('mlx-lm')})"


def _blas() -> str:
    from voicegen.mlx_blas.blas import use_fast_blas

    report = use_fast_blas()
    speed = {True: "fast", False: "slow", None: ""}[report.fast]
    return ", ".join(part for part in (report.library, speed, report.note) if part)


def _torch_device() -> str:
    import torch

    from voicegen.mkl import settle_mkl

    devices = []
    if torch.cuda.is_available():
        devices += [f"CUDA ({torch.cuda.get_device_name(index)})" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("MPS")
    branch = settle_mkl()
    devices.append(f"CPU ({torch.get_num_threads()} threads{f', MKL branch {branch}' if branch else ''})")
    return f"{', '.join(devices)} (torch {torch.__version__}, torchaudio {_version('torchaudio')})"


def _models() -> Iterator[Finding]:
    for group, backends in _BACKENDS:
        for backend in backends:
            for name in backend.models:
                yield f"{group}={backend.kind}", f"{name}: {_attempt(partial(_where, name))}"
    for name in RECOGNIZERS:
        yield "recognizer", f"{name}: {_attempt(partial(_where, name))}"
    yield "retrieval", f"{SENTENCE_MODEL}: {_attempt(partial(_where, SENTENCE_MODEL))}"


def _where(name: str) -> str:
    """Where a model would be taken from now; downloads nothing."""
    from voicegen.model_files import whereabouts

    return whereabouts(name)[1]


def _packages() -> Iterator[Finding]:
    for group, backends in _BACKENDS:
        for backend in backends:
            if backend.needs:
                lacks = f"missing {', '.join(backend.missing)}: {backend.install}"
                yield f"{group}={backend.kind}", lacks if backend.missing else "installed"
    listens = find_spec("faster_whisper") is not None
    for check in ("recognition", "voice_activity"):
        yield check, "installed" if listens else f"missing faster_whisper: {_INSTALL_RECOGNITION}"
    guesses = find_spec("speechmos") is not None
    yield "mos", "installed" if guesses else f"missing speechmos: {_INSTALL_MOS}"
    tells_voices = find_spec("resemblyzer") is not None
    yield "similarity", "installed" if tells_voices else f"missing resemblyzer: {_INSTALL_SIMILARITY}"
    for what, needs, install in (
        ("retrieval", RETRIEVAL_NEEDS, _INSTALL_RETRIEVAL),
        ("serve", SERVER_PACKAGES, _INSTALL_SERVER),
        ("mcp", ("mcp", "uvicorn"), _INSTALL_MCP),
        ("executor=ray", ("ray",), _INSTALL_RAY),
        ("slurm", ("submitit",), _INSTALL_SLURM),
        ("s3://", ("s3fs",), "`uv sync --extra s3`, or `pip install 'voicegen[s3]'`"),
        ("gs://", ("gcsfs",), "`uv sync --extra gcs`, or `pip install 'voicegen[gcs]'`"),
    ):
        missing = [name for name in needs if find_spec(name) is None]
        yield what, f"missing {', '.join(missing)}: {install}" if missing else "installed"
    has_sound = find_spec("sounddevice") is not None
    yield "playback", "installed" if has_sound else f"missing sounddevice: {_INSTALL_PLAYBACK}"


def _audio() -> Iterator[Finding]:
    yield "audio output", _attempt(_audio_output)
    ffmpeg = shutil.which("ffmpeg")
    yield "ffmpeg", ffmpeg or "not found; nothing here needs it, torchcodec does"


def _audio_output() -> str:
    if find_spec("sounddevice") is None:
        return "unknown: needs the playback packages"
    import sounddevice

    outputs = [device["name"] for device in sounddevice.query_devices() if device["max_output_channels"] > 0]
    return ", ".join(outputs) if outputs else "none: --play has nowhere to play"


def _attempt(look: Callable[[], str]) -> str:
    """What `look` finds, or why it cannot: a doctor must be able to look at a broken installation."""
    try:
        return look()
    except (Exception, SystemExit) as error:
        first_line = (str(error) or type(error).__name__).splitlines()[0]
        return f"not usable: {first_line}"


def _version(package: str) -> str:
    return importlib.metadata.version(package)


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


_BACKENDS: Sequence[tuple[str, Backends[Any]]] = (("chat", CHAT), ("tts", SPEECH))

_SECTIONS: Sequence[tuple[str, Callable[[], Iterator[Finding]]]] = (
    ("machine", _machine),
    ("compute", _compute),
    ("models", _models),
    ("optional packages", _packages),
    ("audio", _audio),
)
