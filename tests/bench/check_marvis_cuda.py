"""Whether the fast path on a CUDA device gives the plain path's codes: frames, refills, voices, trouble, streams.

python -m tests.bench.check_marvis_cuda [frames] [company] [trouble] [streams]
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import torch

from tests.bench.bench_marvis_frames import CUDA, filled
from voicegen.bench.marvis_workload import (
    WordTokenizer,
    random_codec,
    random_engine,
    random_model,
    true_sizes,
)
from voicegen.records import ModelInfo
from voicegen.tts.marvis.capture import CapturedFrames
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frames import PlainFrames
from voicegen.tts.marvis.runners import TorchRunners


def frames() -> None:
    """Fast against plain at true sizes: exact in float32; the error of bfloat16 against float32."""
    torch.backends.cuda.matmul.allow_tf32 = False
    model = random_model(true_sizes(), CUDA, torch.float32)
    for slots in (1, 2, 7, 300):
        for sampling in (Sampling(0.0, 0), Sampling(0.9, 50)):
            plain, fast = filled(model, slots), filled(model, slots)
            slow, quick = PlainFrames(model, plain, sampling), CapturedFrames(model, fast, sampling)
            same = [
                float((quick.launch(slots).wait() == slow.launch(slots).wait()).all(axis=1).mean()) for _ in range(5)
            ]
            error = float((plain.hidden - fast.hidden).norm() / plain.hidden.norm())
            print(f"check float32 slots={slots} {sampling}: rows equal {same} hidden error {error:.1e}", flush=True)
    del slow, quick, plain, fast
    exact = model
    model = random_model(true_sizes(), CUDA, torch.bfloat16)
    for slots in (1, 8):
        greedy = Sampling(0.0, 0)
        states = filled(exact, slots), filled(model, slots), filled(model, slots)
        PlainFrames(exact, states[0], greedy).launch(slots)
        PlainFrames(model, states[1], greedy).launch(slots)
        CapturedFrames(model, states[2], greedy).launch(slots).wait()
        books = [(state.output == states[0].output)[:, :4].float().mean().item() for state in states[1:]]
        print(f"check bfloat16 slots={slots}: first four codes as in float32, plain and fast: {books}", flush=True)


def company() -> None:
    """The whole engine against its own plain path in float32: refills, voices, shrinking batches, single takes."""
    import numpy as np

    from voicegen.tts.marvis import SpeechRequest, VoicePrompt
    from voicegen.tts.marvis.engine import Marvis

    rng = np.random.default_rng(0)
    fast = random_engine(CUDA, torch.float32, 8, random_codec(CUDA, torch.float32))
    runners = TorchRunners(fast.runners.model, captured=False)  # type: ignore[attr-defined]
    plain = Marvis(runners, fast.tokenizer, info=fast.info, codec=fast.codec, slots=8)
    noise = rng.normal(0, 0.2, (2, 24_000 * 4)).astype(np.float32)
    voices = [
        None,
        VoicePrompt(noise[0], "some words that were said"),
        VoicePrompt(noise[1], "and more", mode="context"),
    ]
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    requests = [
        SpeechRequest(" ".join(words[: 1 + i % 8]), voice=voices[i % 3], seed=i, max_frames=3 + (5 * i) % 17)
        for i in range(40)
    ]
    pair = [engine.generate_codes(requests) for engine in (fast, plain)]
    same = [bool(np.array_equal(left, right)) for left, right in zip(*pair, strict=True)]
    single = [bool(np.array_equal(fast.generate_codes([requests[i]])[0], pair[0][i])) for i in range(6)]
    print(f"company: {sum(same)} of 40 takes equal the plain path's; alone as in company: {single}", flush=True)
    fast.slots = 1
    alone = fast.generate_codes(requests[:9])
    print("company: one slot:", [bool(np.array_equal(a, b)) for a, b in zip(alone, pair[0], strict=False)], flush=True)


def trouble() -> None:
    """The engine against its plain path where the host ends takes, a slot breaks, and a caller walks away."""
    import numpy as np

    from voicegen.tts.marvis import SpeechRequest, scheduler
    from voicegen.tts.marvis.engine import Marvis

    rng = np.random.default_rng(0)
    scheduler.SILENT_FRAMES = 2
    sizes = replace(true_sizes(), codebooks=8)
    small = {"layers": 2, "width": 256, "heads": 2, "kv_heads": 1, "ffn": 512}
    sizes = replace(sizes, backbone=replace(sizes.backbone, **small), depth=replace(sizes.depth, **small))
    model, info = random_model(sizes, CUDA, torch.float32), ModelInfo(id="small", backend="marvis")
    fast, plain = (
        Marvis(TorchRunners(model, captured=captured), WordTokenizer(), info=info, slots=8)  # type: ignore[arg-type]
        for captured in (True, False)
    )
    fast._silence = plain._silence = rng.random(2051) < 0.5
    requests = [
        SpeechRequest(" ".join(["word"] * int(rng.integers(1, 60))), seed=i, max_frames=int(rng.integers(2, 30)))
        for i in range(120)
    ]
    short = [SpeechRequest("so", seed=i, max_frames=int(rng.integers(8, 30))) for i in range(120)]
    for name, asked in (("prompts of every length", requests), ("takes past what the text needs", short)):
        for _ in range(3):  # prompts are read without a graph at first
            mine = fast.generate_takes(asked)
        theirs = plain.generate_takes(asked)
        same = sum(
            a.finish_reason == b.finish_reason and np.array_equal(a.codes, b.codes)
            for a, b in zip(mine, theirs, strict=True)
        )
        runaways = sum(take.finish_reason == "runaway" for take in mine)
        print(f"trouble, {name}: {same} of {len(asked)} takes equal the plain path's, {runaways} ran away", flush=True)

    expected = fast.generate_takes(requests)
    run = fast.run(iter([fast.orders.order(request, 1125) for request in requests]), Sampling())
    for _ in range(5):
        next(run)
    run.close()
    again = fast.generate_takes(requests)
    same = sum(np.array_equal(a.codes, b.codes) for a, b in zip(again, expected, strict=True))
    print(f"trouble, after a run that was left: {same} of {len(requests)}", flush=True)

    launch, calls = CapturedFrames.launch, [0]

    def poisoned(self: CapturedFrames, slots: int) -> object:
        calls[0] += 1
        if calls[0] % 9 == 0:
            for tensor in (self.state.hidden[3], self.state.keys[:, 3], self.state.values[:, 3]):
                tensor.fill_(torch.nan)
        return launch(self, slots)

    CapturedFrames.launch = poisoned  # type: ignore[assignment]
    broken = fast.generate_takes(requests)
    CapturedFrames.launch = launch  # type: ignore[method-assign]
    whole = [(a, b) for a, b in zip(broken, expected, strict=True) if not a.error]
    same = sum(np.array_equal(a.codes, b.codes) for a, b in whole)
    print(
        f"trouble, NaN now and then: {len(broken) - len(whole)} failed, {same} of {len(whole)} others equal", flush=True
    )


def streams() -> None:
    """Streams that are open at once, taken from in turn, against each of them alone, and one that is closed early."""
    import numpy as np

    from voicegen.tts.marvis import SpeechRequest

    engine = random_engine(CUDA, torch.float32, 8, random_codec(CUDA, torch.float32))
    requests = [SpeechRequest(" ".join(["word"] * (i + 1)), seed=i, max_frames=6 + 5 * i) for i in range(5)]
    alone = [np.concatenate(list(engine.stream(request))) for request in requests]
    closed = engine.stream(requests[-1])
    next(closed)
    closed.close()
    pieces: list[list[object]] = [[] for _ in requests]
    open_ones = dict(enumerate(map(engine.stream, requests)))
    while open_ones:
        for number, stream in list(open_ones.items()):
            try:
                pieces[number].append(next(stream))
            except StopIteration:
                del open_ones[number]
    errors = [
        float(np.abs(np.concatenate(mine) - whole).max()) if sum(map(len, mine)) == len(whole) else -1.0
        for mine, whole in zip(pieces, alone, strict=True)  # type: ignore[arg-type]
    ]
    print(f"streams: largest difference of each of {len(requests)} at once from itself alone: {errors}", flush=True)


CHECKS = {"frames": frames, "company": company, "trouble": trouble, "streams": streams}


def main(names: list[str]) -> None:
    torch.set_grad_enabled(False)
    print(torch.cuda.get_device_name(), torch.__version__, flush=True)
    for name in names or CHECKS:
        start = time.perf_counter()
        CHECKS[name]()
        torch.cuda.empty_cache()
        print(f"-- {name} took {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
