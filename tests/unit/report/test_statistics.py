import numpy as np
import pandas as pd

from voicegen.report.statistics import MEASURES, added, histogram, measured, totals, worst

BY_NAME = {measure.name: measure for measure in MEASURES}


def test_a_measure_is_taken_from_the_first_of_its_columns_that_a_row_has():
    found = measured(pd.DataFrame({"loudness": [-23.0, None], "lufs": [-25.0, -31.0], "wer": [None, None]}))
    assert found["loudness"].tolist() == [-23.0, -31.0]
    assert list(found.columns) == ["loudness"]


def test_totals_count_rows_by_status_and_only_good_rows_audio_and_word_errors():
    rows = pd.DataFrame(
        {
            "status": ["ok", "ok", "rejected", "failed"],
            "duration": [2.0, 3.0, 9.0, None],
            "attempts": [1, 2, 3, 0],
            "wer": [0.0, 0.2, 0.9, None],
            "tts_seconds": [1.0, 1.0, 1.0, None],
        }
    )
    assert totals(rows) == {
        "rows": 4, "ok": 2, "rejected": 1, "failed": 1, "seconds": 5.0, "takes": 6, "heard": 2, "wer": 0.1,
        "compute": 3.0, "question_rejected": 0, "question_seconds": 0.0,
    }  # fmt: skip


def test_every_row_is_in_one_bar_also_those_far_outside():
    values = pd.Series([*np.linspace(1.0, 2.0, 999), 500.0, None])
    found = histogram(values, BY_NAME["duration"])
    assert sum(found["counts"]) == 1000
    assert found["edges"][-1] < 3
    assert found["to"] == 500.0


def test_whole_numbers_have_a_bar_each():
    found = histogram(pd.Series([1, 1, 1, 3, 3]), BY_NAME["attempts"])
    assert (found["edges"], found["counts"]) == ([1, 2, 3, 4], [3, 0, 2])


def test_values_that_are_all_the_same_have_a_histogram_too():
    assert sum(histogram(pd.Series([0.5, 0.5]), BY_NAME["pace"])["counts"]) == 2


def test_the_worst_pace_is_the_one_furthest_from_the_median_and_the_worst_opinion_the_lowest():
    rows = pd.DataFrame({"pace": [1.0, 1.1, 0.2, 1.5]})
    assert worst(rows, rows.median(), 1) == [2]
    opinions = pd.DataFrame({"mos": [3.0, 1.5]})
    assert worst(opinions, opinions.median(), 1) == [1]


def test_the_worst_rows_by_each_measure_come_in_turns():
    rows = pd.DataFrame({"wer": [0.1, 0.9, 0.5, 0.0], "put_in": [1.0, 2.0, 3.0, None]})
    assert worst(rows, rows.median(), 2) == [1, 2]
    assert worst(rows, rows.median(), 1) == [1, 2]
    assert worst(rows, rows.median(), 3) == [1, 2, 0]


def test_the_totals_of_two_parts_together_are_those_of_the_whole():
    rows = pd.DataFrame(
        {
            "status": ["ok", "ok", "rejected", "ok", "failed"],
            "duration": [1.0, 2.5, 3.0, 0.5, None],
            "attempts": [1, 1, 3, 2, None],
            "wer": [0.0, 0.5, 0.9, None, None],
            "tts_seconds": [0.25] * 5,
        }
    )
    for end in range(6):
        assert added(totals(rows[:end]), totals(rows[end:])) == totals(rows)
