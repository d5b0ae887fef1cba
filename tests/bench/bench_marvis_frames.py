"""Where the time of a frame goes on a CUDA device: times by batch size, kernel by kernel, and of the loop around it.

python -m tests.bench.bench_marvis_frames [frames] [profile=256] [loop=256] [stage=10000] [decoder] [streams=1,64,500]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import torch

from voicegen.bench.marvis_workload import (
    audio_seconds,
    fading,
    random_codec,
    random_engine,
    random_model,
    true_sizes,
    workload,
    write_wavs,
)
from voicegen.tts.marvis.cache import SlotState
from voicegen.tts.marvis.capture import CapturedFrames
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.prefill import prefill
from voicegen.tts.marvis.prompts import Admission, Prompt

CUDA = torch.device("cuda")


def timed(run: Callable[[], object], repeats: int = 20, warm: int = 3) -> float:
    """Median milliseconds of a call by device events."""
    for _ in range(warm):
        run()
    pairs = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)]
    for start, end in pairs:
        start.record()
        run()
        end.record()
    torch.cuda.synchronize()
    return sorted(start.elapsed_time(end) for start, end in pairs)[repeats // 2]


def filled(model: object, slots: int, books: int = 32, length: int = 40, context: int = 512) -> SlotState:
    state = SlotState(model, slots, books, context)
    prompts = [Prompt.text([(7 * i + j) % 40_000 for j in range(length + i % 7)], books) for i in range(slots)]
    prefill(model, state, [Admission(i, p, 10**6, (i, 17 * i)) for i, p in enumerate(prompts)])
    return state


def frames(*sizes: int) -> None:
    sizes = sizes or (1, 4, 16, 64, 256, 512, 1024)
    model = random_model(true_sizes(), CUDA, torch.bfloat16)
    state = filled(model, max(sizes))
    runner = CapturedFrames(model, state, Sampling())
    for slots in sizes:
        start = time.perf_counter()
        runner.launch(slots).wait()
        ready = time.perf_counter() - start
        kept = state.counters.clone()
        state.counters[:, 0] = 150
        took = timed(lambda slots=slots: runner.launch(slots))
        torch.cuda.synchronize()
        start = time.perf_counter()
        runner.launch(slots)
        host = time.perf_counter() - start
        start = time.perf_counter()
        runner.launch(slots)
        again = time.perf_counter() - start
        torch.cuda.synchronize()
        print(f"    host: launch {host * 1e3:.2f} ms, the next behind it {again * 1e3:.2f} ms", flush=True)
        state.counters.copy_(kept)
        print(
            f"frames slots={slots} {took:.3f} ms = {slots / took * 80:.0f}x real time (ready {ready:.1f} s)", flush=True
        )


def loop(slots: int) -> None:
    """The steps of a run, twice: what one takes while all slots are busy, and how long the thinning end is."""
    engine = random_engine(CUDA, torch.bfloat16, slots, None)  # type: ignore[arg-type]
    engine.generate_takes(fading(slots))
    launch, steps = CapturedFrames.launch, []

    def noted(self: CapturedFrames, size: int) -> object:
        steps.append((time.perf_counter(), size))
        return launch(self, size)

    CapturedFrames.launch = noted  # type: ignore[assignment]
    for run in ("first", "again"):
        steps.clear()
        requests = workload(8 * slots)
        start = time.perf_counter()
        engine.generate_takes(requests)
        took = time.perf_counter() - start
        full = [at for at, size in steps if size == slots]
        step, tail = (full[-1] - full[0]) / (len(full) - 1), start + took - full[-1]
        print(
            f"loop slots={slots} {run}: {audio_seconds(requests) / took:.0f}x in {took:.2f} s, {len(full)} full steps "
            f"of {step * 1e3:.2f} ms, the thinning end {tail:.2f} s",
            flush=True,
        )
    CapturedFrames.launch = launch  # type: ignore[method-assign]


def profile(slots: int) -> None:
    model = random_model(true_sizes(), CUDA, torch.bfloat16)
    state = filled(model, slots)
    runner = CapturedFrames(model, state, Sampling())
    for _ in range(3):
        runner.launch(slots).wait()
    state.counters[:, 0] = 150
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as prof:
        for _ in range(3):
            runner.launch(slots)
        torch.cuda.synchronize()
    print(f"profile slots={slots}")
    report(prof, 3, 16)


def report(prof: torch.profiler.profile, runs: int, rows: int) -> None:
    """Device time by kernel."""
    total: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
    for event in prof.events():
        if event.device_time > 0:
            entry = total[event.name[:100]]
            entry[0] += event.device_time / runs
            entry[1] += 1 / runs
    print(f"   {sum(entry[0] for entry in total.values()) / 1e3:.2f} ms busy")
    for name, (us, count) in sorted(total.items(), key=lambda item: -item[1][0])[:rows]:
        print(f"   {us:9.0f} us {count:6.0f} calls {us / max(count, 1):7.2f} us  {name}", flush=True)


def clocked(owner: type, name: str, spent: dict[str, float]) -> None:
    """Adds up the host's time in a method."""
    method = getattr(owner, name)

    def call(*args: object, **kwargs: object) -> object:
        start = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            spent[name] += time.perf_counter() - start

    setattr(owner, name, call)


