"""Answers many questions through any OpenAI-compatible server: vLLM, mlx_lm.server, llama.cpp, LM Studio, Ollama."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeAlias

from voicegen.chat.conversation.turn import Next, OpenTurn
from voicegen.chat.openai.completions import IN_DOUBT, Completion, parse_completion
from voicegen.chat.openai.dialect import Dialect
from voicegen.chat.openai.server import COMPLETIONS, Server
from voicegen.chat.tools import ToolRegistry
from voicegen.protocols import GenerationOptions
from voicegen.reading.beginning import Beginning, short_question
from voicegen.records import Answer, Failure, Message, ModelInfo, Question, Role
from voicegen.servers.concurrent import Requests, while_some_succeed
from voicegen.servers.failures import RequestRefused, TryAgain

_Requests: TypeAlias = Requests[Answer | Failure]


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
        self._dialect = Dialect(server)
        self._options = options or GenerationOptions()
        self._system = [Message(Role.SYSTEM, system_prompt)] if system_prompt else []
        self._concurrency = concurrency
        self._reasoning_budget = reasoning_budget
        self._tools = tools or ToolRegistry()
        self._shown: Beginning | None = None  # how the reply to the short question began; None: not asked yet

    def answer(self, questions: Iterable[Question | None]) -> Iterator[Answer | Failure]:
        """Yields one record a question in completion order.

        A row that the server refuses, or that fails after all retries, is a `Failure`.

        Raises:
            ModelError: no row can be answered: a wrong key, an unknown model, a server that can't be reached or that
                fails row after row.
        """
        self._asking = asyncio.Lock()
        with _Requests(self._server, self._short_reply) as requests:
            rows = requests.run(questions, lambda question: self._row(requests, question), self._concurrency)
            yield from while_some_succeed(rows)

    async def _row(self, requests: _Requests, question: Question) -> Answer | Failure:
        started = time.perf_counter()
        turn = OpenTurn.begun(question, self._system, len(self._tools) > 0)
        options = replace(self._options, seed=question.seed)
        if question.instructions is not None:
            options = replace(options, temperature=0.0)
        try:
            while turn.next not in (Next.DONE, Next.FAIL):
                turn = await self._stepped(turn, requests, options)
        except (RequestRefused, TryAgain) as error:
            return Failure(question.index, "chat", str(error))
        return turn.record(question, (time.perf_counter() - started) / max(1, requests.in_flight))

    async def _stepped(self, turn: OpenTurn, requests: _Requests, options: GenerationOptions) -> OpenTurn:
        """The turn a step on; a reply cut while the model reasoned is asked for once more, with a larger budget."""
        if turn.next is Next.RUN_TOOLS:
            return turn.told(await asyncio.to_thread(self._tools.call_all, turn.calls))
        if turn.forced:
            options = replace(options, max_tokens=options.max_tokens + self._reasoning_budget)
        completion = await self._asked(requests, turn, options)
        after = turn.after(completion, may_force=self._reasoning_budget > 0)
        if after.next is Next.FAIL and completion.in_doubt:
            raise RequestRefused(IN_DOUBT)
        return after

    async def _asked(self, requests: _Requests, turn: OpenTurn, options: GenerationOptions) -> Completion:
        """One reply, judged alone; but where it was cut and may be reasoning, a short question decides."""
        body = self._server.request_body(turn.messages, options, self._tools.schemas if turn.rounds else ())
        completion = await self._reply(requests, body)
        if completion.in_doubt:
            completion = completion.settled(await self._beginning(requests))
        return completion.before(options.stop)

    async def _beginning(self, requests: _Requests) -> Beginning:
        """How replies begin, as the reply to a short question shows it, which is asked once for all rows."""
        async with self._asking:
            if self._shown is None:
                self._shown = Beginning.UNKNOWN
                with suppress(RequestRefused, TryAgain):
                    self._shown = (await self._reply(requests, self._short_body())).began
            return self._shown

    async def _short_reply(self, requests: _Requests) -> Completion:
        """One try of the short question."""
        response = await requests.post(COMPLETIONS, self._dialect.written(self._short_body()))
        return parse_completion(response.text)

    def _short_body(self) -> dict[str, Any]:
        budget = self._options.max_tokens + self._reasoning_budget
        options = replace(self._options, max_tokens=budget, stop=())
        return self._server.request_body(short_question(self._system), options)

    async def _reply(self, requests: _Requests, body: Mapping[str, Any]) -> Completion:
        """A reply to `body`, tried again while the server may still give one."""
        request = self._dialect.request(body)

        async def once() -> Completion:
            response = await requests.post(COMPLETIONS, request.body)
            completion = parse_completion(response.text, self._dialect.begins)
            request.check(completion)
            return completion

        return await requests.tried(once, request)
