"""A JSON array of objects, read piece by piece: never whole, however it is indented."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, TextIO

from voicegen.dataset.readers.block import BLOCK_ROWS
from voicegen.dataset.readers.json_kinds import value_kind
from voicegen.dataset.readers.text import open_text, refuse_encoding
from voicegen.errors import InputError
from voicegen.remote import AnyPath

PIECE = 1 << 16  # characters read at once
ITEM_LIMIT = 64 * 2**20  # characters: a longer item is a quote that was never closed
_TAIL = 16  # characters: an error this near to the end may be of what is not read yet
_BLANK = " \t\r\n"


def array_rows(path: AnyPath, start: int) -> Iterator[list[dict[str, Any]]]:
    """Yields the array's objects from row `start` on, in blocks.

    Raises:
        InputError: An item cannot be read; says which, in which line, and what to do.
    """
    try:
        with open_text(path) as stream:
            items = islice(_Array(path, stream).items(), start, None)
            while rows := list(islice(items, BLOCK_ROWS)):
                yield rows
    except UnicodeDecodeError as error:
        raise refuse_encoding(path) from error


class _Array:
    def __init__(self, path: AnyPath, stream: TextIO) -> None:
        self._path = path
        self._stream = stream
        self._decode = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0  # in `_text`
        self._over = False  # all is read
        self._row = 0  # of the item in hand, from 1
        self._lines = 0  # before `_text`

    def items(self) -> Iterator[dict[str, Any]]:
        """Each item; at the end nothing may be left but blanks."""
        self._sign()  # the bracket that told that it is an array
        self._at += 1
        if self._sign() != "]":
            yield self._item()
            while (sign := self._sign()) == ",":
                self._at += 1
                yield self._item()
            if sign != "]":
                raise self._refuse("is followed by no comma: put one between two objects, and ] after the last")
        self._at += 1
        if self._sign():
            raise self._refuse("is the last of the array, and more follows: put all objects into one array")

    def _item(self) -> dict[str, Any]:
        self._row += 1
        self._sign()
        while True:
            try:
                value, self._at = self._decode(self._text, self._at)
            except RecursionError:
                raise self._refuse("is nested too deeply: flatten it") from None
            except json.JSONDecodeError as error:
                if not self._may_go_on(error):
                    cut = self._over and error.pos >= len(self._text) - _TAIL
                    remedy = "the file is cut short: get the whole file" if cut else "write JSON objects"
                    raise self._refuse(f"is not JSON ({error.msg}): {remedy}") from None
                self._read()
                continue
            if not isinstance(value, dict):
                raise self._refuse(f'holds {value_kind(value)}, not an object such as {{"question": "..."}}')
            return value

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        """Whether the item is right as far as it is read."""
        if self._over or len(self._text) - self._at > ITEM_LIMIT:
            return False
        return error.pos >= len(self._text) - _TAIL or error.msg.startswith("Unterminated string")

    def _sign(self) -> str:
        """The next character that is not blank, where it then stands; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if self._over:
                return ""
            self._read()

    def _read(self) -> None:
        """Adds as much as is left of `_text`, so that a long item is not looked through too often."""
        self._lines += self._text.count("\n", 0, self._at)
        left = self._text[self._at :]
        piece = self._stream.read(max(PIECE, len(left)))
        self._text, self._at, self._over = left + piece, 0, not piece

    def _refuse(self, what: str) -> InputError:
        line = self._lines + self._text.count("\n", 0, self._at) + 1
        return InputError(f"{self._path}: row {self._row} (line {line}) {what}.")
