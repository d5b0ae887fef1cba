"""Which texts are the same, and which nearly so, found among very many in two bytes of memory each.

Same: equal but for case, spacing and the punctuation of sentences (`plain`). Nearly so: the sets of their trigrams of
characters have a Jaccard similarity of about `NEAR` or more, as their MinHash sketches estimate it (Broder, "On the
resemblance and containment of documents", 1997). Only texts that agree in a whole band of their sketches are compared
(Indyk and Motwani, 1998). `tests/bench/near_duplicates.py` says how many pairs of which true similarity that finds. It
depends on the texts alone, on every machine.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voicegen.scratch.by_part import ByPart
from voicegen.scratch.by_place import ByPlace
from voicegen.scratch.same_keys import SameKeys
from voicegen.text.longest import LONGEST_TEXT, too_long

NEAR: Final = 0.8
"""Texts of this similarity or more are near duplicates."""

BLOCK: Final = 2**16
"""Places whose pairs come together."""

_BANDS: Final = 21
_BAND: Final = 6  # hashes in a band
_HASHES: Final = _BANDS * _BAND
_BANDS_TOGETHER: Final = 7
_LETTERS: Final = 2**20  # characters sketched together, at the most

_PUNCTUATION: Final = re.compile(r"(?<![^\W_])[.,:]+|[.,:]+(?![^\W_])|[;!?¿¡…\"`´‘“”„«»()\[\]{}、。]+")
_SALTS: Final = np.array(
    [int.from_bytes(blake2b(b"%d" % number, digest_size=4).digest(), "little") for number in range(_HASHES)], np.uint32
)


def plain(text: str) -> str:
    """A text without what does not tell it from another: case, width, spacing, the punctuation of sentences.

    Signs that say something stay: `C#`, `3.5` and `3-4` are not `C`, `35` and `34`. A text that is longer than a
    row may be is never spoken, and stays as it is.
    """
    if too_long(text):
        return text
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_PUNCTUATION.sub(" ", folded.replace("'", "").replace("’", "")).split()) or folded.strip()


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of like texts, sorted by `later`, then `earlier`.

    Attributes:
        later: place of a text, int64 (N,).
        earlier: place of one before it that is like it, int64 (N,).
        similarity: 1 where they are the same, else as estimated, float32 (N,).
    """

    later: NDArray[np.int64]
    earlier: NDArray[np.int64]
    similarity: NDArray[np.float32]

    @classmethod
    def none(cls) -> Pairs:
        """No pairs."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))

    def those(self, which: NDArray[Any] | slice) -> Pairs:
        """Those pairs, by place, by a bool each or in a range."""
        return Pairs(self.later[which], self.earlier[which], self.similarity[which])

    def first(self) -> Pairs:
        """Of each later text only the pair with the first that is like it."""
        return self.those(np.unique(self.later, return_index=True)[1])

    def __or__(self, other: Pairs) -> Pairs:
        """Those of both."""
        later, earlier = np.concatenate([self.later, other.later]), np.concatenate([self.earlier, other.earlier])
        both = Pairs(later, earlier, np.concatenate([self.similarity, other.similarity]))
        return both.those(np.lexsort((earlier, later)))


class Likeness:
    """Takes texts in any order, each with its place, and says which are like one another.

    It keeps a byte for each place in memory, and its sketch of 126 in a temporary file; looking for pairs takes a byte
    more, and another 84 there, or up to 420 where every text is like many.

    Raises:
        OutputError: by any method: the disk for temporary files is full or cannot be used.
    """

    def __init__(self) -> None:
        self._there = bytearray()  # by place, 1 where there is a text
        self._keys = ByPlace(np.uint64)
        self._sketches = ByPlace((np.uint8, _HASHES))

    def add(self, places: Sequence[int], texts: Sequence[str]) -> NDArray[np.uint64]:
        """Takes texts, each at a place of its own; returns the `text_key` of each as it is `plain`."""
        plains = [plain(text) for text in texts]
        at, keys = np.array(places, np.int64), np.array([text_key(text) for text in plains], np.uint64)
        self._there.extend(bytes(max(int(at.max(initial=-1)) + 1 - len(self._there), 0)))
        np.frombuffer(self._there, np.uint8)[at] = 1
        self._keys.put(at, keys)
        start = 0
        for some in _portions([text[:LONGEST_TEXT] for text in plains]):
            self._sketches.put(at[start : start + len(some)], _sketches(some))
            start += len(some)
        return keys

    def pairs(self) -> Iterator[Pairs]:
        """Pairs of like texts in the order of `later`, those of some places at a time.

        A text that was there before has one pair, with the first of its like; a new one a pair with each text near to
        it that is the first, or the last before it, of those that agree with it in a band.
        """
        count = -(-len(self._there) // BLOCK)
        same, agreeing = ByPart(np.uint64, count), ByPart(np.uint64, count)
        new = bytearray(self._there)  # by place, 1 where the same text was not there before
        for alike in self._same().alike():
            np.frombuffer(new, np.uint8)[alike.places[alike.places != alike.first]] = 0
            _note(same, alike.places, alike.first)
        for band in range(0, _BANDS, _BANDS_TOGETHER):
            for alike in self._agreeing(new, range(band, band + _BANDS_TOGETHER)).alike():
                _note(agreeing, alike.places, alike.first)
                _note(agreeing, alike.places, np.where(alike.before == alike.first, alike.places, alike.before))
        for number in range(count):
            later, earlier = _apart(same.part(number))
            yield Pairs(later, earlier, np.ones(len(later), np.float32)) | self._near(agreeing.part(number))

    def _same(self) -> SameKeys:
        """The key of each text."""
        keys = SameKeys()
        for places in _places(self._there):
            first = int(places[0])
            keys.add(self._keys.part(first, int(places[-1]) + 1)[places - first], places)
        return keys

    def _agreeing(self, new: bytearray, bands: range) -> SameKeys:
        """Keys of the bands of each new text, no two bands with the same."""
        keys = SameKeys()
        for places in _places(new):
            first = int(places[0])
            sketches = self._sketches.part(first, int(places[-1]) + 1)[places - first]
            for band in bands:
                key = np.full(len(places), band, np.uint64)
                for column in sketches[:, band * _BAND : (band + 1) * _BAND].T:
                    key = key << np.uint64(8) | column
                keys.add(key, places)
        return keys

    def _near(self, agreeing: NDArray[np.uint64]) -> Pairs:
        """Those of the pairs that are near to each other."""
        found = [Pairs.none()]
        packed = np.unique(agreeing)
        for start in range(0, len(packed), BLOCK):
            later, earlier = _apart(packed[start : start + BLOCK])
            pairs = Pairs(later, earlier, _similarity(self._sketches.at(later), self._sketches.at(earlier)))
            found.append(pairs.those(pairs.similarity >= NEAR))
        return Pairs(*(np.concatenate(columns) for columns in zip(*map(astuple, found), strict=True)))


def text_key(text: str) -> int:
    """64 bits that tell one text from another, the same on every machine."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _places(there: bytearray) -> Iterator[NDArray[np.int64]]:
    """The places where there is something, some at a time."""
    for start in range(0, len(there), BLOCK):
        found = np.flatnonzero(np.frombuffer(there, np.uint8, min(BLOCK, len(there) - start), start))
        if len(found):
            yield start + found


