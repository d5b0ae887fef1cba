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

    Where that is not known, text is held until the reply shows it.
    """

    ANSWER = "answer"
    REASONING = "reasoning"
    UNKNOWN = "unknown"


def learned(known: Beginning, shown: Beginning) -> Beginning:
    """What is known of a model's replies after one that has shown `shown`. Reasoning, once seen, is never forgotten."""
    if shown is Beginning.REASONING or known is Beginning.UNKNOWN:
        return shown
    return known


def short_question(messages: Sequence[Message] = ()) -> list[Message]:
    """What to ask to see how replies begin; the instructions among `messages` stay, as they may matter.

    SmolLM2-135M does as it says; asked for "one word" it rambles on.
    """
    return [*(message for message in messages if message.role is Role.SYSTEM), Message(Role.USER, "Say only: yes")]
