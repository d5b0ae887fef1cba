"""A voice that is bad at random, listened to: what is rejected, what bad is accepted all the same, and at what cost.

    python tests/bench/bad_voice.py [--quality basic] [--chance 0.3] [--texts 48]

For 1, 2 and 4 attempts at a text. Of the faults that only recognition can tell, `basic` accepts some.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from tests.bad_voice import KINDS, BadVoice
from voicegen.dataset.questions import QuestionFile
from voicegen.job.run_job import bundled_questions
from voicegen.quality.heard import Heard
from voicegen.quality.listener import Listener, quality_settings
from voicegen.records import Question, Utterance
from voicegen.seeds import derived_seed
from voicegen.tts.backends import open_speech_model
from voicegen.tts.best_of import best_takes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quality", default="basic")
    parser.add_argument("--chance", type=float, default=0.3, help="of a bad take")
    parser.add_argument("--texts", type=int, default=48)
    options = parser.parse_args()
    voice = open_speech_model("en_US-joe-medium", "auto", None)
    print(f"{'attempts':<9} {'rejected':>9} {'takes':>6}  accepted though bad, of those made bad, by kind")
    for attempts in (1, 2, 4):
        bad = BadVoice(voice, options.chance)
        settings = quality_settings(options.quality).model_copy(update={"max_attempts": attempts})
        with Listener(settings) as listener:
            heard = list(best_takes(bad, texts(options.texts), listener.hear, attempts))
        print(line(attempts, bad, [one for one in heard if isinstance(one, Heard)]), flush=True)


def texts(count: int) -> list[Utterance]:
    """So many questions of those that come along, each with a seed of its own."""
    questions = [row.text for row in QuestionFile(bundled_questions()).questions() if isinstance(row, Question)]
    return [
        Utterance(index, text, seed=derived_seed(0, index))
        for index, text in enumerate(islice(cycle(questions), count))
    ]


def line(attempts: int, bad: BadVoice, heard: list[Heard]) -> str:
    """How it ended with so many attempts."""
    accepted = [one.takes[-1].seed for one in heard if one.kept[1].verdict.status == "ok"]
    though_bad = Counter(kind for seed in accepted if (kind := bad.faults.get(seed)) is not None)
    made = Counter(bad.faults.values())
    kinds = ", ".join(f"{kind} {though_bad[kind]}/{made[kind]}" for kind in KINDS)
    takes = sum(len(one.takes) for one in heard)
    return f"{attempts:<9} {1 - len(accepted) / len(heard):>9.1%} {takes:>6}  {kinds}"


if __name__ == "__main__":
    main()
