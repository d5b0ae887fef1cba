"""Seeds made from other seeds, in one way everywhere: `run`, `synth`, the Python client and a chat draw alike."""

from __future__ import annotations

from hashlib import blake2b


def derived_seed(seed: int, number: int | str) -> int:
    """The seed of the `number`th of what `seed` stands for, such as a row of a run or a part of a text; 31 bits."""
    digest = blake2b(f"{seed}:{number}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def take_seed(seed: int, attempt: int) -> int:
    """What a take is drawn by: the text's seed at the first attempt, another at each later one."""
    return seed if attempt == 1 else derived_seed(seed, attempt)


def side_seed(seed: int, side: str) -> int:
    """What a row's text is spoken by: the row's seed for its answer, another for its question."""
    return seed if side == "answer" else derived_seed(seed, side)
