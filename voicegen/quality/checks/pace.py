"""How long a take is for its text: too short, it left out words; too long, it babbled.

First by what people do in any language: 5.2 (Mandarin) to 7.8 syllables a second (Spanish, Japanese) in the mean, and
English 6.2 (F. Pellegrino et al., "Across-language perspective on speech information rate", Language 87, 2011), which
comes to some 6 to 11 of the units here; 192 takes of the starter voice have 6.3 to 10.9. Then by the voice's own pace.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from voicegen.quality.check import CheckSettings, CheckSpec, Measurement
from voicegen.quality.sound import sound_of
from voicegen.records import Scores, Speech

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_VOWELS = re.compile("[aeiouyæœøıаеиоуыэюяєіαεηιουω]+")  # of alphabets that write their vowels, without accents
_MARK = re.compile(r"[.,;:!?…]+(?=\s|$)|[。，、；：！？]+")
_A_HAN_LETTER: Final = 1.3  # syllables: they are said at a lesser rate, as each is one of more sounds
_A_DIGIT: Final = 2.0  # syllables, in a number that was left to the voice
_A_WORD: Final = 0.6  # syllables that the ends of words take, and those of clauses: fitted to the starter voice, whose
_A_MARK: Final = 1.4  # lengths are then within 22 percent for 98 of 100 texts, and within 34 by syllables alone
_ONSET: Final = 0.5  # seconds: a text of one word is no more regular than that
_USUAL: Final = 8.0  # syllables a second, by which the onset changes little of a longer text


class PaceSettings(CheckSettings):
    """Bounds of `speaking_rate` and `pace`."""


def _measured(take: Speech) -> Scores:
    seconds, count = sound_of(take).seconds * take.speed, beats(take.utterance.text)
    if not count or not seconds:
        return {"speaking_rate": None}
    return {"speaking_rate": round((count + _ONSET * _USUAL) / (seconds + _ONSET), 3)}


def beats(text: str) -> float:
    """About how long a spoken form is, in syllables: their number, and what words and marks of punctuation add.

    Syllables are groups of vowels, at least one a word; in writing without vowels (Chinese, Thai) each letter is one.
    """
    plain = "".join(sign for sign in unicodedata.normalize("NFD", text) if not unicodedata.combining(sign))
    words = _WORD.findall(unicodedata.normalize("NFC", plain))
    return sum(_syllables(word) + _A_WORD for word in words) + _A_MARK * len(_MARK.findall(text))


def _syllables(word: str) -> float:
    digits = sum(sign.isdigit() for sign in word)
    uncased = sum(_A_HAN_LETTER if _is_han(sign) else 1 for sign in word if _is_uncased(sign))
    spelled = sum(sign.isupper() for sign in word) if not word.isupper() else 0  # the letters of "PhDs"
    return max(len(_VOWELS.findall(word.lower())) + uncased + _A_DIGIT * digits, spelled, 1.0)


def _is_uncased(sign: str) -> bool:
    return sign.isalpha() and sign.upper() == sign.lower()


def _is_han(sign: str) -> bool:
    return "\u3400" <= sign <= "\u9fff" or sign >= "\U00020000"


SPEC: Final = CheckSpec(
    name="pace",
    settings=PaceSettings,
    measurements=(
        Measurement(
            "speaking_rate",
            "Syllables of the text a second of sound at speed 1, roughly, ends of words counted in, and a usual half "
            "second besides; null where there are none.",
            "its length does not fit its text",
        ),
        Measurement(
            "pace",
            "Length of the sound over what the text takes at the voice's own pace, which is that of its first 16 rows; "
            "null for those, and where 8 of them could not be measured.",
            "its length does not fit its text and its voice's pace",
            usual_over="speaking_rate",
        ),
    ),
    make=lambda _settings: lambda takes: list(map(_measured, takes)),
)
