"""What the layers of Mimi remember between two pieces of the same streams, in whichever library computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class CodecState:
    """What the layers remember of the frames before, for B streams at the same place; arrays are those of the library.

    Attributes:
        contexts: By layer, the last inputs of each convolution, B first.
        keys: By layer, those of attention (B, H, n, D), n below its window.
        values: Likewise.
        position: Of the next input of the transformer.
    """

    contexts: dict[int, Any] = field(default_factory=dict)
    keys: dict[int, Any] = field(default_factory=dict)
    values: dict[int, Any] = field(default_factory=dict)
    position: int = 0

    @property
    def parts(self) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
        """Contexts, keys and values."""
        return self.contexts, self.keys, self.values

    def first(self, streams: int) -> CodecState:
        """The state of the first so many streams alone."""
        return CodecState(
            {layer: array[:streams] for layer, array in self.contexts.items()},
            {layer: array[:streams] for layer, array in self.keys.items()},
            {layer: array[:streams] for layer, array in self.values.items()},
            self.position,
        )
