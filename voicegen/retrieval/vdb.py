"""The passages that are nearest to a question: exact search, by one product of all vectors and the question's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from voicegen.errors import ConfigError, InputError
from voicegen.files import given_path
from voicegen.model_files import find_model
from voicegen.records import Passage
from voicegen.retrieval.coarse import is_quick
from voicegen.retrieval.index_file import Index
from voicegen.text.well_formed import well_formed

if TYPE_CHECKING:
    from voicegen.retrieval.sentence_model import SentenceModel

_SCORES_AT_ONCE: Final = 1 << 26  # of all questions of one product: 256 MB
_AS_NEAR: Final = 1e-5  # scores that differ by less are the same


class VectorDB:
    """An index of documents, to be asked.

    Attributes:
        index: what it holds.
    """

    def __init__(self, path: str | PathLike[str], model: str | Path | None = None) -> None:
        """Opens an index that `voicegen index` made; its sentence model is loaded with the first question.

        Args:
            path: the file.
            model: where the model is now that the index was made with, where that has moved.

        Raises:
            InputError: there is no such index, or it is damaged.
        """
        self._path = given_path("path", path)
        self.index = Index.read(self._path)
        self._model_name = str(model) if model is not None else self.index.making.model

    def __len__(self) -> int:
        """How many passages it has."""
        return len(self.index)

    def query(self, question: str, k: int = 5) -> list[dict[str, Any]]:
        """The `k` passages nearest to a question, or all where there are fewer, the nearest first.

        Returns:
            Rows with `text`, `score` (cosine, 1 is the same), `source` (file, and section or page) and `id`.

        Raises:
            ConfigError: the question is no text, or `k` no whole number from 1 on.
            InputError: the index was made with another model, or with another revision of it.
            MissingDependency: the model's wheel is not installed.
            ModelError: the model cannot be found or loaded.
        """
        return [
            {"text": passage.text, "score": passage.score, "source": passage.source, "id": passage.id}
            for passage in self.find([question], k)[0]
        ]

    def find(self, questions: Sequence[str], k: int = 5) -> list[list[Passage]]:
        """As `query`, for many questions, embedded and multiplied together."""
        if not isinstance(k, int) or isinstance(k, bool) or k < 1:
            raise ConfigError(f"k is {k!r}: give how many passages, a whole number from 1 on")
        for question in questions:
            if not isinstance(question, str) or not question.strip():
                raise ConfigError(f"{question!r} is no question: give its text")
        if not questions:
            return []
        return [
            [self._passage(int(place), float(score)) for place, score in zip(places, scores, strict=True)]
            for places, scores in self.nearest(self.model.embed([*map(well_formed, questions)], "query"), k)
        ]

    def nearest(self, vectors: NDArray[np.float32], k: int) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """For each of vectors (B, D) of length 1 the places of the `k` nearest passages and their scores, best first.

        Of two that are as near the first comes first.
        """
        if len(vectors) == 1 and self.index.coarse is not None and k < len(self) and is_quick(vectors.shape[1]):
            places = self.index.coarse.candidates(vectors[0], k)
            among, nearest = _best(self.index.vectors[places] @ vectors[0], k)
            return [(places[among], nearest)]
        found = []
        at_once = max(1, _SCORES_AT_ONCE // max(1, len(self)))
        for start in range(0, len(vectors), at_once):
            some = vectors[start : start + at_once]
            scores = (self.index.vectors @ some.T).T if len(some) > 1 else [self.index.vectors @ some[0]]
            found += [_best(row, k) for row in scores]
        return found

    def look(self) -> None:
        """Refuses what can be seen to fail before the model is loaded; finds its files, and fetches what is not here.

        Raises:
            MissingDependency: its wheel is not installed.
            ModelError: it cannot be found.
        """
        find_model(self._model_name, revision=self._revision)

    @property
    def _revision(self) -> str | None:
        making = self.index.making
        return making.revision if self._model_name == making.model else None

    @cached_property
    def model(self) -> SentenceModel:
        """The sentence model, loaded."""
        from voicegen.retrieval.sentence_model import SentenceModel

        making = self.index.making
        model = SentenceModel.load(self._model_name, self._revision)
        if model.info.revision != making.revision:
            raise InputError(
                f"{self._path} was made with {making.model} ({making.revision}), and this is {model.info.id} "
                f"({model.info.revision}): make it again with `voicegen index`"
            )
        return model

    def _passage(self, place: int, score: float) -> Passage:
        index = self.index
        return Passage(index.id(place), index.texts[place], index.sources[place], round(score, 4))


def _best(scores: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ranked by rounded scores, so that the rounding of a product, which its size decides, changes no order."""
    if k < len(scores):
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        places = np.flatnonzero(scores >= least - _AS_NEAR)
    else:
        places = np.arange(len(scores))
    places = places[np.argsort(-np.round(scores[places] / _AS_NEAR), kind="stable")][:k]
    return places, scores[places]
