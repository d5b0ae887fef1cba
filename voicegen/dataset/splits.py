"""Which part of the dataset a question is in: train, validation or test.

A question's part is decided by its own text and by the rows before it, so that rows added at the end change none:

- one that is like no row before it: by a hash of its text (`plain`), the same in every run and on every machine;
- one that has like ones before it, or is a turn of their conversation: theirs;
- one whose like ones are in different parts, as a text may be that lies between two: none. Nor is what is like it.

So no two rows that are the same, that `likeness` finds near to each other, or that are turns of one conversation are
in different parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from voicegen.dataset.likeness import Pairs

Split = Literal["train", "validation", "test"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)

_NONE: Final = len(SPLITS)


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of a dataset validation and test are, each 0 to 1; the rest is train."""

    validation: float = 0.0
    test: float = 0.0

    def __bool__(self) -> bool:
        """Whether anything is to be split off."""
        return self.validation > 0 or self.test > 0

    def codes(self, keys: NDArray[np.uint64]) -> NDArray[np.uint8]:
        """The part of each text by itself, from its 64 bits, as a place in `SPLITS`."""
        fractions = keys / 2.0**64
        parts = np.full(len(keys), SPLITS.index("train"), np.uint8)
        parts[fractions < self.test + self.validation] = SPLITS.index("validation")
        parts[fractions < self.test] = SPLITS.index("test")
        return parts


@dataclass(frozen=True, slots=True)
class Splits:
    """The part of each question, by its place in the input; a byte each. It is plain data."""

    codes: bytes

    def of(self, place: int) -> Split | None:
        """The part of the question at a place; None where it is in none."""
        code = self.codes[place]
        return None if code == _NONE else SPLITS[code]

    @property
    def in_test(self) -> bytes:
        """1 for each question that is in test, else 0."""
        return bytes(np.frombuffer(self.codes, np.uint8) == SPLITS.index("test"))

    def names(self, places: Sequence[int]) -> list[Split | None]:
        """`of` each of them."""
        return [self.of(place) for place in places]


class Deciding:
    """Decides the part of each question, in order.

    Args:
        own: of each question by itself, as a place in `SPLITS`.
    """

    def __init__(self, own: bytearray) -> None:
        self._codes = own

    def follow(self, ties: Pairs) -> None:
        """Has questions follow those before them that they belong to; all ties of a question come together."""
        followed = -1
        for later, earlier in zip(ties.later.tolist(), ties.earlier.tolist(), strict=True):
            part = self._codes[earlier]
            if later != followed:
                self._codes[later], followed = part, later
            elif self._codes[later] != part:
                self._codes[later] = _NONE

    @property
    def splits(self) -> Splits:
        """As decided so far."""
        return Splits(bytes(self._codes))
