"""The markers that models write around a reasoning, an answer or a turn, as far as they are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from voicegen.reading.beginning import Beginning

Pair = tuple[str, str]

START, END, MESSAGE, CHANNEL = "<|start|>", "<|end|>", "<|message|>", "<|channel|>"
RETURN, CALL_END, CONSTRAIN, END_OF_TEXT = "<|return|>", "<|call|>", "<|constrain|>", "<|endoftext|>"

HARMONY_TOKENS: Final = (START, END, MESSAGE, CHANNEL, RETURN, CALL_END, CONSTRAIN)
MESSAGE_END, TURN_END = "<|eom|>", "<|eot|>"  # Muse's `<|end|>` and `<|return|>`
HARMONY_STOPS: Final = (RETURN, CALL_END, END_OF_TEXT, TURN_END)
"""`<|end|>` is none: it only ends a message, and the answer may come after it."""

THINK: Final[Pair] = ("<think>", "</think>")

PHRASES: Final[tuple[Pair, ...]] = (
    ("Here is my thought process:", "Here is my response:"),  # Granite 3.2
    ("Here's my thought process:", "Here's my response:"),
)
"""Plain words: they count only where a reply begins, and an end only after its start."""

REASONING: Final[tuple[Pair, ...]] = (
    THINK,
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<reflection>", "</reflection>"),  # Reflection, also within its answers
    ("<scratchpad>", "</scratchpad>"),
    ("<analysis>", "</analysis>"),
    ("<rationale>", "</rationale>"),
    ("<thoughts>", "</thoughts>"),
    ("<thought_process>", "</thought_process>"),
    ("<thinking_process>", "</thinking_process>"),
    ("<chain_of_thought>", "</chain_of_thought>"),
    ("<cot>", "</cot>"),
    ("<inner_thoughts>", "</inner_thoughts>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<internal_monologue>", "</internal_monologue>"),
    ("<antthinking>", "</antthinking>"),  # Claude's, in prompts and texts of many
    ("<seed:think>", "</seed:think>"),  # Seed-OSS
    ("<mm:think>", "</mm:think>"),  # MiniMax M3
    ("<think:opensource>", "</think:opensource>"),  # Hunyuan 3
    ("<longcat_think>", "</longcat_think>"),
    ("<|think:start|>", "<|think:end|>"),
    ("[THINK]", "[/THINK]"),  # Magistral
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Cohere's Command
    ("<|begin_of_thought|>", "<|end_of_thought|>"),  # Sky-T1, OpenThinker
    ("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),  # Kimi K3
    ("◁think▷", "◁/think▷"),  # Kimi-VL
    ("<|channel>", "<channel|>"),  # Gemma 4, whose reasoning begins with the channel's name, `thought`
    ("<unused94>", "<unused95>"),  # MedGemma, likewise
    *PHRASES,
)
"""Around a reasoning. A start counts where a reply or its answer begins; within it, where an end follows."""

ANSWER_TAGS: Final[Mapping[str, str]] = {
    "<answer>": "</answer>",
    "<output>": "</output>",  # Reflection
    "<|START_RESPONSE|>": "<|END_RESPONSE|>",
    "<|open|>response<|sep|>": "<|close|>response<|sep|>",
    "<|begin_of_solution|>": "<|end_of_solution|>",
}
"""Around a whole answer; no part of it."""


def _escaped(tag: str) -> str:
    return tag.replace("<", "&lt;").replace(">", "&gt;")


ALIASES: Final[Mapping[str, str]] = {
    "<|think|>": "<think>",
    "<|content|>": "</think>",  # Solar Open, behind `<|end|><|begin|>assistant`
    "<|/think|>": "</think>",
    "<|end_think|>": "</think>",
    **{
        _escaped(tag): tag
        for tag in (*(tag for pair in REASONING for tag in pair), *ANSWER_TAGS, *ANSWER_TAGS.values())
        if tag.startswith("<")
    },
}
"""Other spellings of tags: also as a page of HTML has them."""

TURN_MARKS: Final = frozenset(
    {
        *HARMONY_STOPS,
        *("<|im_end|>", "<|im_start|>"),
        *("<|eot_id|>", "<|eom_id|>", "<|start_header_id|>", "<|end_of_text|>"),  # Llama, Granite
        *("<end_of_turn>", "<start_of_turn>", "<turn|>", "<|turn>"),  # Gemma
        *("<|END_OF_TURN_TOKEN|>", "<|START_OF_TURN_TOKEN|>"),  # Cohere
        *("<|user|>", "<|system|>"),  # Phi, GLM
        "<|flush|>",  # Solar Open
        *("<|close|>message<|sep|>", "<|end_of_msg|>"),  # Kimi K3
        *("<｜end▁of▁sentence｜>", "<｜User｜>"),  # DeepSeek
    }
)
"""What ends a turn or begins another: nothing after it is part of the reply."""


@dataclass(frozen=True)
class Markers:
    """What to look for in a model's replies.

    Attributes:
        own: the tags that the model is known to reason in. Their start counts anywhere.
        call: what stands around a tool call.
        stops: end the reply: a turn's end, or another speaker's name.
        begins: what the text is with which a reply begins.
        harmony: whether the model was made for harmony, so that an answer can be forced in its form.
    """

    own: Pair | None = None
    call: Pair | None = None
    stops: frozenset[str] = TURN_MARKS
    begins: Beginning = Beginning.ANSWER
    harmony: bool = False

    @cached_property
    def pairs(self) -> Mapping[str, Pair]:
        """The tags around a reasoning, each with its pair."""
        return {tag: pair for pair in (*REASONING, *([self.own] if self.own else [])) for tag in pair}

    @property
    def exact(self) -> frozenset[str]:
        """The markers that are written in one way alone; the others are `tags`."""
        return self.harmonys | frozenset(self.call or ())

    @property
    def harmonys(self) -> frozenset[str]:
        """The markers of a reply in harmony."""
        return self.stops | frozenset({*HARMONY_TOKENS, MESSAGE_END})

    @property
    def tags(self) -> frozenset[str]:
        """The tags around a reasoning or an answer, in all their spellings."""
        return frozenset({*self.pairs, *ANSWER_TAGS, *ANSWER_TAGS.values(), *ALIASES})
