from dataclasses import replace

import numpy as np
import pytest

from tests.takes import piper
from voicegen.errors import ConfigError
from voicegen.job.composing import compose
from voicegen.quality.checks import CHECKS
from voicegen.quality.listener import Listener
from voicegen.records import Speech, Utterance

RATE = 16_000


def listener(*overrides):
    """Of the settings' checks only `level`, which tones can pass."""
    others = [f"quality.checks.{check.name}=null" for check in CHECKS if check.name != "level"]
    return Listener(compose([*([] if "quality=off" in overrides else others), *overrides]).quality)


def take(samples, finish_reason="stop"):
    return Speech(Utterance(0, "Hello."), np.asarray(samples, np.float32), RATE, finish_reason)


def sine(level=0.5, offset=0.0):
    return (level * np.sin(2 * np.pi * np.arange(RATE) / 80) + offset).astype(np.float32)


def test_a_good_take_is_ok_and_its_measurements_are_kept():
    (hearing,) = listener().hear([take(sine())])
    assert hearing.verdict.status == "ok"
    assert hearing.verdict.excess == 0
    assert hearing.scores["clipped"] == 0
    assert abs(hearing.scores["dc"]) < 1e-3


def test_takes_are_told_apart_and_the_reason_names_the_rule_the_value_and_the_bound():
    good, clipped, offset = listener().hear([take(sine()), take(np.clip(sine(2.0), -1, 1)), take(sine(0.1, 0.5))])
    assert good.verdict.reason is None
    assert clipped.verdict.status == "rejected"
    assert clipped.verdict.again
    assert clipped.verdict.reason == "it is clipped (clipped 0.675, at most 0.001 is good)"
    assert offset.verdict.reason == "its samples are off centre (dc 0.5, at most 0.02 is good)"
    assert clipped.verdict.excess > offset.verdict.excess > 0


@pytest.mark.parametrize(
    ("samples", "reason", "status", "why"),
    [
        (sine(), "runaway", "rejected", "the take did not stop where the text was over"),
        (sine(), "length", "rejected", "the take was cut before the text was over"),
        ([], "stop", "failed", "the take holds no audio"),
        ([0.0, np.nan], "stop", "failed", "the take holds NaN or infinity"),
    ],
)
@pytest.mark.parametrize("quality", ["off", "basic"])
def test_what_is_cut_or_no_audio_is_never_ok(samples, reason, status, why, quality):
    (hearing,) = listener(f"quality={quality}").hear([take(samples, reason)])
    assert (hearing.verdict.status, hearing.verdict.reason, hearing.verdict.again) == (status, why, True)


def test_a_check_that_is_off_measures_nothing_and_rejects_nothing():
    (hearing,) = listener("quality.checks.level=null").hear([take(np.clip(sine(2.0), -1, 1))])
    assert hearing.verdict.status == "ok"
    assert "clipped" not in hearing.scores


def test_a_rule_is_a_setting_and_may_say_that_another_attempt_helps_nothing():
    (hearing,) = listener(
        "quality.checks.level.rules.dc={max: 0.4, then: reject}",
    ).hear([take(sine(0.1, 0.5))])
    assert (hearing.verdict.status, hearing.verdict.again) == ("rejected", False)


def test_a_rule_over_what_no_check_measures_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"quality.checks: level.rules.loud: level measures clipped, dc"):
        compose(["+quality.checks.level.rules.loud={max: 1}"])


def test_what_is_heard_of_a_take_and_how_it_is_finished_are_the_same_to_the_last_bit_in_any_company():
    takes = [replace(one, samples=one.samples * np.float32(gain)) for one in piper() for gain in (0.4, 1.0)]
    takes += [replace(one, samples=one.samples[: len(one.samples) * 2 // 3]) for one in piper()]
    with Listener(compose([]).quality) as ear:
        alone = [ear.hear([one])[0] for one in takes]
        together = ear.hear(takes[::-1])[::-1]
    assert [(one.verdict, one.scores) for one in together] == [(one.verdict, one.scores) for one in alone]
    finished = [(one.finished, other.finished) for one, other in zip(together, alone, strict=True) if other.finished]
    assert len(finished) >= 8
    assert all(np.array_equal(one.samples, other.samples) for one, other in finished)
