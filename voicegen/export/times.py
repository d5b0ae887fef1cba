"""`--times`: when each word of a row is said, in files that players, Praat and programs read.

SRT has no specification; WebVTT: https://www.w3.org/TR/webvtt1/, with a timestamp before each word of a cue; TextGrid:
Praat's manual, "TextGrid file formats", with one tier called words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import Final, NamedTuple

_LINE: Final = 42  # characters of a subtitle
_PAUSE: Final = 0.7  # seconds after which another one begins
_LEAST: Final = 0.001  # seconds that anything lasts: the precision of them all


class TimedWord(NamedTuple):
    """A word, and the seconds of the audio that it begins and ends at."""

    text: str
    start: float
    end: float


Words = Sequence[TimedWord]


@dataclass(frozen=True, slots=True)
class TimesFormat:
    """How times are written: the end of the files' names, and what is in them, of the words and the audio's seconds."""

    suffix: str
    text: Callable[[Words, float], str]


@dataclass(frozen=True, slots=True)
class TimesFile:
    """What is to lie beside an audio file, and the end of its name."""

    suffix: str
    data: bytes


def times_file(words: Sequence[Mapping[str, object]], duration: float, form: str) -> TimesFile:
    """The file of a row's words, as the manifest has them, and seconds of audio in a format of `TIMES`."""
    timed = [TimedWord(str(word["word"]), float(str(word["start"])), float(str(word["end"]))) for word in words]
    return TimesFile(TIMES[form].suffix, TIMES[form].text(timed, duration).encode())


def _srt(words: Words, _duration: float) -> str:
    cues = enumerate(_cues(words), 1)
    return "".join(f"{number}\n{_span(cue, ',')}\n{' '.join(word.text for word in cue)}\n\n" for number, cue in cues)


def _vtt(words: Words, _duration: float) -> str:
    return "WEBVTT\n\n" + "".join(f"{_span(cue, '.')}\n{' '.join(_karaoke(cue))}\n\n" for cue in _cues(words))


def _textgrid(words: Words, duration: float) -> str:
    intervals = list(_intervals(words, duration))
    end = intervals[-1].end
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", f"xmin = 0\nxmax = {end:.6f}"]
    lines += ["tiers? <exists>", "size = 1", "item []:", "    item [1]:"]
    lines += [
        '        class = "IntervalTier"',
        '        name = "words"',
        "        xmin = 0",
        f"        xmax = {end:.6f}",
    ]
    lines += [f"        intervals: size = {len(intervals)}"]
    for number, (text, begun, over) in enumerate(intervals, 1):
        quoted = text.replace('"', '""')
        lines += [f"        intervals [{number}]:", f"            xmin = {begun:.6f}", f"            xmax = {over:.6f}"]
        lines += [f'            text = "{quoted}"']
    return "\n".join(lines) + "\n"


def _json(words: Words, duration: float) -> str:
    found = [{"word": word.text, "start": word.start, "end": word.end} for word in words]
    return json.dumps({"duration": duration, "words": found}, ensure_ascii=False) + "\n"


TIMES: Final[Mapping[str, TimesFormat]] = MappingProxyType(
    {
        "srt": TimesFormat(".srt", _srt),
        "vtt": TimesFormat(".vtt", _vtt),
        "textgrid": TimesFormat(".TextGrid", _textgrid),
        "json": TimesFormat(".words.json", _json),
    }
)


def _cues(words: Words) -> Iterator[list[TimedWord]]:
    """Words that are shown together: of one sentence, on one line, without a pause."""
    cue: list[TimedWord] = []
    for word in words:
        if cue and (
            cue[-1].text.endswith((".", "?", "!"))
            or word.start - cue[-1].end >= _PAUSE
            or sum(len(one.text) + 1 for one in cue) + len(word.text) > _LINE
        ):
            yield cue
            cue = []
        cue.append(word)
    if cue:
        yield cue


def _karaoke(cue: Words) -> Iterator[str]:
    """The words of a cue, each after the time that it is said at; times must rise, within the cue."""
    last, end = cue[0].start, cue[-1].end
    for word in cue:
        mark = f"<{_clock(word.start, '.')}>" if last + _LEAST <= word.start <= end - _LEAST else ""
        last = word.start if mark else last
        yield mark + escape(word.text, quote=False)


def _intervals(words: Words, duration: float) -> Iterator[TimedWord]:
    """The whole audio in pieces without gaps: words, and nothing between them."""
    at = 0.0
    for word in words:
        start = max(word.start, at)
        if start - at >= _LEAST:
            yield TimedWord("", at, start)
        else:
            start = at
        at = max(word.end, start + _LEAST)
        yield TimedWord(word.text, start, at)
    if duration - at >= _LEAST or not words:
        yield TimedWord("", at, duration)


def _span(cue: Words, point: str) -> str:
    start = cue[0].start
    return f"{_clock(start, point)} --> {_clock(max(cue[-1].end, start + _LEAST), point)}"


def _clock(seconds: float, point: str) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{point}{thousandths:03d}"
