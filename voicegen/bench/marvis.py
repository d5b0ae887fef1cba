"""`voicegen bench tts=marvis`: the Marvis engine against transformers' `generate`, and against what the chip can do.

On CUDA: one take alone, 256 at once, the whole stage (text in, WAVs on disk), and both peers at the same batch sizes in
the same run. On the CPU: eight slots against one, and mlx-audio where it is installed. On MLX: `marvis_mlx.py`. Without
a checkpoint's folder in `tts.model`, true sizes with random weights are used; lengths are then those of
`marvis_workload.workload`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicegen.bench.marvis_table import Chip, Measured, frame_cost, print_table
from voicegen.bench.marvis_workload import (
    audio_seconds,
    fading,
    random_codec,
    random_engine,
    true_sizes,
    workload,
    write_wavs,
)
from voicegen.tts.marvis.checkpoint import DEFAULT_CODEC
from voicegen.tts.marvis.engine import is_mlx
from voicegen.tts.marvis.orders import FRAME_RATE

if TYPE_CHECKING:
    from voicegen.tts.marvis.engine import Marvis

UTTERANCES = 10_000
PEER_FRAMES = 12
CPU_FRAMES = 6


def bench_marvis(options: Any) -> None:
    """Times the engine and its peers and prints a table.

    Args:
        options: The `tts` settings; `device`, `dtype`, `slots`, `exact` and, if it is a folder, `model` are used.
    """
    if is_mlx(options.device):
        from voicegen.bench.marvis_mlx import bench_marvis_mlx

        bench_marvis_mlx(options)
        return
    import torch

    from voicegen.tts.marvis.devices import choose_device, choose_dtype

    torch.set_grad_enabled(False)
    device = choose_device(options.device)
    if device.type != "cuda":
        _bench_plain(random_engine(device, torch.float32, 8, DEFAULT_CODEC, exact=options.exact), (1, 8))
        return
    dtype = choose_dtype(options.dtype, device)
    slots = 1024 if options.slots in (None, "auto") else int(options.slots)
    chip = measure_chip()
    print(f"{torch.cuda.get_device_name()}: {chip.flops / 1e12:.0f} TFLOP/s, {chip.bandwidth / 1e12:.2f} TB/s here")
    rows: list[Measured] = []
    engine = _engine(options, device, dtype, slots)
    rows += list(_generation(engine, slots))
    rows.append(_first_audio(engine))
    rows.append(_stage(engine, slots))
    del engine
    torch.cuda.empty_cache()
    rows += list(_peers(device, dtype))
    print_table(rows, _cost(dtype.itemsize), chip)


def _engine(options: Any, device: Any, dtype: Any, slots: int) -> Marvis:
    folder = Path(str(getattr(options, "model", "") or "")).expanduser()
    if str(folder) != "." and folder.is_dir():
        from voicegen.tts.marvis.engine import Marvis

        return Marvis.load(str(folder), str(device), slots=slots, codec=getattr(options, "codec", None))
    return random_engine(device, dtype, slots, random_codec(device, dtype))


def _generation(engine: Marvis, slots: int) -> Iterator[Measured]:
    """Codes alone, with as many utterances as keep the slots busy."""
    for size, utterances in ((1, 3), (256, 256 * 8), (slots, slots * 6)):
        engine.slots = size
        for warm in (fading(size), workload(2 * size, seed=1)):
            engine.generate_takes(warm)
        requests = workload(utterances)
        with _peak() as peak:
            seconds = _timed(lambda requests=requests: engine.generate_takes(requests))  # type: ignore[misc]
        yield Measured("codes", size, audio_seconds(requests) / seconds, engine.counts.occupancy, peak[0])


def _first_audio(engine: Marvis) -> Measured:
    """Time to the first piece of a stream, the median of five, and the speed of the stream."""
    firsts, speeds = [], []
    for request in workload(6, seed=3):
        start = time.perf_counter()
        pieces = engine.stream(request)
        next(pieces)
        firsts.append(time.perf_counter() - start)
        for _ in pieces:
            pass
        speeds.append((request.max_frames or 0) / FRAME_RATE / (time.perf_counter() - start))
    first = statistics.median(firsts[1:]) * 1e3
    return Measured("stream, with codec", 1, statistics.median(speeds[1:]), note=f"first audio after {first:.0f} ms")


def _stage(engine: Marvis, slots: int) -> Measured:
    """Text in, WAVs on disk."""
    engine.slots = slots
    for warm in (fading(slots), workload(3 * slots, seed=1)):
        for _ in engine.speak(warm):
            pass
    requests = workload(UTTERANCES)
    with tempfile.TemporaryDirectory() as folder, _peak() as peak:
        writer = write_wavs(Path(folder))

        def stage() -> None:
            for speech in engine.speak(requests):
                writer(speech)
            writer.shutdown()

        seconds = _timed(stage)
        files = sum(1 for _ in Path(folder).glob("*.wav"))
    audio = audio_seconds(requests)
    note = f"{files} of {UTTERANCES} WAVs, {audio / 3600:.1f} h of audio in {seconds:.1f} s"
    return Measured("text to WAV", slots, audio / seconds, engine.counts.occupancy, peak[0], note)


def _peers(device: Any, dtype: Any) -> Iterator[Measured]:
    """`CsmForConditionalGeneration.generate` of the same sizes: as is, then with static caches and compile."""
    model = peer_model(device, dtype)
    for size in (1, 256):
        yield _peer_row("generate, as is", model, size)
    for part in (model, model.depth_decoder):
        part.generation_config.cache_implementation = "static"
    yield _peer_row("generate, static + compile", model, 256)


def peer_model(device: Any, dtype: Any) -> Any:
    """The model of transformers with the same sizes and random weights."""
    import torch
    from transformers import CsmConfig, CsmForConditionalGeneration

    sizes = true_sizes()

    def part(which: Any) -> dict[str, Any]:
        rope = {"rope_type": "llama3", "rope_theta": which.rope.theta, "factor": which.rope.factor}
        rope |= {"low_freq_factor": 0.125, "high_freq_factor": 0.5, "original_max_position_embeddings": 1024}
        return {
            "hidden_size": which.width,
            "intermediate_size": which.ffn,
            "num_hidden_layers": which.layers,
            "num_attention_heads": which.heads,
            "num_key_value_heads": which.kv_heads,
            "head_dim": which.head_dim,
            "max_position_embeddings": which.context,
            "rope_parameters": rope,
        }

    depth = {**part(sizes.depth), "backbone_hidden_size": sizes.backbone.width}
    depth["rope_parameters"] |= {"low_freq_factor": 2**-9, "high_freq_factor": 2**-7}
    depth["rope_parameters"]["original_max_position_embeddings"] = 16
    config = CsmConfig(**part(sizes.backbone), text_vocab_size=sizes.text_vocab, depth_decoder_config=depth)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = CsmForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)
    return model.eval()


def _peer_row(name: str, model: Any, size: int) -> Measured:
    import torch

    tokens = torch.randint(10, 40_000, (size, 20), device=model.device)
    mask = torch.ones_like(tokens)

    def generate() -> None:
        model.generate(tokens, attention_mask=mask, do_sample=True, max_new_tokens=PEER_FRAMES)

    start = time.perf_counter()
    generate()
    ready = time.perf_counter() - start
    with _peak() as peak:
        seconds = _timed(generate)
    return Measured(
        name, size, size * PEER_FRAMES / FRAME_RATE / seconds, None, peak[0], f"ready after {ready:.0f} s", is_peer=True
    )


def _bench_plain(engine: Marvis, batches: Sequence[int]) -> None:
    """More slots against one, on a device without graphs of ours: a few frames of each."""
    import torch

    runners = engine.runners
    sizes = f"random weights of Marvis 100M's sizes, {runners.precision}"
    print(f"{runners.device}, {torch.get_num_threads()} threads; codes alone, {sizes}")

    def speak(slots: int, frames: int) -> None:
        engine.slots = slots
        engine.generate_takes(workload(slots), max_frames=frames)

    ways: list[Callable[[int], None]] = [partial(speak, slots) for slots in batches]
    for way in ways:
        way(2)
    peer = _mlx_audio() if runners.device == "cpu" else None
    seconds = _best([*ways, peer] if peer else ways, CPU_FRAMES)
    rows = [
        Measured("codes", slots, slots * CPU_FRAMES / FRAME_RATE / best)
        for slots, best in zip(batches, seconds, strict=False)
    ]
    if peer:
        from voicegen.bench.marvis_mlx_audio import mlx_audio_row

        rows.append(mlx_audio_row(CPU_FRAMES, seconds[-1]))
    print_table(rows, _cost(4), None)
    for row in rows[1 : len(batches)]:
        print(f"{row.slots} slots give {row.speedup / rows[0].speedup:.1f} times the throughput of one")


def _mlx_audio() -> Callable[[int], None] | None:
    """mlx-audio on the CPU, with the matrix product that torch has; None where it is not installed."""
    if find_spec("mlx") is None:
        return None
    import mlx.core as mx

    from voicegen.bench.marvis_mlx_audio import fields_of, mlx_audio_frames
    from voicegen.mlx_device import prepare

    mx.set_default_device(mx.cpu)
    prepare()
    return mlx_audio_frames(fields_of(true_sizes()), mx.float32)


def _best(ways: Sequence[Callable[[int], None]], frames: int) -> list[float]:
    """Seconds of each, the least of three; in turn, so that what else the machine does falls on all alike."""
    rounds = [[_timed(lambda way=way: way(frames)) for way in ways] for _ in range(3)]  # type: ignore[misc]
    return [min(times) for times in zip(*rounds, strict=True)]


def _cost(itemsize: int) -> Callable[[int], tuple[float, float]]:
    return lambda slots: frame_cost(true_sizes(), slots, itemsize, itemsize)


def measure_chip() -> Chip:
    """Rates of a large product and a large copy, on random numbers."""
    import torch

    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    source = torch.randn(2**30, device="cuda", dtype=torch.bfloat16)
    target = torch.empty_like(source)
    flops = 2 * 8192**3 * 10 / _timed(lambda: [a @ b for _ in range(10)], warm=True)
    bandwidth = 2 * source.nbytes * 10 / _timed(lambda: [target.copy_(source) for _ in range(10)], warm=True)
    return Chip(flops, bandwidth)


def _timed(run: Callable[[], object], *, warm: bool = False) -> float:
    import torch

    def finish() -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    if warm:
        run()
    finish()
    start = time.perf_counter()
    run()
    finish()
    return time.perf_counter() - start


@contextmanager
def _peak() -> Iterator[list[float]]:
    """Peak device memory inside, in GiB."""
    import torch

    torch.cuda.reset_peak_memory_stats()
    result = [0.0]
    yield result
    result[0] = torch.cuda.max_memory_allocated() / 2**30
