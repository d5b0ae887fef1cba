"""`voicegen bench chat`: answers one at a time, with mlx-lm's own batching, and as voicegen does, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from voicegen.bench.plain_mlx import PlainMlx
from voicegen.bench.questions import NAIVE_EVERY, questions_of
from voicegen.chat.mlx.spec import MLXSettings
from voicegen.config import JobConfig
from voicegen.errors import ConfigError
from voicegen.records import Answer, Question


@dataclass(frozen=True, slots=True)
class AnswerTiming:
    """One way of answering: rows, generated tokens, and the seconds and CPU seconds that they took."""

    name: str
    rows: int
    tokens: int
    seconds: float
    cpu_seconds: float


def bench_chat(config: JobConfig) -> None:
    """Prints a table of the ways to answer with the model and settings of `config`; loading is left out of all.

    Raises:
        ConfigError: The chat model is not one of kind mlx.
    """
    if not isinstance(config.chat, MLXSettings):
        raise ConfigError("this benchmark is for chat models of kind mlx: leave chat at the starter preset's")
    from voicegen.chat.mlx.loading import load
    from voicegen.mlx_blas.blas import blas_in_use
    from voicegen.model_files import find_model

    loaded = load(find_model(config.chat.model, revision=config.chat.revision), config.chat.dtype)
    questions = questions_of(config)
    plain, ours = PlainMlx(loaded.model, loaded.tokenizer, config.chat), _voicegen(loaded, config.chat)

    def one_at_a_time(questions: list[Question]) -> int:
        return sum(1 for question in questions for _ in plain.pieces(question))

    one_at_a_time(questions[:1])  # the first call compiles
    timings = [
        _timed("mlx-lm generate, one by one", questions[::NAIVE_EVERY], one_at_a_time),
        _timed("mlx-lm batch_generate", questions, plain.batched),
        _timed("voicegen", questions, ours),
    ]
    print(f"\n{loaded.info.id}, max_tokens={config.chat.max_tokens}, BLAS: {blas_in_use().library}")
    _print_table(timings)


def _voicegen(loaded: Any, chat: MLXSettings) -> Callable[[list[Question]], int]:
    from voicegen.chat.mlx.answer_model import MLXAnswerModel

    model = MLXAnswerModel(
        loaded,
        system_prompt=chat.system_prompt,
        options=chat.options,
        reasoning_budget=chat.reasoning_budget,
        batch_size=chat.batch_size,
        kv_budget=chat.kv_budget,
    )
    return lambda questions: sum(
        record.completion_tokens for record in model.answer(questions) if isinstance(record, Answer)
    )


def _timed(name: str, questions: list[Question], answer: Callable[[list[Question]], int]) -> AnswerTiming:
    begin, cpu = time.perf_counter(), time.process_time()
    tokens = answer(questions)
    return AnswerTiming(name, len(questions), tokens, time.perf_counter() - begin, time.process_time() - cpu)


def _print_table(timings: Sequence[AnswerTiming]) -> None:
    """Ratios are of answers a second against the first way; CPU seconds count every core."""
    base = timings[0].rows / timings[0].seconds
    print(f"{'answering':<28} {'rows':>5} {'tokens':>7} {'seconds':>8} {'tokens/s':>9} {'CPU s/row':>10} {'ratio':>6}")
    for timing in timings:
        print(
            f"{timing.name:<28} {timing.rows:>5} {timing.tokens:>7} {timing.seconds:>8.1f} "
            f"{timing.tokens / timing.seconds:>9.1f} {timing.cpu_seconds / timing.rows:>10.2f} "
            f"{timing.rows / timing.seconds / base:>6.2f}"
        )
