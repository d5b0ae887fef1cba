"""Makes an index of a folder, or brings one up to date: what has not changed since is not embedded again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import InputError
from voicegen.retrieval.documents import document_files, read_document
from voicegen.retrieval.index_file import Index, IndexedDocument, Making, Texts
from voicegen.retrieval.splitting import Piece, Splitter
from voicegen.text.well_formed import well_formed

if TYPE_CHECKING:
    from voicegen.retrieval.sentence_model import SentenceModel

SAVED_EVERY: Final = 300.0  # seconds: of a long indexing, so that a stop loses no more
_EMBEDDED_TOGETHER: Final = 256  # passages, or as many as a document has


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that is left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Indexed:
    """What an indexing did: how many documents it found new, changed, gone and as they were, and what it left out."""

    index: Index
    new: int
    changed: int
    gone: int
    kept: int
    unread: tuple[Unread, ...]


@dataclass(frozen=True, eq=False, slots=True)
class _Passages:
    """A document with its passages."""

    document: IndexedDocument
    texts: Sequence[str]
    sources: Sequence[str]
    vectors: NDArray[np.float32]

    @classmethod
    def of(cls, index: Index, place: int) -> Self:
        """Those that an index has of one of its documents."""
        span = index.passages_of(place)
        texts, sources = ([whole[n] for n in range(span.start, span.stop)] for whole in (index.texts, index.sources))
        return cls(index.documents[place], texts, sources, index.vectors[span])


def index_folder(
    folder: Path,
    to: Path,
    model: SentenceModel,
    name: str,
    *,
    tokens: int,
    overlap: int,
    progress: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> Indexed:
    """Writes the index of all documents of a folder; what is there already of a document as it is now is kept.

    Args:
        folder: is searched with all folders in it.
        to: the index's file, which may be there.
        model: embeds.
        name: by which the model is found again.
        tokens: of a passage, at the most.
        overlap: tokens that neighbours share, at the most.
        progress: gives on the files that are new or changed, and may say how far it is.

    Raises:
        ConfigError: `tokens` and `overlap` cannot be.
        InputError: there is no such folder, nothing in it can be read, or `to` is another file.
        OutputError: the index cannot be written.
    """
    making = Making(name, model.info.revision, tokens, overlap)
    earlier = _Earlier(Index.read(to) if to.exists() else None, making)
    splitter = Splitter(model.tokenizer, tokens, overlap)
    growing = _Growing(making, model)
    unread: list[Unread] = []
    changed: list[Path] = []
    for path in document_files(folder):  # first what is kept, so that a stop later loses nothing of it
        with _left_out(path, folder, unread):
            kept = earlier.passages(_document(path, folder, path.read_bytes()))
            growing.done += [] if kept is None else [kept]
            changed += [path] if kept is None else []
    saved = time.monotonic()
    for path in progress(changed):
        with _left_out(path, folder, unread):
            content = path.read_bytes()
            growing.add(_document(path, folder, content), _pieces(content, path.suffix, splitter))
        if time.monotonic() - saved > SAVED_EVERY and growing.done:
            growing.index().write(to)
            saved = time.monotonic()
    growing.embed()
    if not growing.done:
        raise InputError(f"{folder} holds no document with text: give a folder of .txt, .md, .html or .pdf files")
    index = growing.index()
    if earlier.index is None or earlier.index.identity != index.identity:
        index.write(to)
    return earlier.compared(index, unread)


class _Earlier:
    """What there is of an earlier indexing."""

    def __init__(self, index: Index | None, making: Making) -> None:
        self.index = index
        usable = index is not None and index.making == making
        self._places = {document: place for place, document in enumerate(index.documents)} if index and usable else {}

    def passages(self, document: IndexedDocument) -> _Passages | None:
        """Those of a document, if it is what it was and would be made into the same."""
        place = self._places.get(document)
        return None if place is None or self.index is None else _Passages.of(self.index, place)

    def compared(self, index: Index, unread: Sequence[Unread]) -> Indexed:
        """What the new index has more and less."""
        was = {document.path for document in self.index.documents} if self.index else set()
        now = {document.path for document in index.documents}
        kept = sum(document in self._places for document in index.documents)
        return Indexed(index, len(now - was), len(now & was) - kept, len(was - now), kept, tuple(unread))


class _Growing:
    """An index that is being made; passages of several documents are embedded together.

    Attributes:
        done: the documents that are embedded.
    """

    def __init__(self, making: Making, model: SentenceModel) -> None:
        self._making = making
        self._model = model
        self._waiting: list[tuple[IndexedDocument, Sequence[Piece]]] = []
        self.done: list[_Passages] = []

    def add(self, document: IndexedDocument, pieces: Sequence[Piece]) -> None:
        """Takes in a document that is to be embedded, now or with those that follow."""
        self._waiting.append((document, pieces))
        if sum(len(waiting) for _, waiting in self._waiting) >= _EMBEDDED_TOGETHER:
            self.embed()

    def embed(self) -> None:
        """Embeds all that waits."""
        pieces = [piece for _, waiting in self._waiting for piece in waiting]
        vectors = iter(self._model.embed([piece.embedded for piece in pieces], "document"))
        for document, own in self._waiting:
            texts, sources = [piece.text for piece in own], list(_sources(document, own))
            self.done.append(_Passages(document, texts, sources, np.stack([next(vectors) for _ in own])))
        self._waiting.clear()

    def index(self) -> Index:
        """The index of what is embedded, its documents in the order of their paths."""
        done = sorted(self.done, key=lambda one: one.document.path)
        return Index(
            self._making,
            tuple(one.document for one in done),
            np.repeat(np.arange(len(done), dtype=np.int32), [len(one.texts) for one in done]),
            np.concatenate([one.vectors for one in done]),
            Texts.of([text for one in done for text in one.texts]),
            Texts.of([source for one in done for source in one.sources]),
        )


def _document(path: Path, folder: Path, content: bytes) -> IndexedDocument:
    return IndexedDocument(_name(path, folder), sha256(content).hexdigest())


def _name(path: Path, folder: Path) -> str:
    """What a file is called, also where its name is no UTF-8."""
    return well_formed(path.relative_to(folder).as_posix())


@contextmanager
def _left_out(path: Path, folder: Path, unread: list[Unread]) -> Iterator[None]:
    """Takes down that the file which the block reads cannot be read."""
    try:
        yield
    except (OSError, InputError) as error:
        unread.append(Unread(_name(path, folder), getattr(error, "strerror", None) or str(error)))


def _pieces(content: bytes, suffix: str, splitter: Splitter) -> Sequence[Piece]:
    pieces = list(splitter.split(read_document(content, suffix)))
    if not pieces:
        raise InputError("it holds no text (a PDF of scanned pages: recognize it first)")
    return pieces


def _sources(document: IndexedDocument, pieces: Iterable[Piece]) -> Iterator[str]:
    return (f"{document.path}, {piece.part}" if piece.part else document.path for piece in pieces)
