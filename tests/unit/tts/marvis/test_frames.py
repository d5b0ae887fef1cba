from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from voicegen.bench.marvis_workload import random_model, true_sizes
from voicegen.tts.marvis.blocks import Blocks
from voicegen.tts.marvis.cache import SlotState
from voicegen.tts.marvis.drawing import Sampling
from voicegen.tts.marvis.frames import PlainFrames
from voicegen.tts.marvis.model import MarvisModel
from voicegen.tts.marvis.prefill import prefill, read_prefix
from voicegen.tts.marvis.prompts import Admission, Prompt

CPU = torch.device("cpu")
FRAMES = 2  # the second reads what the first left


@pytest.fixture(scope="module")
def wide_model() -> MarvisModel:
    """One layer of Marvis' own width, which takes the paths through the libraries that the true model takes."""
    sizes = true_sizes()
    backbone, depth = replace(sizes.backbone, layers=1, context=1300), replace(sizes.depth, layers=1)
    config = replace(sizes, backbone=backbone, depth=depth, text_vocab=500, codebooks=3)
    return random_model(config, CPU, torch.float32)


def prompts(model: MarvisModel) -> list[Prompt]:
    """Thirteen of many lengths, some behind a voice that they share, the last beyond 512 positions."""
    rng = np.random.default_rng(0)
    voice = Prompt.audio(rng.integers(0, 2048, (3, 40)))
    prefix = read_prefix(model, voice)
    lengths = [*(3 + 19 * i % 150 for i in range(12)), 600]
    made = [Prompt.text(rng.integers(0, 500, length).tolist(), 3) for length in lengths]
    return [replace(prompt, prefix=prefix) if i % 3 == 1 else prompt for i, prompt in enumerate(made)]


def rows_after(model: MarvisModel, slots: int, admitted: dict[int, Prompt], frames: int) -> dict[int, list[bytes]]:
    """What each frame leaves of the slots that were admitted, to the bit."""
    state = SlotState(model, slots, 3, model.config.backbone.context)
    runner = PlainFrames(model, state, Sampling(0.9, 50))
    prefill(model, state, [Admission(slot, prompt, 1000, (7, 11)) for slot, prompt in admitted.items()])
    seen: dict[int, list[bytes]] = {slot: [] for slot in admitted}
    for _ in range(frames):
        runner.launch(slots)
        for slot, rows in seen.items():
            rows.append(state.hidden[slot].numpy().tobytes() + state.output[slot].numpy().tobytes())
    return seen


@pytest.mark.parametrize("threads", [1, 2])
def test_on_the_cpu_company_does_not_change_a_bit(wide_model: MarvisModel, threads: int) -> None:
    torch.set_num_threads(threads)
    texts = prompts(wide_model)
    together = rows_after(wide_model, 13, dict(enumerate(texts)), FRAMES)
    few = rows_after(wide_model, 5, {4: texts[1], 0: texts[12]}, FRAMES)
    assert few == {4: together[1], 0: together[12]}
    for index, slots in ((0, 1), (1, 2), (7, 3), (2, 20)):
        assert rows_after(wide_model, slots, {0: texts[index]}, FRAMES)[0] == together[index]


def test_blocks_cover_the_slots_in_as_few_rows_as_may_be() -> None:
    exact = Blocks((2, 4, 8))
    covered = {slots: [block.stop - block.start for block in exact.covering(slots)] for slots in (1, 3, 8, 13, 32)}
    assert covered == {1: [2], 3: [4], 8: [8], 13: [8, 8], 32: [8, 8, 8, 8]}
    assert [exact.rows(slots) for slots in (1, 13)] == [2, 16]
    assert list(Blocks().covering(13)) == [slice(0, 13)]


def test_a_batch_that_need_not_be_exact_is_computed_whole(wide_model: MarvisModel) -> None:
    state = SlotState(wide_model, 13, 3, 64, Blocks())
    assert len(state.hidden) == 13
    assert len(SlotState(wide_model, 13, 3, 64).hidden) in (13, 16)
