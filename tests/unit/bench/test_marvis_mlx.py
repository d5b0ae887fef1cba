from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import pytest

from tests.marvis_checkpoints import write_checkpoint
from voicegen.bench.marvis_mlx import bytes_a_weight, measure_chip
from voicegen.bench.marvis_mlx_audio import INSTALL
from voicegen.bench.marvis_table import Chip, frame_cost
from voicegen.bench.marvis_workload import true_sizes
from voicegen.commands.bench import main
from voicegen.tts.marvis.config import read_config
from voicegen.tts.marvis.mlx.model import MLXModel
from voicegen.tts.marvis.mlx.weights import load_weights


def test_the_table_has_a_row_a_batch_and_says_how_to_have_the_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_checkpoint(tmp_path / "m", fmt="mlx-4bit")
    monkeypatch.setattr("voicegen.bench.marvis_mlx.measure_chip", lambda *_: Chip(2e12, 5e10))
    monkeypatch.setattr("voicegen.bench.marvis_mlx_audio.find_spec", lambda _name: None)
    assert main(["tts=marvis", f"tts.model={folder}", "tts.device=mlx"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "mlx (cpu): 2.00 TFLOP/s, 50 GB/s here" in lines[0]
    assert lines[1] == f"{folder}, float32, 0.75 bytes a weight, MLX's operators"
    assert f"{INSTALL} voicegen bench" in lines[2]
    rows = [(line.split()[0], int(line[28:34])) for line in lines[4:7]]
    assert rows == [("codes", 1), ("codes", 8), ("stream,", 1)]
    assert lines[7].startswith("8 slots give ")


@pytest.mark.parametrize(("fmt", "expected"), [("native", 2.0), ("mlx-8bit", 1.125), ("mlx-4bit", 0.625)])
def test_bytes_of_a_weight_follow_the_packing(fmt: str, expected: float, tmp_path: Path) -> None:
    """In bfloat16: a scale and a bias of 2 bytes each for 32 weights."""
    folder = write_checkpoint(tmp_path, fmt=fmt, codec_seed=None)  # type: ignore[arg-type]
    config = read_config(folder)
    assert bytes_a_weight(MLXModel(config, load_weights(folder, config, mx.bfloat16), mx.bfloat16)) == expected


def test_a_frame_costs_what_its_products_do() -> None:
    operations, read = frame_cost(true_sizes(), slots=1, itemsize=2, cached=2)
    assert operations == pytest.approx(4.15e9, rel=0.01)
    assert read == pytest.approx(operations, rel=0.01)  # two bytes, and two operations, a weight
    assert frame_cost(true_sizes(), slots=256, itemsize=2, cached=2)[1] < 1.05 * read


def test_the_roof_is_measured() -> None:
    chip = measure_chip(mx.float32, 64)
    assert chip.flops > 0
    assert chip.bandwidth > 0
