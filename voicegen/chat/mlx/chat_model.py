"""A chat model on MLX that streams its replies and keeps the KV cache of the conversation between turns."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import KVCache, can_trim_prompt_cache, make_prompt_cache, trim_prompt_cache

from voicegen.chat.mlx.cpu.acceleration import accelerate
from voicegen.chat.mlx.forcing import forcing
from voicegen.chat.mlx.kv import common_length, evaluate, prefill
from voicegen.chat.mlx.loading import LoadedModel, Precision, load
from voicegen.chat.mlx.sampling import RowStream, Sampling, choose, penalizes, recent_tokens
from voicegen.chat.mlx.trial_reply import found_beginning
from voicegen.chat.prompting.templates import ChatTemplate
from voicegen.errors import ModelError
from voicegen.mlx_device import wired
from voicegen.model_files import find_model
from voicegen.protocols import GenerationOptions
from voicegen.reading.beginning import UNMARKED_REASONING, Beginning
from voicegen.reading.parsing import TokenParser
from voicegen.records import ChatUsage, Delta, FinishReason, Message


class MLXChatModel:
    """A `ChatModel` for one conversation at a time.

    The cache and `_tokens`, the tokens that it holds, always agree, also when a stream is closed early. A new stream
    ends the one before it.
    """

    _tokens: list[int]
    _cache: list[Any]
    _prompt: tuple[list[int], list[Any]] | None  # tokens and cache as they were at the end of the last prompt

    def __init__(self, loaded: LoadedModel, *, reasoning_budget: int = 1024) -> None:
        """`reasoning_budget`: tokens more for a reply that was cut while the model reasoned."""
        self.info = loaded.info
        self.context_length = loaded.context_length
        self._model = accelerate(loaded.model)
        self._template = ChatTemplate(loaded.tokenizer)
        self._begins = found_beginning(self._model, self._template)
        self._reasoning_budget = reasoning_budget
        self._turn = 0
        self._forget()

    @classmethod
    def load(
        cls, name: str, *, revision: str | None = None, dtype: Precision = "auto", reasoning_budget: int = 1024
    ) -> MLXChatModel:
        """Finds and loads a model by name and `dtype`, as `find_model` and `voicegen.chat.mlx.loading.load` take them.

        Raises:
            VoicegenError: The model cannot be found or loaded.
        """
        return cls(load(find_model(name, revision=revision), dtype), reasoning_budget=reasoning_budget)

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        """Length in tokens of the rendered prompt."""
        return len(self._template.render(messages, tools))

    def stream(
        self,
        messages: Sequence[Message],
        options: GenerationOptions,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> Iterator[Delta | ChatUsage]:
        """Yields what each token adds and one `ChatUsage` last; see `voicegen.protocols.ChatModel`.

        Where it is not known whether the model reasons first, a reply that does not say so is held until its end.

        Raises:
            ModelError: The prompt fills the model's context; or what was given as answer proves to be reasoning.
        """
        prompt = self._template.render(messages, tools, options.reasoning_effort)
        room = self.context_length - len(prompt)
        if room <= 0:
            raise ModelError(
                f"the conversation has {len(prompt)} tokens, but the context of {self.info.id} holds "
                f"{self.context_length}: clear the history or shorten the message"
            )
        self._turn += 1
        parser = self._template.parser(self._begins).stopping_at(options.stop)
        sampling = _Sampling(RowStream(options.seed, sampling=Sampling.of(options)))
        cached = self._keep_common_prefix(prompt)
        finish = yield from self._generate(prompt[cached:], min(options.max_tokens, room), parser, sampling)
        room = self.context_length - len(self._tokens)
        if finish == "length" and (forced := forcing(parser, self._reasoning_budget, room)):
            for token in forced.tokens:
                yield from parser.feed(token)
            finish = yield from self._generate(forced.tokens, forced.budget, parser, sampling)
        yield ChatUsage(finish, len(prompt), sampling.count, cached)

    def _generate(
        self, tokens: Sequence[int], budget: int, parser: TokenParser, sampling: _Sampling
    ) -> Generator[Delta, None, FinishReason]:
        """Feeds `tokens` and generates up to `budget` more, to the reply's end or its cut, which it returns."""
        with wired():
            finish = yield from self._written(tokens, budget, parser, sampling)
        yield from parser.finish(cut=finish == "length")
        return "stop" if parser.stopped else finish

    def _written(
        self, tokens: Sequence[int], budget: int, parser: TokenParser, sampling: _Sampling
    ) -> Generator[Delta, None, FinishReason]:
        turn = self._turn
        upcoming = sampling.sample(self._run(tokens), self._tokens)
        if sampling.count == 0:
            self._keep_prompt()
        for _ in range(budget):
            if turn != self._turn:
                return "stop"
            token = int(upcoming.item())  # type: ignore[arg-type]
            sampling.count += 1
            if token in self._template.stop_tokens:
                yield from parser.feed(token)  # a tool call may end with it
                return "stop"
            upcoming = sampling.sample(self._run([token]), self._tokens)
            mx.async_eval(upcoming)
            yield from parser.feed(token)
            if parser.retracted:
                self._begins = Beginning.UNKNOWN
                raise ModelError(UNMARKED_REASONING)
            if parser.stopped:
                return "stop"
        return "length"

    def _run(self, tokens: Sequence[int]) -> mx.array:
        """Feeds `tokens`; (1, V) logits after the last of them."""
        try:
            logits = prefill(self._model, self._cache, tokens)
        except BaseException:
            self._forget()
            raise
        self._tokens += tokens
        return logits

    def _keep_common_prefix(self, prompt: Sequence[int]) -> int:
        """Cuts the cache to what it shares with `prompt`, leaving at least one token to feed; returns its length."""
        common = min(common_length(self._tokens, prompt), len(prompt) - 1)
        surplus = len(self._tokens) - common
        if surplus and not (can_trim_prompt_cache(self._cache) and trim_prompt_cache(self._cache, surplus) == surplus):
            return self._go_back_to_prompt(prompt)
        del self._tokens[common:]
        return common

    def _keep_prompt(self) -> None:
        """Copies the cache as it is after a prompt, where a sliding window keeps it from being cut back later.

        The reply that follows is not what the next prompt has in its place (gpt-oss's drops the reasoning), so the end
        of the prompt is the farthest point that the two share.
        """
        if any(not isinstance(layer, KVCache) for layer in self._cache):
            evaluate(self._cache)
            self._prompt = (list(self._tokens), copy.deepcopy(self._cache))

    def _go_back_to_prompt(self, prompt: Sequence[int]) -> int:
        kept = self._prompt
        self._forget()
        if kept is None or len(kept[0]) >= len(prompt) or list(prompt[: len(kept[0])]) != kept[0]:
            return 0
        self._tokens, self._cache = kept
        return len(self._tokens)

    def _forget(self) -> None:
        self._prompt = None
        self._cache = make_prompt_cache(self._model)
        self._tokens = []


class _Sampling:
    """How one reply is sampled, and how many tokens it has."""

    def __init__(self, stream: RowStream) -> None:
        self._rows = [stream]
        self.count = 0

    def sample(self, logits: mx.array, context: Sequence[int]) -> mx.array:
        recent = recent_tokens([context]) if penalizes(self._rows) else None
        return choose(logits, recent, self._rows, [len(context)])
