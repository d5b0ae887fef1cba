"""A bad voice, listened to: nothing bad that `basic` can tell is called good. `tests/bench/bad_voice.py` has more."""

import pytest

from tests.bad_voice import BadVoice
from voicegen.quality.listener import Listener, quality_settings
from voicegen.records import Utterance
from voicegen.seeds import derived_seed
from voicegen.tts.best_of import best_takes
from voicegen.tts.piper.speech import PiperSpeech

TOLD = ("silence", "NaN", "repeats", "tail cut", "never stops")  # by a take alone
TEXTS = (
    "Why do veins appear blue to us, although the blood in them is red?",
    "What happens to a candle that is lit where there is no air at all?",
    "How do people find their way at sea without any map or compass?",
    "Which of the rivers of this country is the longest one of them all?",
)


@pytest.fixture(scope="module")
def voice():
    return PiperSpeech.load("en_US-joe-medium", threads=2)


def accepted_and_faults(voice, attempts):
    """The seeds of the takes that were accepted, and all faults by seed."""
    bad = BadVoice(voice, 0.5, TOLD)
    texts = [Utterance(index, TEXTS[index % 4], seed=derived_seed(0, index)) for index in range(16)]
    with Listener(quality_settings("basic")) as listener:
        heard = list(best_takes(bad, texts, listener.hear, attempts))
    return [one.takes[-1].seed for one in heard if one.kept[1].verdict.status == "ok"], bad.faults


def test_nothing_bad_is_accepted_and_more_attempts_find_more_good_takes(voice):
    once, faults = accepted_and_faults(voice, 1)
    assert set(faults.values()) == set(TOLD)
    assert not faults.keys() & once
    assert len(once) + len(faults) == 16
    often, faults = accepted_and_faults(voice, 2)
    assert not faults.keys() & often
    assert len(often) > len(once)
