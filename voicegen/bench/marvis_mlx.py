"""`voicegen bench tts=marvis tts.device=metal`, or `mlx`: the engine on MLX by batch, as shares of the machine's roof.

The roof is measured in the same run: a product of two large matrices, and of a row with several. Beside it stand
mlx-audio's frames of a model of the same sizes and precision, where it is installed. With a folder in `tts.model` that
checkpoint is timed, packed as it is; else random weights of true sizes.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx

from voicegen.bench.marvis_mlx_audio import fields_of, mlx_audio_frames, mlx_audio_row
from voicegen.bench.marvis_table import Chip, Measured, frame_cost, print_table
from voicegen.bench.marvis_workload import WordTokenizer, random_parts, true_sizes, workload
from voicegen.mlx_device import prepare
from voicegen.records import ModelInfo
from voicegen.tts.marvis.config import MarvisConfig, read_object
from voicegen.tts.marvis.engine import Marvis
from voicegen.tts.marvis.mlx.matrices import Matrix, Whole
from voicegen.tts.marvis.mlx.model import MLXModel
from voicegen.tts.marvis.mlx.runners import MLXRunners, dtype_of
from voicegen.tts.marvis.mlx.weights import MLXWeights, folded, layer_of
from voicegen.tts.marvis.orders import FRAME_RATE, MAX_FRAMES

BATCHES = (1, 8, 32, 128, 256, 1024)
_MATRICES = 8  # more than any cache holds


def bench_marvis_mlx(options: Any) -> None:
    """Times the engine, its stream and its peer on MLX and prints a table.

    Args:
        options: The `tts` settings; `device`, `dtype` and, if it is a folder, `model` are used.
    """
    folder = Path(str(options.model)).expanduser()
    own = folder if folder.is_dir() else None
    way = options.device, options.dtype
    engine = Marvis.load(own, *way) if own else random_mlx_engine(*way)
    runners = engine.runners
    assert isinstance(runners, MLXRunners)
    model, steps, on_cpu = runners.model, runners.steps.name, runners.device == "mlx (cpu)"
    chip = measure_chip(model.dtype, 2048 if on_cpu else 8192)
    print(f"{_device()}, {runners.device}: {chip.flops / 1e12:.2f} TFLOP/s, {chip.bandwidth / 1e9:.0f} GB/s here")
    print(f"{own or engine.info.id}, {runners.precision}, {bytes_a_weight(model):.2f} bytes a weight, {steps}")
    frames = 3 if on_cpu else 50
    batches = [slots for slots in BATCHES if slots <= engine.slots]
    rows = [_codes(engine, slots, frames if on_cpu else None) for slots in batches]
    rows += [_stream(engine, 2 * frames)] if own else []
    fields = read_object(own / "config.json") if own else fields_of(model.config)
    if speak := mlx_audio_frames(fields, model.dtype):
        rows.append(mlx_audio_row(frames, _seconds(lambda: speak(frames), warm=False)))
    itemsize, cached = bytes_a_weight(model), model.dtype.size
    print_table(rows, lambda slots: frame_cost(model.config, slots, itemsize, cached), chip)
    for row in rows:
        if row.name == "codes" and row.slots > 1:
            print(f"{row.slots} slots give {row.speedup / rows[0].speedup:.1f} times the throughput of one")


def measure_chip(dtype: mx.Dtype, size: int) -> Chip:
    """Rates of products with random matrices (size, size): of as many rows, all arithmetic; of one, all reading."""
    square, row = (mx.random.normal((rows, size)).astype(dtype) for rows in (size, 1))
    matrices = [mx.random.normal((size, size)).astype(dtype) for _ in range(_MATRICES)]
    mx.eval(square, row, matrices)
    product = min(_seconds(lambda: mx.eval(square @ matrices[0])) for _ in range(3))
    reading = min(_seconds(lambda: mx.eval([row @ matrix for matrix in matrices])) for _ in range(3))
    return Chip(2 * size**3 / product, sum(matrix.nbytes for matrix in matrices) / reading)


def bytes_a_weight(model: MLXModel) -> float:
    """Bytes that a number of the layers' matrices takes, scales and biases of packed ones included."""
    sizes = (model.config.backbone, model.config.depth)
    numbers = sum(
        part.layers * part.width * (part.head_dim * (2 * part.heads + 2 * part.kv_heads) + 3 * part.ffn)
        for part in sizes
    )
    layers = (*model.backbone.layers, *model.depth.layers)
    matrices: Iterator[Matrix] = (m for layer in layers for m in (layer.qkv, layer.out, layer.gate_up, layer.down))
    return sum(array.nbytes for matrix in matrices for array in matrix.arrays) / numbers


def _codes(engine: Marvis, slots: int, frames: int | None) -> Measured:
    """Eight takes a slot, of the lengths of speech; as many as slots where frames are few."""
    engine.slots = slots
    most = frames or MAX_FRAMES
    engine.generate_takes(workload(slots if frames else 2 * slots, seed=1), max_frames=2 if frames else most)
    requests = workload(slots if frames else 8 * slots)
    start = time.perf_counter()
    takes = engine.generate_takes(requests, max_frames=most)
    seconds = time.perf_counter() - start
    made = sum(take.codes.shape[1] for take in takes) / FRAME_RATE
    return Measured("codes", slots, made / seconds, engine.counts.occupancy, mx.get_peak_memory() / 2**30)


def _stream(engine: Marvis, frames: int) -> Measured:
    """Time to the first piece of a stream, codec included, and its speed; medians of three."""
    firsts, speeds = [], []
    for request in workload(4, seed=3):
        start = time.perf_counter()
        pieces = engine.stream(request, max_frames=frames)
        samples = len(next(pieces))
        firsts.append(time.perf_counter() - start)
        samples += sum(len(piece) for piece in pieces)
        speeds.append(samples / engine.sample_rate / (time.perf_counter() - start))
    first = statistics.median(firsts[1:]) * 1e3
    return Measured("stream, with codec", 1, statistics.median(speeds[1:]), note=f"first audio after {first:.0f} ms")


def random_mlx_engine(device: str, dtype: str) -> Marvis:
    """Random weights of true sizes, without a codec, with as many slots as the memory holds."""
    prepare()
    precision, config = dtype_of(device, dtype), true_sizes()
    runners = MLXRunners(MLXModel(config, _random_weights(config, precision), precision))
    info = ModelInfo(id="random weights of Marvis 100M's sizes", backend="marvis")
    return Marvis(runners, WordTokenizer(), info=info)  # type: ignore[arg-type]


def _random_weights(config: MarvisConfig, dtype: mx.Dtype) -> MLXWeights:
    """`MLXWeights` of these sizes, drawn on MLX's device in one of its dtypes."""
    mx.random.seed(0)

    def normal(rows: int, columns: int, *, gain: float = 1.0) -> Whole:
        weight = (mx.random.normal((rows, columns)) * (gain / math.sqrt(columns))).astype(dtype)
        mx.eval(weight)
        return Whole(weight)

    parts = random_parts(config, normal, lambda width: mx.ones(width, dtype), layer_of)
    norm, heads = folded(parts["depth_norm"], parts["heads"])
    return MLXWeights(**{**parts, "depth_norm": norm, "heads": heads})


def _device() -> str:
    known = mx.device_info()
    return str(known.get("device_name") or known.get("architecture") or "a device without a name")


def _seconds(run: Callable[[], object], *, warm: bool = True) -> float:
    if warm:
        run()
    start = time.perf_counter()
    run()
    mx.synchronize()
    return time.perf_counter() - start
