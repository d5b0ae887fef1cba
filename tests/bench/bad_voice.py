"""A voice that is bad at random, listened to: what is rejected, what bad is called good, and the errors in what is.

    python -m tests.bench.bad_voice [--quality off basic strict] [--chance 0.4] [--texts 48]

For 1, 2 and 4 attempts at a text. A text's takes are drawn by its seed and the attempt, so those of one run with four
are what runs with fewer make, and all three are told of it. The word error of what is accepted is by whisper-tiny.en,
which is not what `strict` listens with. It is given beside that of the accepted takes that nothing was done to: a
recognizer errs on those too.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from tests.bad_voice import KINDS, BadVoice
from voicegen.dataset.questions import QuestionFile
from voicegen.job.run_job import bundled_questions
from voicegen.quality.checks.recognition import SPEC, RecognitionSettings
from voicegen.quality.heard import Heard
from voicegen.quality.listener import Listener, quality_settings
from voicegen.records import Question, Speech, TakeRecord, Utterance
from voicegen.seeds import derived_seed
from voicegen.tts.backends import open_speech_model
from voicegen.tts.best_of import judged_takes

ATTEMPTS = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Row:
    """How it went with a text: its takes in their order, and the words in error of the accepted one, if any."""

    takes: tuple[TakeRecord, ...]
    words: int
    errors: float | None

    def within(self, attempts: int) -> tuple[TakeRecord, ...]:
        """The takes that were made, had there been so many attempts."""
        return self.takes[:attempts]

    def accepted(self, attempts: int) -> bool:
        """Whether one of those is ok."""
        return any(take.status == "ok" for take in self.within(attempts))


def main() -> None:
    """Prints a table with a line a quality and number of attempts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quality", nargs="+", default=["off", "basic", "strict"])
    parser.add_argument("--chance", type=float, default=0.4, help="of a bad take")
    parser.add_argument("--texts", type=int, default=48)
    options = parser.parse_args()
    voice = BadVoice(open_speech_model("en_US-joe-medium", "auto", None), options.chance)
    word_error = recognizer()
    print("| quality | attempts | takes | made bad | rows rejected | bad takes that are ok | good takes held for bad "
          "| word error of what is ok | of its good takes |")  # fmt: skip
    print("| --- " + "| ---: " * 8 + "|")
    for quality in options.quality:
        rows = listened(voice, quality, texts(options.texts), word_error)
        for attempts in ATTEMPTS:
            print(line(quality, attempts, rows, voice.faults), flush=True)


def texts(count: int) -> list[Utterance]:
    """So many questions of those that come along, each with a seed of its own."""
    questions = [row.text for row in QuestionFile(bundled_questions()).questions() if isinstance(row, Question)]
    return [
        Utterance(index, text, seed=derived_seed(0, index))
        for index, text in enumerate(islice(cycle(questions), count))
    ]


def recognizer() -> Callable[[Speech], float]:
    """Says which share of a take's words is heard otherwise."""
    check = SPEC.make(RecognitionSettings(rules={}, recognizer="whisper-tiny.en", language="en", device="cpu"))

    def word_error(take: Speech) -> float:
        error = check([take])[0]["wer"]
        assert isinstance(error, float)
        return error

    return word_error


def listened(
    voice: BadVoice, quality: str, utterances: Sequence[Utterance], word_error: Callable[[Speech], float]
) -> list[Row]:
    """How it goes with each text, with as many attempts as are ever tried; the first rows say what is usual."""
    attempts = max(ATTEMPTS)
    with Listener(quality_settings(quality).model_copy(update={"max_attempts": attempts})) as listener:
        heard = [*judged_takes(voice, utterances, listener, attempts)]
    return [row_of(one, word_error) for one in heard if isinstance(one, Heard)]


def row_of(heard: Heard, word_error: Callable[[Speech], float]) -> Row:
    """What is told of a text."""
    take, hearing = heard.kept
    words = len(take.utterance.text.split())
    return Row(heard.takes, words, word_error(take) * words if hearing.verdict.status == "ok" else None)


def line(quality: str, attempts: int, rows: Sequence[Row], faults: dict[int, str]) -> str:
    """How it ended with so many attempts."""
    takes = [take for row in rows for take in row.within(attempts)]
    accepted = [row for row in rows if row.accepted(attempts)]
    bad = Counter(faults[take.seed] for take in takes if take.seed in faults)
    missed = Counter(faults[take.seed] for take in takes if take.seed in faults and take.status == "ok")
    alarms = sum(take.status != "ok" for take in takes if take.seed not in faults)
    kinds = ", ".join(f"{kind} {missed[kind]}" for kind in KINDS if missed[kind])
    cells = (
        quality,
        attempts,
        len(takes),
        bad.total(),
        f"{1 - len(accepted) / len(rows):.0%}",
        f"{missed.total()}: {kinds}" if kinds else "0",
        f"{alarms} of {len(takes) - bad.total()}",
        error_of(accepted),
        error_of([row for row in accepted if row.takes[-1].seed not in faults]),
    )
    return f"| {' | '.join(map(str, cells))} |"


def error_of(rows: Sequence[Row]) -> str:
    """The word error over all that was accepted; the take that was is a row's last."""
    return f"{sum(row.errors or 0 for row in rows) / max(sum(row.words for row in rows), 1):.3f}"


if __name__ == "__main__":
    main()
