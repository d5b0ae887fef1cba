"""Tokens to text, one token at a time. Knows nothing about chat formats."""

from __future__ import annotations

from typing import Any

_REPLACEMENT = "\ufffd"
_MOST_PIECES = 8  # a UTF-8 character spans at most 4 byte tokens; more pending than this is no character at all


class IncrementalDecoder:
    """Decodes a stream of tokens so that the pieces join to the text of the whole.

    A character whose bytes are spread over tokens is held until it is whole. Each piece is the difference
    between two decodings that start one piece earlier, so that tokenizers which treat the start of a text in a special
    way (SentencePiece drops its leading space) see no start in the middle.

    The package tokenizers has a `DecodeStream`, but it stops with an error where a byte token changes what the bytes
    before it were, and it knows no tokenizer that a model brings as Python code.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.reset()

    def reset(self) -> None:
        """Forgets what came before: the next token starts a new text."""
        self._tokens: list[int] = []
        self._context_tokens = 0  # how many of `_tokens` are only there as the context of the rest
        self._emitted = ""  # what is out already of the text of `_tokens`

    def add(self, token: int) -> str:
        """The text that `token` completes; empty while a character is incomplete."""
        self._tokens.append(token)
        text = self._decode(self._tokens)
        if text.endswith(_REPLACEMENT):
            pending = len(self._tokens) - self._context_tokens
            return self._emit(text.rstrip(_REPLACEMENT)) if pending < _MOST_PIECES else self._give_up_the_oldest()
        piece = self._emit(text)
        self._tokens = self._tokens[self._context_tokens :]
        self._context_tokens = len(self._tokens)
        self._emitted = self._decode(self._tokens)
        return piece

    def flush(self) -> str:
        """What is still held but for a character that was cut; starts a new text."""
        return self._take_rest().rstrip(_REPLACEMENT)

    def _take_rest(self) -> str:
        rest = self._emit(self._decode(self._tokens))
        self.reset()
        return rest

    def _give_up_the_oldest(self) -> str:
        """Bytes that never became a character are out; only the last three may still begin one."""
        self._tokens, rest = self._tokens[:-3], self._tokens[-3:]
        given_up = self._take_rest()
        self._tokens = rest
        return given_up + self._emit(self._decode(rest).rstrip(_REPLACEMENT))

    def _emit(self, text: str) -> str:
        piece, self._emitted = text[len(self._emitted) :], text
        return piece

    def _decode(self, tokens: list[int]) -> str:
        if not tokens:
            return ""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text
