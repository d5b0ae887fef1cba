"""Small checkpoints that the Marvis tests share; each is written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.marvis_checkpoints import Format, random_weights, tiny_config, write_checkpoint
from voicegen.tts.marvis import Marvis

Loader = Callable[..., Marvis]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Small products are faster on one thread, and other tests share the machine."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of a hub that cannot be reached: no test depends on what the machine has downloaded."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def downloaded(hub: Path, repository: str) -> Path:
    """The folder of a repository in the hub's cache."""
    place = hub / f"models--{repository.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("1f" * 20)
    (place / "snapshots" / ("1f" * 20)).mkdir(parents=True)
    return place / "snapshots" / ("1f" * 20)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a checkpoint of a format and seed, without a codec, or finds the one written before."""
    made: dict[tuple[Any, ...], Path] = {}

    def checkpoint(fmt: Format = "native", seed: int = 0, **sizes: int) -> Path:
        key = (fmt, seed, *sorted(sizes.items()))
        if key not in made:
            config = tiny_config(**sizes)
            folder = tmp_path_factory.mktemp("marvis")
            weights = random_weights(config, seed)
            made[key] = write_checkpoint(folder, fmt=fmt, config=config, weights=weights, codec_seed=None)
        return made[key]

    return checkpoint


@pytest.fixture
def load(checkpoints: Callable[..., Path]) -> Loader:
    """Loads an engine on the CPU with a checkpoint of `checkpoints`."""

    def engine(
        fmt: Format = "native", seed: int = 0, slots: int = 4, codec: Any = None, books: int | None = None, **sizes: int
    ) -> Marvis:
        folder = checkpoints(fmt, seed, **sizes)
        return Marvis.load(str(folder), device="cpu", codec=codec, slots=slots, codebooks=books)

    return engine
