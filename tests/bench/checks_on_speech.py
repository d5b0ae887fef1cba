"""What quality=basic finds of faults planted in real speech, and how much good speech it takes for bad.

    python -m tests.bench.checks_on_speech --truthfulqa TruthfulQA.csv [--voice kokoro] [--each 100] [--cache FOLDER]
    python -m tests.bench.checks_on_speech --column speech_share +quality/checks=voice_activity

Texts are in two halves that share none: bounds were chosen on the first, the second is to report. The takes of one are
heard first, so that the voices' paces are known, then those of the other, good and with each fault. Prints for each
kind of text the share of good takes that is flagged, and for each fault that of bad ones, with the rules that caught
them; of a measurement also the least, the median and the most. Overrides are those of a run.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from statistics import median

import numpy as np

from tests.bench_texts import KINDS, Text, two_halves
from tests.planted_faults import FAULTS, planted
from voicegen.job.composing import compose
from voicegen.protocols import SpeechModel
from voicegen.quality.listener import Hearing, Listener
from voicegen.quality.usual import Usual
from voicegen.records import Scores, Speech, Utterance
from voicegen.text.spoken import to_spoken

GROUP = 8  # takes that are heard together


def main() -> None:
    """Prints the tables of one voice, or of Kokoro's five."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truthfulqa", type=Path)
    parser.add_argument("--voice", choices=["piper", "kokoro"], default="piper")
    parser.add_argument("--each", type=int, default=100, help="texts in each half")
    parser.add_argument("--half", type=int, choices=[0, 1], default=1, help="0: the one for choosing, 1: to report")
    parser.add_argument("--cache", type=Path, help="folder that keeps the spoken takes")
    parser.add_argument("--column", help="a measurement to print the values of")
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    halves = two_halves(options.truthfulqa, options.each)
    model = _model(options.voice)
    first, told = (_spoken(model, halves[half], options.cache) for half in (1 - options.half, options.half))
    listener = Listener(compose(["quality=basic", *options.overrides]).quality)
    usual = _usual(listener, first)
    good = _heard(listener, told, usual)
    for kind in KINDS:
        flagged = [hearing for text, hearing in zip(halves[options.half], good, strict=True) if text.kind == kind]
        print(f"good, {kind:10} {_line(flagged)}{_values(flagged, options.column)}")
    for fault in FAULTS:
        others = told[1:] + told[:1]
        bad = [planted(fault, take, other, place) for place, (take, other) in enumerate(zip(told, others, strict=True))]
        found = _heard(listener, bad, usual)
        print(f"{fault:16} {_line(found)}{_values(found, options.column)}", flush=True)


def _model(voice: str) -> SpeechModel:
    if voice == "piper":
        from voicegen.tts.piper.speech import PiperSpeech

        return PiperSpeech.load()
    from voicegen.tts.kokoro.speech import KokoroSpeech

    return KokoroSpeech.load()


def _spoken(model: SpeechModel, texts: Sequence[Text], cache: Path | None) -> list[Speech]:
    """A take of each text, the model's voices by turns."""
    voices: Sequence[str] = model.voices  # type: ignore[attr-defined]
    wanted = [
        Utterance(place, to_spoken(text.written), voices[place % len(voices)], place)
        for place, text in enumerate(texts)
    ]
    kept = {utterance.index: _path(cache, model, utterance) for utterance in wanted if cache is not None}
    takes = {
        utterance.index: Speech(utterance, np.load(kept[utterance.index]), model.sample_rate)
        for utterance in wanted
        if utterance.index in kept and kept[utterance.index].exists()
    }
    for speech in model.speak(utterance for utterance in wanted if utterance.index not in takes):
        if not isinstance(speech, Speech):
            raise SystemExit(speech.error)
        takes[speech.utterance.index] = speech
        if cache is not None:
            cache.mkdir(parents=True, exist_ok=True)
            np.save(kept[speech.utterance.index], speech.samples)
    return [takes[place] for place in range(len(texts))]


def _path(cache: Path, model: SpeechModel, utterance: Utterance) -> Path:
    said = f"{model.info.id}\0{utterance.voice}\0{utterance.text}\0{utterance.seed}"
    return cache / f"{sha256(said.encode()).hexdigest()[:24]}.npy"


def _usual(listener: Listener, takes: Sequence[Speech]) -> Usual:
    """What is usual of each voice, by its first takes, as in a run."""
    shown: defaultdict[str | None, list[Scores]] = defaultdict(list)
    for take, hearing in zip(takes, _heard(listener, takes, {}), strict=True):
        shown[take.utterance.voice].append(hearing.scores)
    return {voice: listener.usual(rows[: listener.first_rows]) for voice, rows in shown.items()}


def _heard(listener: Listener, takes: Sequence[Speech], usual: Usual) -> list[Hearing]:
    groups = [takes[place : place + GROUP] for place in range(0, len(takes), GROUP)]
    return [hearing for group in groups for hearing in listener.hear(group, usual)]


def _line(hearings: Sequence[Hearing]) -> str:
    flagged = [hearing.verdict.reason or "" for hearing in hearings if hearing.verdict.status != "ok"]
    rules = Counter(part.split("(")[-1].split(" ")[0] for reason in flagged for part in reason.split("; "))
    told = ", ".join(f"{rule} {count}" for rule, count in rules.most_common())
    return f"{len(flagged):3} of {len(hearings)} ({len(flagged) / max(len(hearings), 1):4.0%}) {told}"


def _values(hearings: Sequence[Hearing], column: str | None) -> str:
    values = [hearing.scores.get(column) for hearing in hearings] if column else []
    found = [value for value in values if isinstance(value, float)]
    if not found:
        return ""
    return f"; {column} {min(found):.2f}, {median(found):.2f}, {max(found):.2f}"


if __name__ == "__main__":
    main()
