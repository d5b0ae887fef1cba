from voicegen.webserver.realtime.turns import Turns


def edges(turns, likelihoods):
    return [(place, edge) for place, one in enumerate(likelihoods) if (edge := turns.add(one)) is not None]


def test_speech_begins_after_an_eighth_of_a_second_and_ends_after_the_silence_asked_for():
    turns = Turns(0.5, silence_ms=320)
    assert edges(turns, [0.1] * 10 + [0.9] * 20 + [0.1] * 15) == [(13, "begins"), (39, "ends")]
    assert not turns.speaking


def test_a_click_is_no_speech_and_a_short_pause_is_no_end():
    assert edges(Turns(), [0.1, 0.9, 0.9, 0.1, 0.1, 0.1] * 5) == []
    assert edges(Turns(0.5, 500), [0.9] * 10 + [0.1] * 10 + [0.9] * 10) == [(3, "begins")]


def test_what_wavers_just_below_the_threshold_goes_on():
    assert edges(Turns(0.5, 100), [0.9] * 5 + [0.4] * 20) == [(3, "begins")]