def stage(utterances: int, slots: int = 1024) -> None:
    codec = random_codec(CUDA, torch.bfloat16)
    engine = random_engine(CUDA, torch.bfloat16, slots, codec)
    list(engine.speak(workload(slots, 1)))
    requests = workload(utterances)
    audio = audio_seconds(requests)
    from voicegen.tts.marvis.capture import CopiedFrame
    from voicegen.tts.marvis.orders import OrderMaker
    from voicegen.tts.marvis.scheduler import Scheduler

    spent: dict[str, float] = defaultdict(float)
    for owner, name in (
        (CapturedFrames, "admit"),
        (CapturedFrames, "launch"),
        (CopiedFrame, "wait"),
        (OrderMaker, "order"),
        (Scheduler, "_read"),
        (Scheduler, "_shrink"),
        (Scheduler, "_step"),
    ):
        clocked(owner, name, spent)
    torch.cuda.synchronize()
    start = time.perf_counter()
    takes = engine.generate_takes(requests)
    took = time.perf_counter() - start
    assert len(takes) == utterances
    occupancy = engine.counts.occupancy
    print(
        f"codes {utterances}: {took:.1f} s, {audio / took:.0f}x, occupancy {occupancy:.3f}, {engine.counts}", flush=True
    )
    print("host seconds, codes:", {name: round(seconds, 2) for name, seconds in spent.items()}, flush=True)
    spent.clear()
    with tempfile.TemporaryDirectory() as folder:
        write = write_wavs(Path(folder))
        start = time.perf_counter()
        count = 0
        for speech in engine.speak(requests):
            write(speech)
            count += 1
        spoken = time.perf_counter() - start
        write.shutdown()
        took = time.perf_counter() - start
        files = len(list(Path(folder).glob("*.wav")))
    peak = torch.cuda.max_memory_allocated() / 2**30
    print(
        f"stage {files} WAVs: {took:.1f} s ({spoken:.1f} without the last writes), {audio / took:.0f}x, "
        f"occupancy {engine.counts.occupancy:.3f}, peak {peak:.1f} GiB, {count} records",
        flush=True,
    )
    print("host seconds:", {name: round(seconds, 2) for name, seconds in spent.items()}, flush=True)


