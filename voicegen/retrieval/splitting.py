"""A document as passages: cut where its structure allows, as long as a sentence model reads whole, overlapping.

The cuts are those of semantic-text-splitter: at headings, blocks, sentences, words, the highest of them that fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from voicegen.errors import ConfigError
from voicegen.retrieval.documents import Document, Part

_MOST_ABOVE: Final = 160  # characters of headings above a passage
_LONG_WORD: Final = re.compile(r"\S{2000}")
"""What no word is: encoded data, a list without spaces. The splitter reads such a thing whole for each cut in it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage of a document: `part` is the section or the pages that it is from, `embedded` what the model reads."""

    text: str
    part: str
    embedded: str


class Splitter:
    """Splits documents.

    Args:
        tokenizer: a `tokenizers.Tokenizer`, by which lengths are counted.
        tokens: of a passage, at the most.
        overlap: tokens, at the most, of a passage's end that the next one begins with, where it has whole units so
            short.

    Raises:
        ConfigError: the numbers cannot be.
    """

    def __init__(self, tokenizer: Any, tokens: int, overlap: int) -> None:
        from semantic_text_splitter import MarkdownSplitter, TextSplitter

        if tokens < 16 or not 0 <= overlap < tokens:
            raise ConfigError(
                f"passages of {tokens} tokens that overlap by {overlap}: give 16 tokens or more, and an overlap below"
            )
        self._plain = TextSplitter.from_huggingface_tokenizer(tokenizer, tokens, overlap=overlap)
        self._markdown = MarkdownSplitter.from_huggingface_tokenizer(tokenizer, tokens, overlap=overlap)

    def split(self, document: Document) -> Iterator[Piece]:
        """The passages of a document, in order; none of one that holds no words."""
        splitter = self._markdown if document.is_markdown else self._plain
        cuts = [word.end() for word in _LONG_WORD.finditer(document.text)]
        for begin, end in pairwise([0, *cuts, len(document.text)]):
            for after, text in splitter.chunk_indices(document.text[begin:end]):
                if re.search(r"\w", text):
                    start = begin + after
                    part = document.part_at(start)
                    yield Piece(text, document.name_of(start, start + len(text)), _embedded(text, part))


def _embedded(text: str, part: Part | None) -> str:
    """The passage under the headings that it does not begin with itself: a part of a text says less than its place."""
    if part is None or not part.is_section or text.startswith("#"):
        own = part.name.rpartition(" > ")[0] if part is not None and part.is_section else ""
    else:
        own = part.name
    return f"{own[-_MOST_ABOVE:]}\n{text}" if own else text
