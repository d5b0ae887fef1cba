"""Chat models behind any OpenAI-compatible server: vLLM, mlx_lm.server, llama.cpp, LM Studio, Ollama, OpenAI."""

from __future__ import annotations

import math
import time
from asyncio import to_thread
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx

from voicegen.chat.completions import Completion, StreamedReply
from voicegen.chat.messages import read_json
from voicegen.chat.requests import Requests, client_options, transport_error
from voicegen.chat.server import RequestRefused, Server, TryAgain, error_of
from voicegen.chat.tools import ToolRegistry
from voicegen.errors import ModelError
from voicegen.protocols import ChatUsage, Delta, GenerationOptions
from voicegen.records import Answer, Failure, Message, ModelInfo, Question, Role

_POLL = 0.05  # seconds between looks at a source that has nothing ready
_FAILURES_IN_A_ROW = 20  # so many rows without one answer between them: the server is at fault, not the rows
_TOOL_ROUNDS = 8


class OpenAIAnswerModel:
    """Answers questions through a server, several requests under way at once."""

    def __init__(
        self,
        server: Server,
        options: GenerationOptions | None = None,
        system_prompt: str | None = None,
        concurrency: int = 32,
        reasoning_budget: int = 0,
        tools: ToolRegistry | None = None,
    ) -> None:
        """Opens no connection yet.

        Args:
            server: where the model is.
            options: how it generates; each question brings its own seed.
            system_prompt: instructions above every question.
            concurrency: most requests under way at once.
            reasoning_budget: tokens added, once, to a reply that was cut while the model reasoned.
            tools: what the model may call.
        """
        self.info = ModelInfo(id=server.model, backend="openai")
        self._server = server
        self._options = options or GenerationOptions()
        self._system = [Message(Role.SYSTEM, system_prompt)] if system_prompt else []
        self._concurrency = concurrency
        self._reasoning_budget = reasoning_budget
        self._tools = tools or ToolRegistry()

    def answer(self, questions: Iterable[Question | None]) -> Iterator[Answer | Failure]:
        """Yields one record a question in completion order.

        A row that the server refuses, or that fails after all retries, is a `Failure`.

        Raises:
            ModelError: no row can be answered: a wrong key, an unknown model, a server that can't be reached or that
                fails row after row.
        """
        source, open_source, failures = iter(questions), True, 0
        with Requests(self._server) as requests:
            while True:
                while open_source and requests.in_flight < self._concurrency:
                    try:
                        question = next(source)
                    except StopIteration:
                        open_source = False
                        break
                    if question is None:
                        break
                    requests.start(self._row(requests, question))
                if requests.in_flight == 0:
                    if not open_source:
                        return
                    continue
                room = open_source and requests.in_flight < self._concurrency
                for record in requests.finished(_POLL if room else None):
                    failures = failures + 1 if isinstance(record, Failure) else 0
                    if isinstance(record, Failure) and failures >= _FAILURES_IN_A_ROW:
                        raise ModelError(f"{failures} rows in a row failed, the last with: {record.error}")
                    yield record

    async def _row(self, requests: Requests, question: Question) -> Answer | Failure:
        started = time.perf_counter()
        try:
            completion = await self._converse(requests, question)
        except (RequestRefused, TryAgain) as error:
            return Failure(question.index, "chat", str(error))
        return Answer(
            question,
            completion.text,
            finish_reason=completion.finish_reason,
            reasoning=completion.reasoning,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            seconds=(time.perf_counter() - started) / max(1, requests.in_flight),
        )

    async def _converse(self, requests: Requests, question: Question) -> Completion:
        """Asks, and asks again with the tools' results for as long as the model calls tools."""
        messages = [*self._system, *question.history, Message(Role.USER, question.text)]
        prompt_tokens = completion_tokens = 0
        for _ in range(_TOOL_ROUNDS + 1):
            completion = await self._complete(requests, messages, question.seed)
            prompt_tokens += completion.prompt_tokens
            completion_tokens += completion.completion_tokens
            if not completion.tool_calls:
                return replace(completion, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
            if not len(self._tools):
                raise RequestRefused(f"the model called the tool {completion.tool_calls[0].name!r}, but it has none")
            results = await to_thread(self._tools.call_all, completion.tool_calls)
            messages += [completion.message, *results]
        raise RequestRefused(f"the model still called tools after {_TOOL_ROUNDS} rounds")

    async def _complete(self, requests: Requests, messages: Sequence[Message], seed: int) -> Completion:
        """One reply; one that was cut while the model reasoned is asked for once more, with a larger budget."""
        options = replace(self._options, seed=seed)
        completion = await requests.complete(self._body(messages, options))
        spent = completion.completion_tokens
        if completion.cut_in_reasoning and self._reasoning_budget:
            options = replace(options, max_tokens=options.max_tokens + self._reasoning_budget)
            completion = await requests.complete(self._body(messages, options))
            completion = replace(completion, completion_tokens=spent + completion.completion_tokens)
        if completion.cut_in_reasoning:
            raise RequestRefused(
                f"the model gave no answer within {options.max_tokens} tokens, all of them reasoning: "
                "raise chat.max_tokens or chat.reasoning_budget, or lower chat.reasoning_effort"
            )
        if not completion.text and not completion.tool_calls:
            raise RequestRefused("the model gave an empty answer")
        return completion

    def _body(self, messages: Sequence[Message], options: GenerationOptions) -> dict[str, Any]:
        return self._server.request_body(messages, options, self._tools.schemas)


class OpenAIChatModel:
    """Continues one conversation through a server, streaming. The server keeps whatever cache it has."""

    def __init__(self, server: Server, context_length: int | None = None) -> None:
        """Opens no connection yet; `context_length` in tokens is asked of the server where it is not given."""
        self.info = ModelInfo(id=server.model, backend="openai")
        self._server = server
        self._context_length = context_length

    @property
    def context_length(self) -> int:
        """Tokens of context: as given, as the server's list of models tells, or 8192."""
        if self._context_length is None:
            self._context_length = self._ask_context_length() or 8192
        return self._context_length

    def stream(
        self, messages: Sequence[Message], options: GenerationOptions, tools: Sequence[Mapping[str, Any]] = ()
    ) -> Iterator[Delta | ChatUsage]:
        """Yields deltas as the server sends them and one `ChatUsage` last; closing it ends the request.

        Raises:
            ModelError: the server can't be reached, refuses the request, or breaks off in the middle.
        """
        body = self._server.request_body(messages, options, tools, stream=True)
        begun = False
        for attempt in range(self._server.retries + 1):
            try:
                for event in self._stream_once(body):
                    begun = True
                    yield event
                return
            except RequestRefused as error:
                raise ModelError(str(error)) from error
            except TryAgain as error:
                if begun or attempt == self._server.retries:
                    raise ModelError(f"{error} (at try {attempt + 1})") from error
                time.sleep(self._server.wait_before(attempt, error))

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        """An estimate from above for English text, three characters a token: the tokenizer is on the server."""
        body = self._server.request_body(messages, GenerationOptions(), tools)
        texts = [str(entry.get("content") or "") + str(entry.get("tool_calls") or "") for entry in body["messages"]]
        return sum(math.ceil(len(text) / 3) + 6 for text in [*texts, *map(str, body.get("tools", ()))])

    def _stream_once(self, body: Mapping[str, Any]) -> Iterator[Delta | ChatUsage]:
        reply = StreamedReply()
        other: list[str] = []  # lines that are no events
        try:
            with (
                httpx.Client(**client_options(self._server)) as client,
                client.stream("POST", self._server.url, json=body) as response,
            ):
                if response.status_code >= 300:
                    self._server.check(response.status_code, response.headers, response.read().decode(errors="replace"))
                for line in _lines(response.iter_bytes()):
                    payload = line.removeprefix("data:").strip()
                    if not line.startswith("data:"):
                        other.append(line)
                    elif payload != "[DONE]":
                        yield from reply.feed(payload)
        except httpx.HTTPError as error:
            raise transport_error(self._server, error) from error
        if reply.finish_reason is None:
            if text := _plain_text(other):
                raise RequestRefused(f"{self._server.base_url} sent no stream of answers. Check chat.base_url: {text}")
            raise TryAgain(f"{self._server.base_url} broke off in the middle of its answer")
        yield from reply.finish()
        yield ChatUsage(reply.finish_reason, reply.prompt_tokens, reply.completion_tokens)

    def _ask_context_length(self) -> int | None:
        try:
            with httpx.Client(**client_options(self._server)) as client:
                entries = read_json(client.get(f"{self._server.base_url.rstrip('/')}/models").text)["data"]
            entry = next(entry for entry in entries if entry["id"] == self._server.model)
            lengths = [entry.get(key) for key in ("max_model_len", "context_length", "max_context_length")]
            return next((int(length) for length in lengths if length), None)
        except (httpx.HTTPError, ArithmeticError, AttributeError, ValueError, LookupError, TypeError, StopIteration):
            return None


def _plain_text(lines: Iterable[str]) -> str:
    """What a server said that knows no streams, such as a page of a web site; the fields of events are left out."""
    said = "\n".join(line for line in lines if not line.startswith((":", "event:", "id:", "retry:"))).strip()
    return repr(error_of(said)[0]) if said else ""


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Lines of a stream as they come; httpx would also split at U+2028, U+2029 and U+0085, which stand in texts."""
    held = b""
    for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
    yield held.decode(errors="replace")
