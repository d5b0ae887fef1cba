"""A bad voice, listened to: nothing bad that `basic` can tell is called good. `tests/bench/bad_voice.py` has more."""

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


def test_what_is_bad_is_never_accepted_what_is_good_always_and_another_attempt_finds_more():
    voice = BadVoice(PiperSpeech.load("en_US-joe-medium", threads=2), 0.5, TOLD)
    texts = [Utterance(index, TEXTS[index % 4], seed=derived_seed(0, index)) for index in range(16)]
    with Listener(quality_settings("basic")) as listener:
        heard = list(best_takes(voice, texts, listener.hear, 2))
    assert set(voice.faults.values()) == set(TOLD)
    assert {take.seed for row in heard for take in row.takes if take.status != "ok"} == voice.faults.keys()
    at_once = [row for row in heard if row.takes[0].status == "ok"]
    assert len(at_once) < sum(row.kept[1].verdict.status == "ok" for row in heard)
