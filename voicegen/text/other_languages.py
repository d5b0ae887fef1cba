"""Numbers, dates, money, measures and abbreviations of languages other than English, in words by spokenform.

Measured against num2words, which knows numbers alone, and neither dates nor units nor what makes a number one of them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from voicegen.text.languages import family
from voicegen.text.split import split_sentences

_DIGIT: Final = re.compile(r"\d")
_ORDINAL: Final = re.compile(r"\d\.$")  # may be one, as in "am 3. Mai", and no end
_WITHOUT_SPACES: Final = ("zh", "yue", "ja", "th", "lo", "km", "my")  # it finds a number only as a word of its own
_LONGEST: Final = 400  # characters of a sentence: the library's time grows with the square of them


def in_words(text: str, language: str) -> str:
    """One line of plain text with its numbers in words; as it is where the language's are not known.

    A sentence without a digit stays as it is, and so does one that is no sentence by its length, or holds a number
    beyond the library's.
    """
    if not _DIGIT.search(text) or not knows_numbers(language):
        return text
    pieces = []
    place = 0
    for sentence in split_sentences(text):
        end = text.index(sentence, place) + len(sentence)
        if not _ORDINAL.search(sentence):
            pieces.append(_said(text[place:end], language))
            place = end
    return "".join([*pieces, _said(text[place:], language)])


def _said(sentence: str, language: str) -> str:
    from spokenform import prepare

    if len(sentence) > _LONGEST or not _DIGIT.search(sentence):
        return sentence
    try:
        said = " ".join(prepare(sentence.strip(), language=language, use_spacy=False).spoken_text.split())
    except ValueError:  # a number larger than it has words for
        return sentence
    space = " " if sentence[0].isspace() else ""
    return space + said if said else sentence


@cache
def knows_numbers(language: str) -> bool:
    """Whether numbers of the language, a code such as `de` or `pt-BR`, are put in words."""
    from spokenform import prepare

    if family(language) in _WITHOUT_SPACES:
        return False
    try:
        return not _DIGIT.search(prepare("21", language=language, use_spacy=False).spoken_text)
    except ValueError:  # a language that it has not heard of
        return False
