"""What each check costs on real speech: processor seconds a take, one after another on one thread.

    python -m tests.bench.cost_of_checks [--truthfulqa TruthfulQA.csv] [--texts 40] [quality=strict ...]

The starter voice says texts of all kinds; overrides are those of a run, as `+quality/checks=mos`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import fmean

from tests.bench.planted_defects import fits
from tests.bench_texts import dealt
from voicegen.job.composing import compose
from voicegen.quality.checks import checks_on
from voicegen.records import Speech, Utterance
from voicegen.text.spoken import to_spoken
from voicegen.tts.piper.speech import PiperSpeech


def main() -> None:
    """Prints a line a check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--truthfulqa", type=Path)
    parser.add_argument("--texts", type=int, default=40)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    settings = compose(["quality=strict", *options.overrides]).quality
    texts = dealt(options.truthfulqa, options.texts, fits)["choose"][: options.texts]
    spoken = PiperSpeech.load().speak(
        Utterance(place, to_spoken(text.written), seed=place) for place, text in enumerate(texts)
    )
    takes = [take for take in spoken if isinstance(take, Speech)]
    print(f"{len(takes)} takes of {fmean(take.duration for take in takes):.1f} s in the mean")
    for spec, its in checks_on(settings.checks):
        check = spec.make(its)
        check(takes[:2])  # what is loaded when it is first needed
        begun = time.process_time()
        check(takes)
        print(f"{spec.name:12} {(time.process_time() - begun) / len(takes):7.4f} s a take", flush=True)


if __name__ == "__main__":
    main()
