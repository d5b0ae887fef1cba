"""How the replies of a model begin: with the answer, or with a reasoning whose start was not written.

The templates of DeepSeek-R1, Qwen3-Thinking and others end the prompt with `<think>`. The model then writes its
reasoning, `</think>` and the answer: the reply holds the end marker of the reasoning, but no start marker.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

from voicegen.records import Message, Role

SHORT_ANSWER: Final = 32
"""Tokens; a model that doesn't reason has answered the short question within so many."""

UNMARKED_REASONING: Final = (
    "The model marked the end of a reasoning whose beginning it had not marked: what it said so far is no answer. "
    "Ask again: from now on its replies are held until they have shown what they are."
)


class Beginning(Enum):
    """What the text of a reply is that comes before any marker."""

    ANSWER = "answer"  # for certain: an end marker without a start is part of the answer
    LIKELY_ANSWER = "likely answer"  # given at once; an end marker without a start shows that it was reasoning
    REASONING = "reasoning"  # up to the end marker
    UNKNOWN = "unknown"  # held until an end marker, or the end of the reply, shows what it is


def short_question(messages: Sequence[Message] = ()) -> list[Message]:
    """A question whose reply shows how replies begin, below the system prompts of `messages`.

    These words were chosen by trying: SmolLM2-135M does as they say; asked for "one word" it rambles on.
    """
    return [*(message for message in messages if message.role is Role.SYSTEM), Message(Role.USER, "Say only: yes")]
