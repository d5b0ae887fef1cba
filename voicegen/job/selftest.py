"""Whether a speech model speaks as good speech does: twenty sentences, what is measured and heard of them, a verdict.

Its page is for whoever has a checkpoint of their own, on a machine that nobody tested, and is what a report of a fault
needs. What good speech gives is wide enough for the voices that come with voicegen (docs/marvis_checkpoints.md).
"""

from __future__ import annotations

import platform
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from voicegen import __version__, build
from voicegen.audio.audio_file import encode_audio
from voicegen.config import JobConfig
from voicegen.errors import MissingDependency, ModelError, VoicegenError
from voicegen.files import write_atomic
from voicegen.pipeline.plan import Cast, Plan
from voicegen.quality.checks import checks_on
from voicegen.quality.listener import Hearing, Listener, quality_settings
from voicegen.records import Failure, ModelInfo, Speech, Utterance
from voicegen.seeds import derived_seed
from voicegen.tts.backends import SPEECH
from voicegen.tts.speaking import words_of

SENTENCES: Final = (
    "The quick brown fox jumps over the lazy dog.",
    "It was ten past nine on the third of May.",
    "Please put the blue cup on the table by the window.",
    "Why did nobody tell me that the shop was closed?",
    "She sells sea shells by the sea shore.",
    "We walked along the river until the sun went down.",
    "There are three hundred and sixty five days in a year.",
    "A small bird sang in the old apple tree.",
    "He could not remember where he had left his keys.",
    "Open the door, and let the cold air in.",
    "Thank you very much, that is kind of you.",
    "The train to London leaves at half past six.",
    "Water boils at one hundred degrees, and freezes at zero.",
    "What would you like to eat this evening?",
    "My brother plays the piano, and my sister paints.",
    "The children laughed when the dog chased its own tail.",
    "Every morning she reads the news with a cup of coffee.",
    "No, I do not think that it will rain today.",
    "Seven large ships sailed slowly out of the harbour.",
    "That was the last question, so we can all go home.",
)
_PACKAGES: Final = ("torch", "mlx", "transformers", "numpy")
_TO_THE_END: Final = 19
_GOOD: Final = 16  # of takes as they are made: a rule may be against how a voice says one or two
_MISHEARD: Final = 0.15  # of the words; of noise it is all of them
_RATE: Final = (5.0, 13.0)  # of `speaking_rate`
_SILENCE: Final = 0.45  # of a take


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the sentences showed, and what good speech shows; `reason` says what is wrong, if anything is."""

    what: str
    found: str
    good: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the sentences: takes with what was heard of them, and those that could not be spoken."""

    info: ModelInfo
    takes: Sequence[Speech]
    hearings: Sequence[Hearing]
    failures: Sequence[Failure]
    seconds: float
    recognizer: str | None
    no_recognizer: str = ""

    @property
    def findings(self) -> list[Finding]:
        """All that there is to say, the plainest first."""
        return [_to_the_end(self), _by_the_checks(self), _misheard(self), _rate(self), _silence(self)]

    @property
    def reasons(self) -> list[str]:
        """Why it does not speak as good speech does; none if it does."""
        return [finding.reason for finding in self.findings if finding.reason]


def selftest(config: JobConfig) -> Outcome:
    """Speaks the sentences with the speech model of the settings and listens to them, one attempt each.

    Raises:
        MissingDependency: a package of the model is not installed; says the command that installs it.
        ModelError: the model cannot be found or loaded.
    """
    quality, recognizer, problem = _listening()
    model = build.speech_model(config)
    began = time.perf_counter()
    records = list(model.speak(_utterances(config)))
    seconds = time.perf_counter() - began
    takes = sorted((one for one in records if isinstance(one, Speech)), key=lambda take: take.utterance.index)
    with Listener(quality_settings(quality)) as listener:
        hearings = listener.hear(takes)
    failures = [record for record in records if isinstance(record, Failure)]
    return Outcome(model.info, takes, hearings, failures, seconds, recognizer, problem)


def _listening() -> tuple[str, str | None, str]:
    """The quality to listen by, its recognizer, and why there is none."""
    check, its = next(pair for pair in checks_on(quality_settings("strict").checks) if pair[0].name == "recognition")
    try:
        check.look(its)
    except (MissingDependency, ModelError) as error:
        return "basic", None, str(error)
    return "strict", str(getattr(its, "recognizer", "")), ""


def _utterances(config: JobConfig) -> Iterator[Utterance]:
    voice = Plan(config.seed, total_rows=len(SENTENCES), cast=Cast(config.voice.speaking, config.voice.assign)).voice
    for index, sentence in enumerate(SENTENCES):
        yield Utterance(index, words_of(sentence, config.wording), voice(index), derived_seed(config.seed, index))


def write(outcome: Outcome, page: Sequence[str], folder: Path) -> None:
    """Writes each take as `00.wav` to `19.wav`, and the page as `selftest.txt`; files of these names are replaced.

    Raises:
        OutputError: the folder cannot be written or the disk is full.
    """
    for take in outcome.takes:
        if len(take.samples):
            name = f"{take.utterance.index:02d}.wav"
            write_atomic(folder / name, encode_audio(take.samples, take.sampling_rate))
    write_atomic(folder / "selftest.txt", "".join(f"{line}\n" for line in page).encode())


