from itertools import pairwise

import pytest

from voicegen.pipeline.plan import Cast, Plan, audio_path
from voicegen.records import Failure, Question
from voicegen.seeds import derived_seed


def questions(count):
    return [Question(index, f"q{index}", f"question {index}") for index in range(count)]


def test_a_rows_seed_depends_on_the_runs_seed_and_its_place_alone():
    assert derived_seed(0, 5) == derived_seed(0, 5)
    assert derived_seed(0, 5) != derived_seed(0, 6)
    assert derived_seed(0, 5) != derived_seed(1, 5)
    assert all(0 <= derived_seed(7, index) < 2**31 for index in range(1000))


def test_seeds_of_neighbouring_rows_do_not_repeat():
    assert len({derived_seed(0, index) for index in range(10_000)}) == 10_000


@pytest.mark.parametrize(
    ("index", "status", "total", "path"),
    [
        (0, "ok", 3, "audio/000000.wav"),
        (0, "rejected", 3, "rejected/000000.wav"),
        (9_999, "ok", 10_000, "audio/009999.wav"),
        (0, "ok", 10_001, "audio/0000/000000.wav"),
        (1_234_567, "ok", 2_000_000, "audio/0123/1234567.wav"),
    ],
)
def test_files_are_numbered_by_place_and_spread_over_folders_of_ten_thousand(index, status, total, path):
    assert audio_path(index, status, total) == path


def test_the_first_rows_of_each_voice_are_known_from_the_plan_alone():
    voices = ("ann", "bob", "cid")
    assert Plan(0, 0).first_rows(3, 10) == dict.fromkeys([0, 1, 2], (None,))
    assert Plan(0, 0).first_rows(3, 2) == dict.fromkeys([0, 1], (None,))
    assert Plan(0, 0).first_rows(0, 10) == {}
    assert Plan(0, 0, Cast(voices)).first_rows(2, 10**9) == dict.fromkeys([0, 1], ("ann",))
    in_turn = Plan(0, 0, Cast(voices, "round_robin")).first_rows(2, 10**9)
    assert list(in_turn.items()) == [(index, (voices[index % 3],)) for index in range(6)]
    for assign in ("fixed", "round_robin", "random"):
        plan = Plan(0, 0, Cast(voices, assign, ("bob",)), answers_per_question=2, in_test=bytes([0, 1] * 50))
        first = plan.first_rows(5, 200)
        for voice in {voice for (voice,) in first.values()}:
            of_voice = [index for index in first if first[index] == (voice,)]
            assert of_voice == [index for index in range(200) if plan.voice(index) == voice][:5]


def test_a_row_of_two_voices_is_among_the_first_of_both_if_it_is_of_one():
    plan = Plan(0, 0, Cast(["ann"]), Cast(["bob", "cid", "dan"], "round_robin"), speak="both")
    assert plan.voices(1) == ("ann", "cid")
    assert list(plan.first_rows(2, 10**9)) == [0, 1, 2, 3, 4, 5]  # ann is heard in all of them
    assert Plan(0, 0, askers=Cast(["bob"]), speak="question").first_rows(2, 10**9) == dict.fromkeys([0, 1], ("bob",))


def test_names_of_a_runs_files_sort_in_input_order():
    paths = [audio_path(index, "ok", 30_000) for index in range(30_000)]
    assert all(first < second for first, second in pairwise(paths))


def test_a_failed_row_keeps_its_number_and_moves_no_other():
    rows = questions(4)
    broken = [*rows[:2], Failure(2, "input", "empty"), rows[3]]
    planned, planned_broken = list(Plan(0, 4).rows(rows)), list(Plan(0, 4).rows(broken))
    assert planned_broken[2] == Failure(2, "input", "empty")
    assert planned_broken[3] == planned[3]


def test_several_answers_to_a_question_are_rows_of_their_own_with_seeds_of_their_own():
    rows = list(Plan(0, 2, answers_per_question=3).rows(questions(2)))
    assert [row.index for row in rows] == list(range(6))
    assert [row.id for row in rows] == ["q0-0", "q0-1", "q0-2", "q1-0", "q1-1", "q1-2"]
    assert len({row.seed for row in rows}) == 6


def test_round_robin_gives_each_voice_in_turn_and_fixed_the_first():
    names = ("anna", "ben", "cleo")
    turns = [row.voice for row in Plan(0, 6, Cast(names, "round_robin")).rows(questions(6))]
    assert turns == ["anna", "ben", "cleo", "anna", "ben", "cleo"]
    assert {row.voice for row in Plan(0, 6, Cast(names, "fixed")).rows(questions(6))} == {"anna"}


def test_random_voices_are_the_same_in_every_run_and_all_used():
    names = ("anna", "ben", "cleo")
    first = [row.voice for row in Plan(3, 300, Cast(names, "random")).rows(questions(300))]
    again = [Plan(3, 300, Cast(names, "random")).voice(index) for index in range(300)]
    assert first == again
    assert min(first.count(name) for name in names) > 60


def test_without_names_the_models_default_voice_speaks():
    assert Plan(0, 1).voice(0) is None
