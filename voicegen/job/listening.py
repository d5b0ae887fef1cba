"""Listens to the audio of a finished run by the checks of `voicegen.quality`."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, Final

import numpy as np
import soundfile
from pydantic import ValidationError

from voicegen.cores import numpy_on_one_core, usable_cores
from voicegen.errors import ConfigError, OutputError
from voicegen.faults import Fault, FaultKind
from voicegen.pipeline.ledger import Ledger
from voicegen.pipeline.plan import SIDES
from voicegen.pipeline.same_audio import judge_repeat, repeats
from voicegen.quality.check import CheckSpec
from voicegen.quality.checks import CHECKS, checks_on
from voicegen.quality.checks.duplicates import hash_in
from voicegen.quality.listener import Listener, QualityConfig, quality_settings
from voicegen.quality.usual import Usual
from voicegen.records import Clip, Scores, Side, Speech, Utterance
from voicegen.store import Store
from voicegen.store.clips import read_clip

_BLOCK: Final = 1000  # rows read from the ledger together
_GROUP: Final = 32  # takes listened to together


def quality_for(identity: Mapping[str, Any], name: str | None) -> QualityConfig:
    """The checks for the files of a run: those of this name, or of the run itself, that hold for a file as for a take.

    Raises:
        ConfigError: there are none of that name, or none in the run's identity that can be used.
        VoicegenError: a check cannot be made.
    """
    try:
        checks = checks_of_run(identity) if name is None else _checks_called(name)
        of_takes = [check.name for check in CHECKS if check.of_takes]
        holding = {check: its for check, its in checks.items() if its is not None and check not in of_takes}
        settings = QualityConfig.model_validate({**quality_settings("off").model_dump(), "checks": holding})
    except ValidationError as error:
        key = ".".join(map(str, ("quality", *error.errors()[0]["loc"])))
        raise ConfigError(
            f"run.json's {key} is of another voicegen version: name the checks, as --listen basic"
        ) from None
    if not holding:
        told = "the run was made with quality=off" if name is None else f"--listen {name} has none"
        raise ConfigError(f"there are no checks to listen by ({told}): name others, as --listen basic")
    for check, its in checks_on(settings.checks):
        check.look(its)
    return settings


def _checks_called(name: str) -> dict[str, Any]:
    try:
        return quality_settings(name).model_dump()["checks"]  # type: ignore[no-any-return]
    except ValueError as error:
        raise ConfigError(f"--listen {name}: {str(error).removesuffix(', or a QualityConfig')}") from None


def checks_of_run(identity: Mapping[str, Any]) -> dict[str, Any]:
    """As the run had them; what of them is no part of its identity, as it comes."""
    usual = _checks_called("strict")
    checks: dict[str, dict[str, Any]] = {}
    for key, value in identity.items():
        if key.startswith("quality.checks."):
            check, _, setting = key.removeprefix("quality.checks.").partition(".")
            checks.setdefault(check, dict(usual.get(check) or {}))[setting] = value
    return checks


def take_faults(
    store: Store,
    ledger: Ledger,
    quality: QualityConfig,
    advance: Callable[[int], Any] = lambda _rows: None,
    *,
    speed: float = 1.0,
) -> Iterator[Fault]:
    """Yields the audio of rows that are ok and that fall short of the checks, in the order of the rows; repeats last.

    What is usual of a voice is had from the first of them, which are judged by it as well. What cannot be read is left
    out. `speed` is what the voice was told to speak at.
    """
    with Listener(quality) as listener, ThreadPoolExecutor(usable_cores()) as pool, numpy_on_one_core():
        usual = _usual(quality, _takes(store, _first(_good(ledger), listener.first_rows), pool, speed))
        hashes = np.zeros((ledger.end, 2), np.uint64)
        for takes in _takes(store, _good(ledger), pool, speed):
            for take, hearing in zip(takes, listener.hear(takes, usual), strict=True):
                index, side = take.utterance.index, take.utterance.side
                hashes[index, SIDES["both"].index(side)] = hash_in(hearing.scores)
                if hearing.verdict.status != "ok":
                    yield Fault(FaultKind.TAKE, _path(ledger, index, side), hearing.verdict.reason or "", index)
            advance(len(takes))
    settings = quality.checks.duplicates  # type: ignore[attr-defined]
    if settings is not None and (reason := judge_repeat(settings).reason) is not None:
        for row, side in repeats(ledger, [(0, hashes)]):
            yield Fault(FaultKind.TAKE, _path(ledger, row.index, side), reason, row.index)


def _path(ledger: Ledger, index: int, side: Side) -> str:
    row = ledger.get([index])[index]
    kept = row.of_question if side == "question" else row
    assert kept is not None
    assert kept.clip is not None
    return kept.clip.path


def _usual(quality: QualityConfig, groups: Iterator[Sequence[Speech]]) -> Usual:
    """What is usual of each voice in these takes, by the checks that make something of it."""
    shown: defaultdict[str | None, list[Scores]] = defaultdict(list)
    using = {check.name: its.model_dump() for check, its in checks_on(quality.checks) if _uses_usual(check)}
    settings = QualityConfig.model_validate({**quality_settings("off").model_dump(), "checks": using})
    with Listener(settings) as listener:
        for takes in groups:
            for take, hearing in zip(takes, listener.hear(takes), strict=True):
                shown[take.utterance.voice].append(hearing.scores)
        return {voice: listener.usual(rows) for voice, rows in shown.items()}


def _uses_usual(check: CheckSpec[Any]) -> bool:
    return any(measurement.usual_over for measurement in check.measurements)


def _good(ledger: Ledger) -> Iterator[tuple[Clip, Utterance]]:
    """The clips of rows that are ok, in order, and what they say."""
    for start in range(0, ledger.end, _BLOCK):
        for _, row in sorted(ledger.get(range(start, start + _BLOCK)).items()):
            for kept in (row, row.asked) if row.status == "ok" else ():
                if kept is not None and kept.clip is not None:
                    side: Side = "question" if kept is row.of_question else "answer"
                    text = row.question_spoken if side == "question" else row.answer_spoken
                    yield kept.clip, Utterance(row.index, text or "", kept.voice, side=side)


def _first(clips: Iterator[tuple[Clip, Utterance]], count: int) -> Iterator[tuple[Clip, Utterance]]:
    """The first clips of each voice."""
    seen: Counter[str | None] = Counter()
    for clip, utterance in clips if count else ():
        seen[utterance.voice] += 1
        if seen[utterance.voice] <= count:
            yield clip, utterance


def _takes(
    store: Store, clips: Iterator[tuple[Clip, Utterance]], pool: Executor, speed: float
) -> Iterator[Sequence[Speech]]:
    while group := list(islice(clips, _GROUP)):
        yield [take for take in pool.map(partial(_take, store, speed), group) if take is not None]


def _take(store: Store, speed: float, clip: tuple[Clip, Utterance]) -> Speech | None:
    try:
        data = read_clip(store, clip[0].place)
        if data is None:
            return None
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    except (OutputError, soundfile.LibsndfileError):
        return None
    return Speech(clip[1], samples, rate, speed=speed)