def page(outcome: Outcome, config: JobConfig) -> Iterator[str]:
    """The lines of what there is to say, the verdict last."""
    info = outcome.info
    yield f"voicegen   {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    yield f"packages   {', '.join(_versions())}"
    yield f"model      {', '.join(filter(None, (info.id, info.backend, info.revision, info.precision)))}"
    voices = sorted({take.utterance.voice for take in outcome.takes if take.utterance.voice})
    yield f"voice      {', '.join(voices) or 'the model chooses'}; seed {config.seed}"
    audio = sum(len(take.samples) / take.sampling_rate for take in outcome.takes)
    yield f"speed      {audio:.1f} s of audio, {audio / outcome.seconds:.1f} times real time, the first use included"
    yield f"recognizer {outcome.recognizer or f'none: {outcome.no_recognizer}'}"
    yield from _examined(config)
    yield ""
    yield f"{'':26}{'found':<22}good speech gives"
    for finding in outcome.findings:
        yield f"{finding.what:<26}{finding.found:<22}{finding.good}"
    yield ""
    for finding in outcome.findings:
        if finding.reason:
            yield f"not as good speech: {finding.reason}"
    yield f"verdict    {_verdict(outcome)}"


def _verdict(outcome: Outcome) -> str:
    if outcome.reasons:
        return f"FAILED: {len(outcome.reasons)} of {len(outcome.findings)} are not as in good speech"
    if outcome.recognizer is None:
        return "passed, as far as can be told: nobody listened to the words"
    return "passed: it speaks as good speech does"


def _versions() -> Iterator[str]:
    for package in _PACKAGES:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            yield f"no {package}"


def _examined(config: JobConfig) -> Iterator[str]:
    """What the backend says of the model's files, where it can."""
    examine = SPEECH[config.tts.kind].examine
    if examine is None:
        return
    try:
        yield from (f"  {name:<20} {what}" for name, what in examine(str(getattr(config.tts, "model", ""))))
    except VoicegenError as error:
        yield f"  not to be examined: {error}"


def _to_the_end(outcome: Outcome) -> Finding:
    ended = sum(take.finish_reason == "stop" and len(take.samples) > 0 for take in outcome.takes)
    reason = None
    if ended < _TO_THE_END:
        causes = Counter(hearing.verdict.reason for hearing in outcome.hearings if hearing.verdict.faults is None)
        causes.update(failure.error for failure in outcome.failures)
        causes.pop(None, None)
        said = "; ".join(f"{count} x {cause}" for cause, count in causes.most_common(3))
        reason = f"{len(SENTENCES) - ended} sentences were not spoken to their end ({said})"
    return Finding("spoken to the end", f"{ended} of {len(SENTENCES)}", f"{_TO_THE_END} or more", reason)


def _by_the_checks(outcome: Outcome) -> Finding:
    good = sum(hearing.verdict.status == "ok" for hearing in outcome.hearings)
    reason = None
    if good < _GOOD:
        faults = Counter(hearing.verdict.faults for hearing in outcome.hearings if hearing.verdict.faults)
        said = "; ".join(f"{count} x {fault}" for fault, count in faults.most_common(3))
        reason = f"only {good} takes pass the checks{f' ({said})' if said else ''}"
    return Finding("good by the checks", f"{good} of {len(SENTENCES)}", f"{_GOOD} or more", reason)


def _misheard(outcome: Outcome) -> Finding:
    what, good = "words heard otherwise", f"at most {_MISHEARD:.0%}"
    shares = _scores(outcome, "wer")
    if outcome.recognizer is None or not shares:
        return Finding(what, "nobody listened" if outcome.recognizer is None else "no words", good)
    share = statistics.fmean(min(share, 1.0) for share in shares)
    worst = max(
        zip(outcome.hearings, outcome.takes, strict=True), key=lambda pair: float(pair[0].scores.get("wer") or 0)
    )
    heard = str(worst[0].scores.get("asr_text"))[:60]
    reason = f"of {worst[1].utterance.text!r} was heard {heard!r}" if share > _MISHEARD else None
    return Finding(what, f"{share:.1%}", good, reason)


def _rate(outcome: Outcome) -> Finding:
    low, high = _RATE
    rate = _median(outcome, "speaking_rate")
    fine = rate is not None and low <= rate <= high
    reason = None if fine else f"its pace is {_shown(rate)}, where speech has {low:g} to {high:g}"
    return Finding("pace", _shown(rate), f"{low:g} to {high:g} syllables a second, roughly", reason)


def _silence(outcome: Outcome) -> Finding:
    share = _median(outcome, "silence_share")
    fine = share is not None and share <= _SILENCE
    reason = None if fine else "most of it is silence" if share is not None else "it holds no sound"
    return Finding("silence", "" if share is None else f"{share:.0%} of a take", f"at most {_SILENCE:.0%}", reason)


def _median(outcome: Outcome, name: str) -> float | None:
    found = _scores(outcome, name)
    return statistics.median(found) if found else None


def _scores(outcome: Outcome, name: str) -> list[float]:
    values = (hearing.scores.get(name) for hearing in outcome.hearings)
    return [float(value) for value in values if isinstance(value, int | float)]


def _shown(value: float | None) -> str:
    return "not to be told" if value is None else f"{value:.1f}"
