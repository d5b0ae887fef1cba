"""What a chat takes of memory in MLX: flat in a long run, and wired on a Mac while anybody generates."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from itertools import islice

import mlx.core as mx
import pytest

from tests.macs import M1_RECOMMENDED, wired_limits
from tests.mlx_models import tiny_model
from voicegen.chat.mlx import loading
from voicegen.chat.mlx.answer_model import MLXAnswerModel
from voicegen.chat.mlx.chat_model import MLXChatModel
from voicegen.mlx_device import wired
from voicegen.model_files import find_model
from voicegen.protocols import GenerationOptions
from voicegen.records import Message, Question, Role

OPTIONS = GenerationOptions(max_tokens=24, temperature=1.0)


def questions(number: int, seed: int) -> list[Question]:
    """Of many lengths, so that arrays of many shapes come and go."""
    return [Question(i, f"q{i}", "word " * (1 + (7 * i + seed) % 60), seed=seed + i) for i in range(number)]


def active() -> int:
    gc.collect()
    mx.synchronize()
    return mx.get_active_memory()


def test_a_run_of_many_questions_stays_flat() -> None:
    """MLX keeps 32 MB of freed arrays on a CPU, and a GPU what `mlx_device.prepare` lets it."""
    model = MLXAnswerModel(tiny_model(), options=OPTIONS, batch_size=8)
    used = []
    for seed in range(4):
        assert len(list(model.answer(questions(24, seed)))) == 24
        used.append(active())
    assert max(used[1:]) - min(used[1:]) < 1 << 16
    assert mx.get_cache_memory() <= 32 << 20


def test_a_chat_of_many_turns_keeps_no_more_than_its_context() -> None:
    """A conversation grows its cache, and one begun anew lets it go."""
    model = MLXChatModel(tiny_model(context=2048))

    def talked(turns: int) -> int:
        messages: list[Message] = []
        for turn in range(turns):
            messages.append(Message(Role.USER, "word " * (1 + turn % 5)))
            list(model.stream(messages, OPTIONS))
            messages.append(Message(Role.ASSISTANT, "yes"))
        return active()

    used = [talked(12) for _ in range(4)]
    assert max(used[1:]) - min(used[1:]) < 1 << 16


def test_what_is_loaded_bounds_the_freed_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[bool] = []
    monkeypatch.setattr(loading, "prepare", lambda: prepared.append(True))
    loading.load(find_model("smollm2-135m-instruct"))
    assert prepared == [True]


def _answers() -> Iterator[object]:
    return MLXAnswerModel(tiny_model(), options=OPTIONS, batch_size=2).answer(questions(5, 0))


def _reply() -> Iterator[object]:
    return MLXChatModel(tiny_model()).stream([Message(Role.USER, "hello")], OPTIONS)


@pytest.mark.parametrize("chat", [_answers, _reply])
def test_speech_that_is_under_way_stays_wired_when_a_chat_ends_and_nothing_does_after(
    chat: Callable[[], Iterator[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = chat()  # loaded before MLX says that this is a Mac
    limits = wired_limits(monkeypatch)
    list(islice(begun, 1))
    assert limits[-1] == M1_RECOMMENDED
    with wired():  # as speech does
        list(begun)
        assert limits[-1] == M1_RECOMMENDED
    assert limits[-1] == 7
