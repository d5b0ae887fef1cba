"""What one server's API wants of requests, and whether its replies may be streamed: learned as it answers.

Servers give no other way to find out. Source: the errors of OpenAI's chat completions, whose `param` and `code` name
what was refused; llama.cpp with `--reasoning-format none` and vLLM without a reasoning parser, whose texts reason.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from voicegen.chat.openai.completions import Completion, StreamedCompletion
from voicegen.chat.openai.server import Server
from voicegen.reading.beginning import Beginning
from voicegen.servers.failures import ParameterRefused, TryAgain
from voicegen.servers.tries import Tries

_log = logging.getLogger(__name__)

_OTHER_NAMES: Final = {"max_tokens": "max_completion_tokens"}
_NEEDED: Final = frozenset({"model", "messages", "stream", "tools"})


class Dialect:
    """How to write to one server and read what it says.

    Attributes:
        begins: what the text is with which a reply begins, as the settings say. Where they don't, a reply that is there
            whole is judged alone, so that none depends on those before it.
    """

    def __init__(self, server: Server) -> None:
        """Takes what the settings say of the server; OpenAI's own gives no reasoning in its replies' text."""
        known = False if server.is_openai else server.starts_in_reasoning
        self._server = server
        self.begins = {None: Beginning.UNKNOWN, True: Beginning.REASONING, False: Beginning.ANSWER}[known]
        self._may_stream = False
        self._must_hold = False
        self._refused: set[str] = set()
        self._has_asked = False

    def written(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The request as this server takes it.

        A server that may reason in its text is told no stop strings: it would end the reasoning at one, and nothing
        would show that what it gave is no answer.
        """
        left_out = self._refused if self.begins is Beginning.ANSWER else self._refused | {"stop"}
        kept = {key: value for key, value in body.items() if key not in left_out}
        for key in left_out & body.keys() & _OTHER_NAMES.keys():
            kept.setdefault(_OTHER_NAMES[key], body[key])
        return {key: value for key, value in kept.items() if key not in left_out}

    def request(self, body: Mapping[str, Any]) -> ChatRequest:
        """The request `body`, to be tried."""
        return ChatRequest(self, self._server, body)

    def adapt(self, refusal: ParameterRefused, body: Mapping[str, Any]) -> dict[str, Any]:
        """The request `body`, which was refused, as this server takes it.

        Raises:
            ParameterRefused: it cannot do without what was refused.
        """
        name = refusal.parameter
        if name in body and name not in _NEEDED and name not in self._refused:
            self._refused.add(name)
            if name not in _OTHER_NAMES:
                _log.warning("the server takes no %s=%s: it is left out", name, body[name])
        adapted = self.written(body)
        if adapted == body:
            raise refusal
        return adapted

    @property
    def streamed(self) -> Beginning:
        """What text of a reply is that is given on while it is written; where that is not known, it is held."""
        if self.begins is Beginning.UNKNOWN and self._may_stream and not self._must_hold:
            return Beginning.LIKELY_ANSWER
        return self.begins

    def learn(self, shown: Beginning) -> None:
        """Takes what a reply has shown. One that began inside a reasoning is reason to hold all that come after it."""
        self._may_stream = self._may_stream or shown is Beginning.ANSWER
        self._must_hold = self._must_hold or shown is Beginning.REASONING

    def wants_to_ask(self) -> bool:
        """Whether a short question should be asked to see whether replies may be streamed. Says so once."""
        wants = self.streamed is Beginning.UNKNOWN and not self._has_asked
        self._has_asked = True
        return wants


class ChatRequest(Tries):
    """A request for one reply, which leaves out what the server refuses to be told when it is tried again.

    Attributes:
        body: the request as the server takes it.
    """

    def __init__(self, dialect: Dialect, server: Server, body: Mapping[str, Any]) -> None:
        super().__init__(server)
        self._dialect = dialect
        self.body = dialect.written(body)

    def wait_after(self, error: ParameterRefused | TryAgain, *, is_last: bool = False) -> float:
        """As `Tries` has it, and none where `body` has been adapted."""
        if isinstance(error, ParameterRefused):
            self.body = self._dialect.adapt(error, self.body)
            return 0.0
        return super().wait_after(error, is_last=is_last)

    def check(self, reply: Completion | StreamedCompletion) -> None:
        """Refuses a reply that ended in its reasoning, as servers do that look there for stop strings too.

        Raises:
            ParameterRefused: the server is better not told the stop strings.
        """
        if "stop" in self.body and reply.ended_in_reasoning:
            raise ParameterRefused("a stop string ended the reasoning", "stop")
