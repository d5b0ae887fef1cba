"""Seeds made from other seeds, in one way everywhere: `run`, `synth`, the Python client and a chat draw alike."""

from __future__ import annotations

from hashlib import blake2b


def derived_seed(seed: int, number: int) -> int:
    """The seed of the `number`th of what `seed` stands for, such as a row of a run or a part of a text; 31 bits."""
    digest = blake2b(f"{seed}:{number}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1
