"""One conversation with a model behind any OpenAI-compatible server, streaming."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from voicegen.chat.openai.completions import IN_DOUBT, StreamedCompletion
from voicegen.chat.openai.dialect import ChatRequest, Dialect
from voicegen.chat.openai.server import COMPLETIONS, Server
from voicegen.errors import ModelError
from voicegen.protocols import GenerationOptions
from voicegen.reading.beginning import SHORT_ANSWER, short_question
from voicegen.reading.calls import read_json
from voicegen.records import ChatUsage, Delta, Message, ModelInfo
from voicegen.servers.failures import ParameterRefused, RequestRefused, TryAgain
from voicegen.servers.openai_client import get_text, stream_events

_ENDLESS: Final = 4 * SHORT_ANSWER  # pieces of a server that heeds no limit


class OpenAIChatModel:
    """Continues one conversation through a server, streaming. The server keeps whatever cache it has."""

    def __init__(self, server: Server, context_length: int | None = None) -> None:
        """Opens no connection yet; `context_length` in tokens is asked of the server where it is not given."""
        self.info = ModelInfo(id=server.model, backend="openai")
        self._server = server
        self._dialect = Dialect(server)
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

        Before the first reply a short question shows whether this server's replies begin with the answer, unless the
        server's settings say so. Where they do, text comes as it is written; otherwise it is held until its reply's
        own marker, or its end, has shown what it is.

        Raises:
            ModelError: the server can't be reached, refuses the request, or breaks off in the middle; the reply was cut
                before it had shown whether it was the answer; or what was given as answer proves to be reasoning.
        """
        yield from self._learn_beginning(messages, options)
        body = self._server.request_body(messages, options, tools, stream=True)
        try:
            yield from self._reply(body, options.stop)
        except (RequestRefused, TryAgain) as error:
            raise ModelError(str(error)) from error

    def count_tokens(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> int:
        """An estimate from above for English text, three characters a token: the tokenizer is on the server."""
        body = self._server.request_body(messages, GenerationOptions(), tools)
        texts = [str(entry.get("content") or "") + str(entry.get("tool_calls") or "") for entry in body["messages"]]
        return sum(math.ceil(len(text) / 3) + 6 for text in [*texts, *map(str, body.get("tools", ()))])

    def _learn_beginning(self, messages: Sequence[Message], options: GenerationOptions) -> Iterator[Delta]:
        """Yields empty deltas while it asks; a server that goes on and on is not waited for."""
        if not self._dialect.wants_to_ask():
            return
        budget = replace(options, max_tokens=SHORT_ANSWER, stop=())
        body = self._server.request_body(short_question(messages), budget, stream=True)
        with suppress(RequestRefused, TryAgain), closing(self._reply(body, (), may_fail=True)) as reply:
            for event in islice(reply, _ENDLESS):
                if not _is_empty(event):  # text is given when it is known what it is
                    return
                yield Delta()

    def _reply(
        self, body: Mapping[str, Any], stops: Sequence[str], *, may_fail: bool = False
    ) -> Generator[Delta | ChatUsage, None, None]:
        """A reply to `body`, tried again until some of it has been given; once alone if it `may_fail`."""
        request, begun = self._dialect.request(body), False
        while True:
            reply = StreamedCompletion(self._dialect.streamed, stops)
            try:
                for event in self._read(reply, request):
                    begun = begun or not _is_empty(event)
                    yield event
                return
            except (ParameterRefused, TryAgain) as error:
                time.sleep(request.wait_after(error, is_last=begun or may_fail))
            finally:
                self._dialect.learn(reply.began)

    def _read(self, reply: StreamedCompletion, request: ChatRequest) -> Iterator[Delta | ChatUsage]:
        with closing(stream_events(self._server, COMPLETIONS, request.body)) as events:
            for event in events:
                yield from reply.feed(event)
                if reply.found_stop:
                    break
        if reply.finish_reason is None and not reply.found_stop:
            raise TryAgain(f"{self._server.address} broke off in the middle of its answer")
        yield from reply.finish()
        request.check(reply)
        if reply.in_doubt:
            raise RequestRefused(IN_DOUBT)
        yield ChatUsage(reply.finish_reason or "stop", reply.prompt_tokens, reply.completion_tokens)

    def _ask_context_length(self) -> int | None:
        try:
            entries = read_json(get_text(self._server, "/models"))["data"]
            entry = next(entry for entry in entries if entry["id"] == self._server.model)
            lengths = [entry.get(key) for key in ("max_model_len", "context_length", "max_context_length")]
            return next((int(length) for length in lengths if length), None)
        except (TryAgain, RequestRefused, ModelError):
            return None
        except (ArithmeticError, AttributeError, ValueError, LookupError, TypeError, StopIteration):
            return None


def _is_empty(event: Delta | ChatUsage) -> bool:
    """Whether nothing was given with it: text is being held."""
    return isinstance(event, Delta) and not event.text and event.tool_call is None
