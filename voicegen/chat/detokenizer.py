"""Tokens to text, one token at a time. Knows nothing about chat formats."""

from __future__ import annotations

from typing import Any

_REPLACEMENT = "\ufffd"
_MOST_PIECES = 8  # a UTF-8 character spans at most 4 byte tokens; more pending than this is no character at all


class IncrementalDecoder:
    """Decodes a stream of tokens so that the pieces join to the text of the whole.

    A token that ends within a multi-byte character is held until the character is whole. Each piece is the difference
    between two decodings that start one piece earlier, so that tokenizers which treat the start of a text in a special
    way (SentencePiece drops its leading space) see no start in the middle.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.reset()

    def reset(self) -> None:
        """Forgets what came before: the next token starts a new text."""
        self._tokens: list[int] = []
        self._emitted = 0  # how many of `_tokens` are out already; they are the context of the rest
        self._context = ""

    def add(self, token: int) -> str:
        """The text that `token` completes; empty while a character is incomplete."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        pending = len(self._tokens) - self._emitted
        if text.endswith(_REPLACEMENT) and pending < _MOST_PIECES:
            return ""
        return self._emit(text)

    def flush(self) -> str:
        """What is still held, with incomplete characters replaced by U+FFFD; starts a new text."""
        text = self._decode(self._tokens)[len(self._context) :] if len(self._tokens) > self._emitted else ""
        self.reset()
        return text

    def _emit(self, text: str) -> str:
        piece = text[len(self._context) :]
        self._tokens = self._tokens[self._emitted :]
        self._emitted = len(self._tokens)
        self._context = self._decode(self._tokens)
        return piece

    def _decode(self, tokens: list[int]) -> str:
        if not tokens:
            return ""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text
