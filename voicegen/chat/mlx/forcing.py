"""Makes a reply that was cut inside its reasoning go on with its answer."""

from __future__ import annotations

from dataclasses import dataclass

from voicegen.reading.parsing import TokenParser


@dataclass(frozen=True, slots=True)
class Forcing:
    """`tokens` to feed to the model and the reply's parser, and the `budget` for what comes after them."""

    tokens: tuple[int, ...]
    budget: int


def forcing(parser: TokenParser, reasoning_budget: int, room: int) -> Forcing | None:
    """How a reply that was cut goes on; None where it cannot.

    Args:
        parser: has read the reply, its end included.
        reasoning_budget: the most tokens more.
        room: tokens that the context has left.
    """
    tokens = tuple(parser.force_answer_tokens()) if parser.cut_in_reasoning else ()
    budget = min(reasoning_budget, room - len(tokens))
    return Forcing(tokens, budget) if tokens and budget > 0 else None
