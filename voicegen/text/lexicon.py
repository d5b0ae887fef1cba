"""A lexicon: how words are to be written for the voice, so that it says them right; the user's own, or ours."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final

from voicegen.errors import InputError

_WORD: Final = re.compile(r"\w+")
_HEADER: Final = ("word", "respelling")


@dataclass(frozen=True)
class Lexicon:
    """Words and what takes their place, in a spoken form.

    Attributes:
        respellings: by word, as pairs. A word is found as it is written here, capitals and all, where no letter or
            digit is beside it; of two words that begin at the same place, the longer one.
    """

    respellings: tuple[tuple[str, str], ...]

    def apply(self, text: str) -> str:
        """The text with each word of the lexicon written as the voice is to have it."""
        if self._first_words.isdisjoint(_WORD.findall(text)):
            return text
        return self._words.sub(lambda word: self._by_word[word[0]], text)

    def over(self, other: Lexicon) -> Lexicon:
        """This lexicon, and what is in `other` alone."""
        return Lexicon(tuple({**other._by_word, **self._by_word}.items()))

    @property
    def sha256(self) -> str:
        """Of what is in it, in any order, in hex."""
        return sha256(repr(sorted(self.respellings)).encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def _by_word(self) -> dict[str, str]:
        return dict(self.respellings)

    @cached_property
    def _first_words(self) -> frozenset[str]:
        """A text with none of these holds no word of the lexicon."""
        return frozenset(word for written in self._by_word for word in _WORD.findall(written)[:1])

    @cached_property
    def _words(self) -> re.Pattern[str]:
        longest_first = sorted(self._by_word, key=len, reverse=True)
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")


def read_lexicon(path: Path) -> Lexicon:
    """Reads `WORD: RESPELLING` from YAML (.yaml, .yml), or `WORD,RESPELLING` from CSV, with or without that header.

    Raises:
        InputError: the file cannot be read or is of another kind, a line is no pair, a word comes twice, or there is
            none; names the file and the line.
    """
    if path.suffix.lower() not in (".yaml", ".yml", ".csv"):
        raise InputError(f"{path}: a lexicon is a .yaml file of WORD: RESPELLING, or a .csv file of WORD,RESPELLING")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: the lexicon cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: the lexicon is not UTF-8 text: save it as UTF-8") from None
    pairs = _of_csv(path, text) if path.suffix.lower() == ".csv" else _of_yaml(path, text)
    found: dict[str, tuple[str, int]] = {}
    for line, word, respelling in pairs:
        if not word or not respelling:
            raise InputError(f"{path}, line {line}: a word and its respelling are needed; one of them is empty")
        if word in found:
            raise InputError(f"{path}, line {line}: {word!r} is in line {found[word][1]} too: take one of them out")
        found[word] = respelling, line
    if not found:
        raise InputError(f"{path}: there is no word in the lexicon")
    return Lexicon(tuple((word, respelling) for word, (respelling, _) in found.items()))


def _of_csv(path: Path, text: str) -> Iterator[tuple[int, str, str]]:
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        for cells in reader:
            line = reader.line_num
            if not cells or (line == 1 and tuple(cells) == _HEADER):
                continue
            if len(cells) != len(_HEADER):
                cells_found = f"{len(cells)} cell{'' if len(cells) == 1 else 's'}"
                raise InputError(f"{path}, line {line}: {cells_found} where two are needed: WORD,RESPELLING")
            yield line, cells[0].strip(), cells[1].strip()
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from None


def _of_yaml(path: Path, text: str) -> Iterator[tuple[int, str, str]]:
    """By the nodes, which know their lines, and in which `no` is a word."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{where}: not YAML: {error.problem}; put quotes around words with signs") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise InputError(f"{path}, line {root.start_mark.line + 1}: a lexicon has lines WORD: RESPELLING")
    for word, respelling in root.value:
        line = word.start_mark.line + 1
        if not isinstance(word, yaml.ScalarNode) or not isinstance(respelling, yaml.ScalarNode):
            raise InputError(f"{path}, line {line}: a lexicon has lines WORD: RESPELLING")
        yield line, word.value.strip(), respelling.value.strip()
