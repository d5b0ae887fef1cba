"""Which texts are the same, and which nearly so, found among many in a few bytes of memory each.

Same: equal but for case, spacing and the punctuation of sentences (`plain`). Nearly so: the sets of their trigrams of
characters have a Jaccard similarity of about `NEAR` or more, as their MinHash sketches estimate it (Broder, "On the
resemblance and containment of documents", 1997). Only texts that agree in a whole band of their sketches are compared
(Indyk and Motwani, 1998). `tests/bench/near_duplicates.py` says how many pairs of which true similarity that finds. It
depends on the texts alone, on every machine.
"""

from __future__ import annotations

import re
import tempfile
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from voicegen.text.longest import LONGEST_TEXT, too_long

NEAR: Final = 0.8
"""Texts of this similarity or more are near duplicates."""

_BANDS: Final = 21
_BAND: Final = 6  # hashes in a band
_HASHES: Final = _BANDS * _BAND
_BLOCK: Final = 2048  # texts compared together
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

    It keeps 16 bytes a text in memory, and its sketch of 126 in a temporary file; looking for pairs takes some 60 more.
    """

    def __init__(self) -> None:
        self._places = array("q")
        self._keys = array("Q")
        self._sketches = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this does

    def add(self, places: Sequence[int], texts: Sequence[str]) -> None:
        """Takes texts, each at a place of its own."""
        plains = [plain(text) for text in texts]
        self._places.extend(places)
        self._keys.extend(map(text_key, plains))
        for some in _portions([text[:LONGEST_TEXT] for text in plains]):
            self._sketches.write(_sketches(some).tobytes())

    def pairs(self) -> Iterator[Pairs]:
        """Pairs of like texts in the order of `later`, a block at a time.

        A text that was there before has one pair, with the first of its like; a new one a pair with each text near to
        it that is the first, or the last before it, of those that agree with it in a band.
        """
        arrival = np.argsort(np.array(self._places, np.int64), kind="stable")
        places = np.array(self._places, np.int64)[arrival]
        firsts = _firsts(np.array(self._keys, np.uint64)[arrival])
        new = np.flatnonzero(firsts == np.arange(len(firsts)))
        with tempfile.TemporaryFile() as file:
            for band in self._bands(arrival[new]):
                file.writelines(new[beside].astype(np.uint32).tobytes() for beside in _agreeing(band))
            beside = _mapped(file, np.uint32, (2 * _BANDS, len(new)))
            sketches = _mapped(self._sketches, np.uint8, (len(arrival), _HASHES))
            for start in range(0, len(firsts), _BLOCK):
                block = np.arange(start, min(start + _BLOCK, len(firsts)))
                again = block[firsts[block] != block]
                of_new = slice(*np.searchsorted(new, [start, start + _BLOCK]))
                later, earlier = _apart(new[of_new], beside[:, of_new])
                similarity = _similarity(sketches, arrival[later], arrival[earlier])
                near = similarity >= NEAR
                later, earlier = np.concatenate([again, later[near]]), np.concatenate([firsts[again], earlier[near]])
                similarity = np.concatenate([np.ones(len(again), np.float32), similarity[near]])
                order = np.lexsort((earlier, later))
                yield Pairs(places[later[order]], places[earlier[order]], similarity[order])

    def _bands(self, rows: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Each band (N, 6) of the sketches in these rows of the file."""
        sketches = _mapped(self._sketches, np.uint8, (len(self._keys), _HASHES))
        for band in range(0, _HASHES, _BAND):
            yield sketches[:, band : band + _BAND][rows]


def text_key(text: str) -> int:
    """64 bits that tell one text from another, the same on every machine."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _firsts(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each key, where it comes first."""
    order = np.argsort(keys, kind="stable")
    starts = _starts(keys[order])
    firsts = np.empty(len(keys), np.int64)
    firsts[order] = order[starts]
    return firsts


def _starts(ordered: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each place among ordered keys, the first place with its key."""
    new = np.ones(len(ordered), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    return np.maximum.accumulate(np.where(new, np.arange(len(ordered)), 0))


def _agreeing(band: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each row of a band (N, 6) the first that agrees with it, and the last before it that does; else itself."""
    keys = np.zeros(len(band), np.uint64)
    for column in band.T:
        keys = keys << np.uint64(8) | column
    order = np.argsort(keys, kind="stable")
    starts = _starts(keys[order])
    first, last = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
    first[order] = order[starts]
    last[order] = order[np.maximum(np.arange(len(keys)) - 1, starts)]
    return first, last


def _apart(rows: NDArray[np.int64], beside: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs, each once, of rows with those beside them (bands, N) that are not themselves."""
    other = beside != rows
    later = np.broadcast_to(rows, beside.shape)[other].astype(np.uint64)
    packed = np.unique(later << np.uint64(32) | beside[other])
    return (packed >> np.uint64(32)).astype(np.int64), (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _similarity(sketches: NDArray[np.uint8], ones: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float32]:
    """The Jaccard similarity as estimated: the share of hashes that agree, less those that do by chance."""
    share = (sketches[ones] == sketches[others]).mean(axis=1, dtype=np.float32)
    similarity: NDArray[np.float32] = np.maximum((share - 1 / 256) / (1 - 1 / 256), 0).astype(np.float32)
    return similarity


def _mapped(file: IO[bytes], type: Any, shape: tuple[int, int]) -> NDArray[Any]:
    """A file's content as an array that is read where it is looked at."""
    file.flush()
    return np.memmap(file, type, "r", shape=shape) if shape[0] * shape[1] else np.empty(shape, type)


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