def streams(*counts: int) -> None:
    """So many streams of 8 s at once, each pulled by a thread of its own: the slowest one, and what the host does."""
    from concurrent.futures import ThreadPoolExecutor

    from voicegen.tts.marvis.codec_streams import StreamBatch
    from voicegen.tts.marvis.orders import SpeechRequest
    from voicegen.tts.marvis.scheduler import Scheduler
    from voicegen.tts.marvis.streams import Streams

    codec = random_codec(CUDA, torch.bfloat16)
    counts = counts or (1, 8, 64, 500)
    engine = random_engine(CUDA, torch.bfloat16, max(counts), codec, stream_slots=max(counts))
    spent: dict[str, float] = defaultdict(float)
    for owner, name in ((StreamBatch, "push"), (Scheduler, "advance"), (Streams, "_decode"), (Streams, "_collect")):
        clocked(owner, name, spent)

    def client(seed: int) -> tuple[float, float]:
        """Seconds until the first piece of a stream, and until its end."""
        text = " ".join(["word"] * 24)
        began, first = time.perf_counter(), 0.0
        for _ in engine.stream(SpeechRequest(text, seed=seed, max_frames=100)):
            first = first or time.perf_counter() - began
        return first, time.perf_counter() - began

    for count in counts:
        with ThreadPoolExecutor(count) as clients:
            for _ in range(3):  # a shape of prompt is captured when it comes for the third time
                list(clients.map(client, range(count)))
            spent.clear()
            began = time.perf_counter()
            firsts, ends = zip(*clients.map(client, range(count)), strict=True)
            took = time.perf_counter() - began
        goings = [end - first for first, end in zip(firsts, ends, strict=True)]
        host = {name: round(seconds * 10, 2) for name, seconds in spent.items()}
        print(
            f"{count} streams at once: the slowest {8 / max(ends):.1f}x, from its first audio on "
            f"{8 / max(goings):.1f}x; together {8 * count / took:.0f}x; first audio after "
            f"{sorted(firsts)[count // 2] * 1e3:.0f} ms, of the last after {max(firsts) * 1e3:.0f} ms; "
            f"host ms a frame: {host}",
            flush=True,
        )


def decoder() -> None:
    codec = random_codec(CUDA, torch.bfloat16)
    import numpy as np

    rng = np.random.default_rng(0)
    batch = [rng.integers(0, 2048, (32, 75)) for _ in range(64)]
    expected = random_codec(torch.device("cpu"), torch.float32).decode(batch[:2])
    for kind in (torch.float32, torch.bfloat16):
        decoded = random_codec(CUDA, kind).decode(batch[:2])
        errors = [float(np.linalg.norm(a - b) / np.linalg.norm(a)) for a, b in zip(expected, decoded, strict=True)]
        print(f"codec on CUDA asked for {kind}: relative error against the CPU's float32 {errors}", flush=True)
    for _ in range(4):
        start = time.perf_counter()
        codec.decode(batch)
        took = time.perf_counter() - start
        print(f"codec 64 x 6 s: {took * 1e3:.1f} ms = {64 * 6 / took:.0f}x", flush=True)
    from voicegen.tts.marvis.codec_capture import CapturedDecoder

    captured = CapturedDecoder(codec, codec.mimi.fast, 32)  # type: ignore[attr-defined]
    mixed = [rng.integers(0, 2048, (32, int(n))) for n in rng.integers(25, 250, 256)]
    plain = codec.decode(mixed)
    for _ in range(3):
        same = captured.decode(mixed)
    worst = max(float(np.linalg.norm(a - b) / np.linalg.norm(a)) for a, b in zip(plain, same, strict=True))
    seconds = sum(one.shape[1] for one in mixed) / 12.5
    for name, decode in (("eager", codec.decode), ("captured", captured.decode)):
        start = time.perf_counter()
        decode(mixed)
        took = time.perf_counter() - start
        print(
            f"codec {name}, 256 mixed: {took * 1e3:.1f} ms = {seconds / took:.0f}x, difference {worst:.1e}", flush=True
        )
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as prof:
        captured.decode(mixed)
    report(prof, 1, 8)


def main(arguments: list[str]) -> None:
    torch.set_grad_enabled(False)
    print(torch.cuda.get_device_name(), torch.__version__, flush=True)
    for argument in arguments:
        name, _, value = argument.partition("=")
        start = time.perf_counter()
        numbers = [int(part) for part in value.split(",")] if value else []
        globals()[name](*numbers)
        torch.cuda.empty_cache()
        print(f"-- {argument} took {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
