"""mlx-lm used as its documentation shows: what the benchmarks compare with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from voicegen.chat.mlx.spec import MLXSettings
from voicegen.records import Question


class PlainMlx:
    """Answers with the prompts and the way of sampling of `chat`, by mlx-lm alone."""

    def __init__(self, model: Any, tokenizer: Any, chat: MLXSettings) -> None:
        from mlx_lm.sample_utils import make_logits_processors, make_sampler

        self._model, self._tokenizer, self._system_prompt = model, tokenizer, chat.system_prompt
        penalty = chat.repetition_penalty if chat.repetition_penalty != 1 else None
        self._options: dict[str, Any] = {
            "max_tokens": chat.max_tokens,
            "sampler": make_sampler(chat.temperature, chat.top_p, chat.min_p, top_k=chat.top_k),
            "logits_processors": make_logits_processors(repetition_penalty=penalty) or None,
        }

    def pieces(self, question: Question) -> Iterator[str]:
        """The answer to one question, a token at a time."""
        from mlx_lm import stream_generate

        replies = stream_generate(self._model, self._tokenizer, self._prompt(question), **self._options)
        return (reply.text for reply in replies)

    def batched(self, questions: list[Question]) -> int:
        """Answers with `batch_generate` at its own batch size; returns the number of tokens."""
        from mlx_lm.generate import batch_generate

        prompts = [self._prompt(question) for question in questions]
        return int(batch_generate(self._model, self._tokenizer, prompts, **self._options).stats.generation_tokens)

    def _prompt(self, question: Question) -> list[int]:
        messages = [{"role": "user", "content": question.text}]
        if self._system_prompt:
            messages.insert(0, {"role": "system", "content": self._system_prompt})
        return list(self._tokenizer.apply_chat_template(messages, add_generation_prompt=True))
