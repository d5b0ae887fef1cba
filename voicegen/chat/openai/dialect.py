"""What one server's API wants of requests, and how its replies begin: learned as it answers, kept with the model.

Servers give no other way to find out. Source: the errors of OpenAI's chat completions, whose `param` and `code` name
what was refused; llama.cpp with `--reasoning-format none` and vLLM without a reasoning parser, whose texts reason.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

from voicegen.chat.beginning import Beginning, learned
from voicegen.chat.openai.server import ParameterRefused, Server

_log = logging.getLogger(__name__)

_OTHER_NAMES: Final = {"max_tokens": "max_completion_tokens"}
_NEEDED: Final = frozenset({"model", "messages", "stream", "tools"})


class Dialect:
    """How to write to one server and read what it says.

    Attributes:
        begins: what the text is with which a reply begins.
    """

    def __init__(self, server: Server) -> None:
        """Takes what the settings say of the server; OpenAI's own gives no reasoning in its replies' text."""
        known = False if server.is_openai else server.starts_in_reasoning
        self._told = known is not None
        self.begins = {None: Beginning.UNKNOWN, True: Beginning.REASONING, False: Beginning.ANSWER}[known]
        self._refused: set[str] = set()
        self._has_asked = False

    def written(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The request as this server takes it."""
        kept = {key: value for key, value in body.items() if key not in self._refused}
        for key in self._refused & body.keys() & _OTHER_NAMES.keys():
            kept.setdefault(_OTHER_NAMES[key], body[key])
        return {key: value for key, value in kept.items() if key not in self._refused}

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

    def learn(self, shown: Beginning) -> None:
        """Takes what a reply has shown of how replies begin; what the settings say stands until it is proved wrong."""
        if not self._told or shown is Beginning.REASONING:
            self.begins = learned(self.begins, shown)

    def wants_to_ask(self) -> bool:
        """Whether a short question should be asked to see how replies begin. Says so once."""
        wants = self.begins is Beginning.UNKNOWN and not self._has_asked
        self._has_asked = True
        return wants
