"""Replies of a server of chat completions, many under way at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voicegen.chat.openai.completions import Completion, StoppedInReasoning, parse_completion
from voicegen.chat.openai.dialect import Dialect
from voicegen.chat.openai.server import COMPLETIONS, Server
from voicegen.records import Answer, Failure
from voicegen.servers.failures import ParameterRefused
from voicegen.servers.requests import Requests


class ChatRequests(Requests[Answer | Failure]):
    """Rows that ask for completions."""

    def __init__(self, server: Server, dialect: Dialect) -> None:
        super().__init__(server)
        self._dialect = dialect

    async def complete(self, body: Mapping[str, Any]) -> Completion:
        """One reply, tried again while the server may still give one.

        Raises:
            RequestRefused: the server refuses the request.
            TryAgain: it still failed at the last try.
            ModelError: every request would fail.
        """
        return await self.tried(lambda: self._complete_adapted(body))

    async def _complete_adapted(self, body: Mapping[str, Any]) -> Completion:
        """One try, without what the server refuses to be told."""
        body = self._dialect.written(body)
        while True:
            try:
                response = await self.post(COMPLETIONS, body)
                completion = parse_completion(response.text, self._dialect.begins)
                if "stop" in body and completion.ended_in_reasoning:
                    raise StoppedInReasoning
            except ParameterRefused as refusal:
                body = self._dialect.adapt(refusal, body)
            else:
                return completion
