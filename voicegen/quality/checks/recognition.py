"""Whether a take says its text, by a recognizer: what it hears, and what it thinks of the text's own words.

A whole-clip ratio hides a mangled part, a recognizer guesses what is missing, and it writes names as it likes. So three
things are asked: whether a place sounds otherwise than its text where the decoder finds that likelier, whether the
beginning, the end or something besides was heard, and whether some words take too little time or too much.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from voicegen.audio.resample import resample
from voicegen.bounds import Language
from voicegen.quality.check import CheckSettings, CheckSpec, Measurement
from voicegen.quality.recognizers import timing
from voicegen.quality.recognizers.files import find_recognizer
from voicegen.quality.recognizers.whisper import LONGEST, RATE, Whisper, Word
from voicegen.records import Scores, Speech
from voicegen.settings import NOT_IDENTITY, ModelName

_PARTED: Final = (18.0, 28.0)  # seconds within which a long take is parted, where it is quietest
_QUIET: Final = 0.05  # seconds over which that is
_SURE: Final = 7.0  # nats that what was heard is likelier by, where it is no other writing of what was meant
_RATHER: Final = 1.5  # likewise of the text's first and last sounds, where no word is gone: as "UDC" is than "UTC"
_HEARD_OTHERWISE: Final = 1.0  # sounds, which "thirteen" is from "thirty": less is another way to write it
_AGAIN: Final = (5, 3)  # neighbouring words, and how often a text says them
_PUT_IN: Final = 2  # words: one more may be a long one that was written as two

if TYPE_CHECKING:
    from voicegen.quality.recognizers.differences import Difference

Samples = NDArray[np.float32]


class RecognitionSettings(CheckSettings):
    """Bounds of the measurements; which recognizer, and for which language."""

    recognizer: ModelName
    language: Language
    device: Literal["auto", "cpu", "cuda"] = Field(json_schema_extra=NOT_IDENTITY)


class _Recognition:
    def __init__(self, settings: RecognitionSettings) -> None:
        self._whisper = Whisper.load(find_recognizer(settings.recognizer), settings.language, settings.device)
        self._language = settings.language

    def __call__(self, takes: Sequence[Speech]) -> list[Scores]:
        return [self._measured(take) for take in takes]

    def _measured(self, take: Speech) -> Scores:
        from voicegen.quality.recognizers.agreement import agreement
        from voicegen.quality.recognizers.differences import differences

        text = take.utterance.text
        heard, own, readings = self._listened(resample(take.samples, take.sampling_rate, RATE), text.split())
        if not readings[0]:
            return {"asr_text": heard}
        agreed = agreement(text, heard, self._language)
        differing = [differences(reading, own, self._language) for reading in readings]
        return {
            "asr_text": heard,
            "wer": agreed.wer,
            "cer": agreed.cer,
            "misheard": _most(differing, lambda one: one.sounds if one.likelier > _SURE else 0),
            "other_number": _most(differing, _as_another_number),
            "unheard_first": _most(differing, lambda one: one.lost_first if _is_lost(one) else 0),
            "words": _as_json(readings[0]),
            **({} if _says_it_again_and_again(text) else self._counted(differing, readings)),
        }

    def _counted(self, differing: Sequence[Sequence[Difference]], readings: Sequence[Sequence[Word]]) -> Scores:
        """What asks the recognizer where in the text it is: it is lost where the same is said again and again."""
        return {
            "unheard_last": _most(differing, lambda one: one.lost_last if _is_lost(one) else 0),
            "put_in": _most(differing, lambda one: one.put_in if one.words >= _PUT_IN and one.likelier > -_SURE else 0),
            "rushed": _mildest(max, (timing.rushed(reading, self._language) for reading in readings)),
            "lingering": _mildest(min, (timing.lingering(reading, self._language) for reading in readings)),
        }

    def _listened(self, samples: Samples, meant: Sequence[str]) -> tuple[str, list[Word], list[list[Word]]]:
        """What is heard, its words as forced, and those of the text: as it is, as the recognizer writes, in digits."""
        from voicegen.quality.recognizers.agreement import in_digits, parted, portions, written_as_heard

        stretches = list(_parted(samples))
        windows = [self._whisper.encode([stretch]) for _, stretch in stretches]
        heard = [parted(self._whisper.transcribe(window)[0], meant) for window in windows]
        own: list[Word] = []
        readings: list[list[Word]] = [[], [], []]
        for (start, _), window, portion, words in zip(stretches, windows, portions(meant, heard), heard, strict=True):
            as_heard = written_as_heard(portion, words, self._language)
            written = [words, portion, as_heard, in_digits(as_heard, self._language)]
            forced = {text: self._whisper.force(window, [text])[0] for text in set(map(tuple, written))}
            for reading, text in zip([own, *readings], written, strict=True):
                reading += [_later(word, start) for word in forced[tuple(text)]]
        return " ".join(word for words in heard for word in words), own, readings


def _says_it_again_and_again(text: str) -> bool:
    size, often = _AGAIN
    words = re.findall(r"[\w']+", text.lower())
    said = Counter(tuple(words[place : place + size]) for place in range(len(words) - size + 1))
    return max(said.values(), default=0) >= often


def _parted(samples: Samples) -> Iterator[tuple[float, Samples]]:
    """Stretches that fit a window, each with the second that it begins at."""
    begin = 0
    while len(samples) - begin > LONGEST * RATE:
        first, last = (begin + round(seconds * RATE) for seconds in _PARTED)
        width = round(_QUIET * RATE)
        loudness = np.convolve(np.square(samples[first:last]), np.ones(width, np.float32), "valid")
        end = first + int(np.argmin(loudness)) + width // 2
        yield begin / RATE, samples[begin:end]
        begin = end
    yield begin / RATE, samples[begin:]


def _later(word: Word, seconds: float) -> Word:
    return replace(word, start=round(word.start + seconds, 2), end=round(word.end + seconds, 2))


def _most(writings: Sequence[Sequence[Difference]], of: Callable[[Difference], float]) -> float:
    from voicegen.quality.recognizers.differences import most

    return round(most(writings, of), 2) + 0.0


def _is_lost(one: Difference) -> bool:
    return one.words < 0 or one.likelier > _RATHER


def _as_another_number(one: Difference) -> float:
    return one.likelier if one.other_number and one.sounds >= _HEARD_OTHERWISE else 0.0


def _mildest(of: Callable[[list[float]], float], values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(of(known), 3) if known else None


def _as_json(words: Sequence[Word]) -> str:
    return json.dumps([[word.text, word.start, word.end] for word in words], ensure_ascii=False)


SPEC: Final = CheckSpec(
    name="recognition",
    settings=RecognitionSettings,
    measurements=(
        Measurement("asr_text", "What a recognizer heard.", type=str),
        Measurement(
            "wer", "Words that it heard otherwise, over those of the text.", "too many words are heard otherwise"
        ),
        Measurement("cer", "Likewise letters, without spaces.", "too many letters are heard otherwise"),
        Measurement(
            "misheard",
            "Most sounds that were heard otherwise in one place, where that is likelier than the text.",
            "some of its words are not in it",
        ),
        Measurement(
            "other_number",
            "Nats by which another number is likelier than that of the text, where one was heard.",
            "another number is said",
        ),
        Measurement(
            "unheard_first", "Sounds that the text begins with and that were not heard.", "its first word is cut"
        ),
        Measurement("unheard_last", "Sounds that the text ends with and that were not heard.", "its last word is cut"),
        Measurement("put_in", "Most sounds that were heard besides, of two words and more.", "words are put in"),
        Measurement(
            "rushed",
            "The least time that three neighbouring words take, over what the take's pace gives them.",
            "words are missing",
        ),
        Measurement(
            "lingering",
            "The most seconds that two neighbouring words take beyond that.",
            "something else is said between words",
        ),
        Measurement(
            "words",
            "Each word that was spoken, and the seconds of the audio that it begins and ends at, by forced alignment.",
            type=list,
        ),
    ),
    make=_Recognition,
    look=lambda settings: find_recognizer(settings.recognizer),
    apart=True,
)
