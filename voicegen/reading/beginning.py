"""What a model's replies begin with: a prompt may end inside a reasoning, whose opening marker then is no part of them.

Source: the templates of DeepSeek-R1, Qwen3-Thinking and others, which end the prompt with `<think>`. Their replies hold
the end of a reasoning, but not its beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

from voicegen.records import Message, Role

SHORT_ANSWER: Final = 32
"""Tokens within which a model that doesn't reason has answered the short question."""

UNMARKED_REASONING: Final = (
    "The model marked the end of a reasoning whose beginning it had not marked: what it said so far is no answer. "
    "Ask again: from now on its replies are held until they have shown what they are."
)


class Beginning(Enum):
    """What the text is with which a reply begins, while no marker has said so.

    With `ANSWER`, an end marker alone is text too. With `LIKELY_ANSWER` it shows that what came before was reasoning
    after all. With `UNKNOWN`, text is held until its reply has shown what it is.
    """

    ANSWER = "answer"
    LIKELY_ANSWER = "likely answer"
    REASONING = "reasoning"
    UNKNOWN = "unknown"


def short_question(messages: Sequence[Message] = ()) -> list[Message]:
    """What to ask to see how replies begin; the instructions among `messages` stay, as they may matter.

    SmolLM2-135M does as it says; asked for "one word" it rambles on.
    """
    return [*(message for message in messages if message.role is Role.SYSTEM), Message(Role.USER, "Say only: yes")]
