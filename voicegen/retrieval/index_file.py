"""An index on disk: passages, their vectors, and of which documents and by which model they were made.

One .npz (`arrays`): `vectors` (P, D) float32 of length 1; `document` (P,), each passage's; texts and sources as UTF-8,
end to end; `about`, JSON; of a large one also `coarse`. Version 1. Texts are read one by one, so that an index larger
than the memory can be asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import InputError
from voicegen.files import telling_of_reading
from voicegen.retrieval.arrays import Arrays, map_arrays, write_arrays
from voicegen.retrieval.coarse import LARGE, Coarse

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """A file that was read: its path below the folder, with forward slashes, and its content's SHA-256."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Making:
    """What decides, of the same document, which passages and vectors it has."""

    model: str
    revision: str | None
    tokens: int
    overlap: int


@dataclass(frozen=True, eq=False, slots=True)
class Texts:
    """Many texts as one array of bytes."""

    data: NDArray[np.uint8]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """These texts."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        ends = np.cumsum([len(one) for one in encoded], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, place: int) -> str:
        start = int(self.ends[place - 1]) if place else 0
        return self.data[start : int(self.ends[place])].tobytes().decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return (self[place] for place in range(len(self)))


@dataclass(frozen=True, eq=False, slots=True)
class Index:
    """An index: passage `n` is `texts[n]`, from `sources[n]`, a part of `documents[document[n]]`.

    A document's passages are neighbours, in their order; a document may have none.
    """

    making: Making
    documents: tuple[IndexedDocument, ...]
    document: NDArray[np.int32]  # (P,), never falling
    vectors: NDArray[np.float32]  # (P, D)
    texts: Texts
    sources: Texts
    coarse: Coarse | None = None  # of a large one that was written

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def identity(self) -> str:
        """Twelve hex digits that change where documents, model or splitting do, and not where the file is made anew."""
        said = [VERSION, asdict(self.making), [asdict(document) for document in self.documents]]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]

    def id(self, place: int) -> str:
        """The name of a passage: its document's path and its number there, from 1."""
        document = int(self.document[place])
        first = int(np.searchsorted(self.document, document))
        return f"{self.documents[document].path}#{place - first + 1}"

    def passages_of(self, document: int) -> slice:
        """Where a document's passages are."""
        return slice(*(int(place) for place in np.searchsorted(self.document, [document, document + 1])))

    def write(self, path: Path) -> None:
        """Writes it; the file is there whole or as it was before.

        Raises:
            OutputError: the folder cannot be written or the disk is full.
        """
        about = {
            "version": VERSION,
            "making": asdict(self.making),
            "documents": [[document.path, document.sha256] for document in self.documents],
        }
        arrays: Arrays = {
            "vectors": self.vectors,
            "document": self.document,
            "texts": self.texts.data,
            "text_ends": self.texts.ends,
            "sources": self.sources.data,
            "source_ends": self.sources.ends,
            "about": np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), np.uint8),
        }
        if len(self) >= LARGE:
            coarse = Coarse.of(self.vectors)
            arrays = {
                **arrays,
                "coarse": coarse.numbers,
                "coarse_scales": coarse.scales,
                "coarse_error": np.array([coarse.error]),
            }
        write_arrays(path, arrays)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Opens an index; its arrays stay on the disk until they are used.

        Raises:
            InputError: there is none, or it is damaged or another file.
        """
        if not path.is_file():
            raise InputError(f"there is no index {path}: make it with `voicegen index FOLDER --to {path}`")
        with telling_of_reading(path):
            try:
                return cls._of(map_arrays(path))
            except (ValueError, KeyError, TypeError) as error:
                told = f"{path} is no index of voicegen, or a damaged one ({str(error) or type(error).__name__})"
                raise InputError(f"{told}: remove it and make it with `voicegen index FOLDER --to {path}`") from None

    @classmethod
    def _of(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        about = json.loads(arrays["about"].tobytes())
        if about["version"] != VERSION:
            raise ValueError(f"of version {about['version']}, and {VERSION} is read")
        texts, sources = (
            Texts(_of_type(arrays[name], np.uint8, 1), _of_type(arrays[ends], np.int64, 1))
            for name, ends in (("texts", "text_ends"), ("sources", "source_ends"))
        )
        index = cls(
            Making(**about["making"]),
            tuple(IndexedDocument(str(name), str(sha256)) for name, sha256 in about["documents"]),
            _of_type(arrays["document"], np.int32, 1),
            _of_type(arrays["vectors"], np.float32, 2),
            texts,
            sources,
            _coarse(arrays),
        )
        index._check()
        return index

    def _check(self) -> None:
        if self.coarse is not None and self.coarse.numbers.shape != self.vectors.shape:
            raise ValueError("its coarse vectors are not those of its vectors")
        if not len(self) == len(self.document) == len(self.texts) == len(self.sources):
            raise ValueError("its arrays differ in length")
        for texts in (self.texts, self.sources):
            ends = np.concatenate(([0], texts.ends))
            if np.any(np.diff(ends) < 0) or ends[-1] != len(texts.data):
                raise ValueError("its texts do not end where they should")
        places = np.concatenate(([0], self.document, [len(self.documents) - 1]))
        if len(self) and np.any(np.diff(places) < 0):
            raise ValueError("its passages are not in the order of its documents")


def _coarse(arrays: Arrays) -> Coarse | None:
    if "coarse" not in arrays:
        return None
    numbers, scales = _of_type(arrays["coarse"], np.int8, 2), _of_type(arrays["coarse_scales"], np.float32, 1)
    if len(numbers) != len(scales):
        raise ValueError("its coarse vectors and their scales differ in length")
    return Coarse(numbers, scales, float(_of_type(arrays["coarse_error"], np.float64, 1)[0]))


def _of_type(array: NDArray[Any], kind: type[np.generic], dimensions: int) -> NDArray[Any]:
    if array.dtype != kind or array.ndim != dimensions:
        raise ValueError(f"an array of {array.dtype} in {array.ndim} dimensions where {np.dtype(kind)} should be")
    return array
