"""Where what was heard differs from what was meant, by sounds and by likelihood."""

import pytest

from voicegen.quality.recognizers.differences import differences, most
from voicegen.quality.recognizers.sounds import distance, lost_first, sounds, weight
from voicegen.quality.recognizers.timing import lingering, rushed
from voicegen.quality.recognizers.whisper import Word


def forced(text, logprob=-0.1, seconds=0.3):
    return [Word(word, seconds * place, seconds * (place + 1), logprob) for place, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("meant", "heard"),
    [
        ("unknown", "a gnome"),
        ("planchette", "plant chat"),
        ("Adidas", "add it as"),
        ("Chile, Uruguay and", "chilly. You're a guy in"),
        ("cooked steak", "cook's state"),
    ],
)
def test_what_is_written_otherwise_and_sounds_alike_is_near(meant, heard):
    assert distance(sounds(meant, "en"), sounds(heard, "en")) < 0.4 * weight(sounds(meant, "en"))


def test_other_words_are_far_and_lost_sounds_count_whole():
    assert distance(sounds("walked on it", "en"), sounds("bought a boat", "en")) > 4
    assert distance(sounds("Yes", "en"), ()) == weight(sounds("Yes", "en")) == 2.3


def test_numbers_sound_as_they_are_read_and_signs_that_are_silent_do_not():
    assert sounds("42", "en") == sounds("forty-two", "en")
    assert sounds('"Yes!"', "en") == sounds("yes", "en")
    assert sounds("...", "en") == ()


@pytest.mark.parametrize(
    ("meant", "heard"),
    [
        ("C six H twelve O six, H two O", "C6H 1206, H20"),
        ("ninety-four-one hundred forty-two", "9 to 4142"),
        ("nineteen oh five", "1905"),
        ("call five five five oh one nine nine", "call 5550199"),
        ("four one one one, one one one one, one one one one", "411111111111"),
        ("five five five, zero one four three on", "555-01431"),
    ],
)
def test_a_number_that_was_heard_is_read_as_it_may_have_been_said(meant, heard):
    [place] = differences(forced(f"it is {meant} here"), forced(f"it is {heard} here"), "en")
    assert place.sounds < 1.5


def test_another_number_is_another_however_it_is_read():
    [place] = differences(forced("in nineteen sixty-nine they came"), forced("in 1847 they came"), "en")
    assert place.sounds > 4


@pytest.mark.parametrize(
    ("meant", "heard", "other"),
    [
        ("nineteen sixty-nine", "1959", True),
        ("two hundred fourteen", "240", True),
        ("six point eight seven five", "6.875", False),
        ("eighteen seventy-nine in Ulm", "1879, and Almond", False),
        ("fifth", "theft", False),
        ("three", "", False),
    ],
)
def test_a_place_says_whether_it_holds_another_number(meant, heard, other):
    places = differences(forced(f"it is {meant} here"), forced(f"it is {heard} here"), "en")
    assert any(place.other_number for place in places) == other


def test_what_lacks_before_a_word_and_is_put_in_behind_it_is_one_place():
    [place] = differences(forced("born in Ulm and died"), forced("born and Almond died"), "en")
    assert place.sounds < 4
    assert place.heard == (1, 3)
    far = differences(forced("born in Ulm and then died"), forced("born and then Almond died"), "en")
    assert [place.heard for place in far] == [(1, 1), (3, 4)]


def test_each_stretch_counts_in_the_writing_of_the_text_where_it_differs_least():
    heard = forced("at 12 they sat by 13 trees")
    words = differences(forced("at twelve they sat by thirteen trees"), heard, "en")
    mixed = differences(forced("at 12 they sat by forty trees"), heard, "en")
    assert most([words], lambda one: one.words + 1) == most([mixed], lambda one: one.words + 1) == 1
    assert most([words, mixed], lambda one: 5 if one.heard == (1, 2) else 0) == 0
    assert most([words, mixed], lambda one: 5 if one.heard == (5, 6) else 0) == 5
    assert most([], lambda one: 1) == most([[], []], lambda one: 1) == 0


def test_letters_stand_for_sounds_in_a_language_that_nobody_reads():
    assert [sound.sign for sound in sounds("Tak", "xx")] == ["t", "a", "k"]


def test_each_place_that_differs_is_told_with_its_sounds_and_the_word_after_it():
    meant = forced("Yes, the cat sat on the mat today", -2)
    heard = forced("the cat sat by and by on the mat", -0.5)
    first, within, last = differences(meant, heard, "en")
    assert (first.lost_first, first.lost_last, first.words) == (pytest.approx(2.3), 0, -1)
    assert first.likelier == pytest.approx(3.5)  # two words of -2 against one of -0.5
    assert (within.lost_first, within.lost_last, within.words, within.put_in > 3) == (0, 0, 3, True)
    assert (last.lost_first, last.lost_last > 3) == (0, True)
    assert differences(meant, meant, "en") == []


@pytest.mark.parametrize(
    ("meant", "heard", "lost"),
    [
        ("Defibrillation is", "fibrillation is", 1.5),
        ("Artists get", "Artis get", 0),
        ("Salieri poisoned", "salary poise in", 0),
        ("What do they", "do they", 2.8),
        ("These are", "This are", 0),
        ("See", "A sea", -1.6),
        ("Yes", "", 2.3),
    ],
)
def test_what_is_lost_of_a_beginning_is_before_the_first_sound_that_was_heard(meant, heard, lost):
    assert lost_first(sounds(meant, "en"), sounds(heard, "en")) == pytest.approx(lost)


def test_a_text_of_nothing_and_a_take_of_nothing_differ_wholly():
    (lost,) = differences(forced("one two"), [], "en")
    assert lost.sounds == lost.lost_first == lost.lost_last > 4
    (added,) = differences([], forced("one two"), "en")
    assert (added.words, added.lost_first < 0) == (2, True)


def test_words_that_take_no_time_are_rushed_and_letters_that_are_spelled_do_not_linger():
    words = forced("the house on the hill is white and the door is red")
    words[4:7] = [Word(word.text, 1.2, 1.2, -0.1) for word in words[4:7]]
    assert rushed(words, "en") == 0
    said = {name: forced(f"they met in the {name} in the spring of the year", seconds=0.35) for name in ("GMT", "sea")}
    for words in said.values():
        words[4] = Word(words[4].text, 1.4, 2.4, -0.1)
    assert lingering(said["GMT"], "en") < lingering(said["sea"], "en") - 0.1