def _note(pairs: ByPart, later: NDArray[np.int64], earlier: NDArray[np.int64]) -> None:
    """Takes down the pairs, but for those of a text with itself, among those of the later one's block."""
    apart = later != earlier
    packed = later[apart].astype(np.uint64) << np.uint64(32) | earlier[apart].astype(np.uint64)
    pairs.add(later[apart] // BLOCK, packed)


def _apart(packed: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The later and the earlier of pairs that were noted."""
    return (packed >> np.uint64(32)).astype(np.int64), (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _similarity(ones: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The Jaccard similarity as sketches estimate it: the share of hashes that agree, less those that do by chance."""
    share = (ones == others).mean(axis=1, dtype=np.float32)
    similarity: NDArray[np.float32] = np.maximum((share - 1 / 256) / (1 - 1 / 256), 0).astype(np.float32)
    return similarity


def _portions(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts in portions that are small enough to be sketched together."""
    start = letters = 0
    for place, text in enumerate(texts):
        if letters and letters + len(text) > _LETTERS:
            yield texts[start:place]
            start, letters = place, 0
        letters += len(text)
    if texts:
        yield texts[start:]


def _sketches(texts: Sequence[str]) -> NDArray[np.uint8]:
    """MinHash sketches (N, 126) of the texts' trigrams, of which each hash keeps its lowest byte."""
    padded = [f"  {text} " for text in texts]
    letters = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint32)
    lengths = np.array([len(text) for text in padded])
    ends = np.cumsum(lengths)
    inside = np.ones(len(letters), bool)
    inside[ends - 1] = inside[ends - 2] = False
    at = np.flatnonzero(inside)
    grams = _mixed(letters[at] * np.uint32(0x9E3779B1) + letters[at + 1])
    grams = _mixed(grams * np.uint32(0x85EBCA77) + letters[at + 2])
    starts = np.concatenate([[0], np.cumsum(lengths - 2)[:-1]])
    columns = [np.minimum.reduceat(_mixed(grams ^ salt), starts) for salt in _SALTS]
    return np.stack([column.astype(np.uint8) for column in columns], 1)


def _mixed(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Each value spread over all 32 bits (Chris Wellons' `lowbias32` constants)."""
    values = values ^ (values >> np.uint32(16))
    values *= np.uint32(0x7FEB352D)
    values ^= values >> np.uint32(15)
    values *= np.uint32(0x846CA68B)
    values ^= values >> np.uint32(16)
    return values
