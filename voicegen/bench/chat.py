"""`voicegen bench chat`: answers one at a time, with mlx-lm's own batching, and as voicegen does, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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
    from voicegen.chat.mlx.cpu.blas import blas_in_use
    from voicegen.chat.mlx.loading import load
    from voicegen.model_files import find_model

    loaded = load(find_model(config.chat.model, revision=config.chat.revision), config.chat.dtype)
    questions = questions_of(config)
    peer, ours = _Peer(loaded, config.chat), _voicegen(loaded, config.chat)
    peer.one_at_a_time(questions[:1])  # the first call compiles
    timings = [
        _timed("mlx-lm generate, one by one", questions[::NAIVE_EVERY], peer.one_at_a_time),
        _timed("mlx-lm batch_generate", questions, peer.batched),
        _timed("voicegen", questions, ours),
    ]
    print(f"\n{loaded.info.id}, max_tokens={config.chat.max_tokens}, BLAS: {blas_in_use().library}")
    _print_table(timings)


class _Peer:
    """mlx-lm used as its documentation shows, with the same prompts and the same way of sampling."""

    def __init__(self, loaded: Any, chat: MLXSettings) -> None:
        from mlx_lm.sample_utils import make_logits_processors, make_sampler

        self._model, self._tokenizer, self._chat = loaded.model, loaded.tokenizer, chat
        self._sampler = make_sampler(chat.temperature, chat.top_p, chat.min_p, top_k=chat.top_k)
        penalty = chat.repetition_penalty if chat.repetition_penalty != 1 else None
        self._processors = make_logits_processors(repetition_penalty=penalty)

    def one_at_a_time(self, questions: Sequence[Question]) -> int:
        """Answers with `generate`; returns the number of tokens."""
        from mlx_lm import stream_generate

        tokens = 0
        for question in questions:
            replies = stream_generate(
                self._model,
                self._tokenizer,
                self._prompt(question),
                max_tokens=self._chat.max_tokens,
                sampler=self._sampler,
                logits_processors=self._processors,
            )
            tokens += sum(1 for _ in replies)
        return tokens

    def batched(self, questions: Sequence[Question]) -> int:
        """Answers with `batch_generate` at its own batch size; returns the number of tokens."""
        from mlx_lm.generate import batch_generate

        prompts = [self._prompt(question) for question in questions]
        done = batch_generate(
            self._model,
            self._tokenizer,
            prompts,
            max_tokens=self._chat.max_tokens,
            sampler=self._sampler,
            logits_processors=self._processors or None,
        )
        return int(done.stats.generation_tokens)

    def _prompt(self, question: Question) -> list[int]:
        messages = [{"role": "user", "content": question.text}]
        if self._chat.system_prompt:
            messages.insert(0, {"role": "system", "content": self._chat.system_prompt})
        return list(self._tokenizer.apply_chat_template(messages, add_generation_prompt=True))


def _voicegen(loaded: Any, chat: MLXSettings) -> Callable[[Sequence[Question]], int]:
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


def _timed(name: str, questions: Sequence[Question], answer: Callable[[Sequence[Question]], int]) -> AnswerTiming:
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
