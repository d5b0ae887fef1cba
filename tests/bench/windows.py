"""What the length of Whisper's window costs, and what becomes of several takes in one.

    python -m tests.bench.windows --truthfulqa TruthfulQA.csv [--texts 48] [--cache FOLDER]

Good takes of the starter voice, each transcribed in the shortest window of a set that holds it, and then one behind the
other, a second of silence between them, in windows of 30 s. Prints processor seconds a take, and letters that are
written otherwise than meant, over those meant.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

import numpy as np

from tests.bench.planted_defects import fits
from tests.bench_texts import dealt
from tests.kept_takes import kept_takes
from voicegen.audio.resample import resample
from voicegen.quality.recognizers import whisper
from voicegen.quality.recognizers.agreement import agreement
from voicegen.quality.recognizers.files import find_recognizer
from voicegen.quality.recognizers.whisper import LONGEST, RATE, Samples, Whisper
from voicegen.records import Utterance
from voicegen.text.spoken import to_spoken
from voicegen.tts.piper.speech import PiperSpeech

SETS = ((2000, 3000), (1500, 2000, 3000), (1200, 1600, 2000, 3000), (1000, 1400, 2000, 3000))
"""Windows, in frames of 10 ms."""

Said = tuple[str, Samples]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truthfulqa", type=Path)
    parser.add_argument("--texts", type=int, default=48)
    parser.add_argument("--cache", type=Path, help="folder that keeps what was spoken")
    parser.add_argument("--recognizer", default="whisper-base")
    options = parser.parse_args()
    model = Whisper.load(find_recognizer(options.recognizer), "en", "cpu")
    takes = _takes(options.truthfulqa, options.texts, options.cache)
    print(f"{len(takes)} takes of {fmean(len(samples) for _, samples in takes) / RATE:.1f} s in the mean")
    for sizes in SETS:
        with patch.object(whisper, "_WINDOWS", sizes):
            _told(f"{', '.join(str(size // 100) for size in sizes)} s", model, takes, len(takes))
    _told("30 s, packed", model, list(_packed(takes)), len(takes))


def _takes(truthfulqa: Path | None, texts: int, cache: Path | None) -> list[Said]:
    meant = [to_spoken(text.written) for text in dealt(truthfulqa, texts, fits)["choose"][:texts]]
    spoken = kept_takes(
        PiperSpeech.load(), [Utterance(place, text, seed=place) for place, text in enumerate(meant)], cache
    )
    takes = [(take.utterance.text, resample(take.samples, take.sampling_rate, RATE)) for take in spoken]
    return [(text, samples) for text, samples in takes if len(samples) < LONGEST * RATE]


def _packed(takes: Sequence[Said]) -> Iterator[Said]:
    """As many takes as one window holds, in one."""
    silence = np.zeros(RATE, np.float32)
    texts, pieces = [""], [silence]
    for text, samples in takes:
        if sum(map(len, pieces)) + len(samples) > LONGEST * RATE:
            yield " ".join(texts), np.concatenate(pieces)
            texts, pieces = [], []
        texts.append(text)
        pieces += [samples, silence]
    yield " ".join(texts), np.concatenate(pieces)


def _told(name: str, model: Whisper, takes: Sequence[Said], count: int) -> None:
    begun = time.process_time()
    heard = [model.transcribe(model.encode([samples]))[0] for _, samples in takes]
    seconds = (time.process_time() - begun) / count
    found = [agreement(text, words, "en").cer * len(text) for (text, _), words in zip(takes, heard, strict=True)]
    error = sum(found) / sum(len(text) for text, _ in takes)
    print(f"| {name} | {seconds:.2f} | {error:.4f} |", flush=True)


if __name__ == "__main__":
    main()
