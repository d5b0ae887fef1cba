"""What is held of a run of any length, against what its whole manifest says."""

import numpy as np
import pandas as pd
import pytest

from voicegen.report import overview as module
from voicegen.report.overview import overview
from voicegen.report.statistics import MEASURES, totals, worst

TABLE = 80  # rows
SAMPLED = 100


def manifest(rows: int) -> pd.DataFrame:
    draw = np.random.default_rng(rows)
    return pd.DataFrame(
        {
            "status": draw.choice(["ok", "rejected", "failed"], rows, p=[0.98, 0.015, 0.005]),
            "duration": draw.gamma(9, 1, rows),
            "pace": np.where(draw.random(rows) < 0.2, np.nan, draw.normal(1, 0.1, rows)),
            "wer": draw.exponential(0.05, rows),
            "attempts": draw.integers(1, 4, rows),
        }
    )


def batches(rows: pd.DataFrame, size: int):
    return (rows[start : start + size].reset_index(drop=True) for start in range(0, len(rows), size))


@pytest.fixture(autouse=True)
def _few_are_sampled(monkeypatch):
    monkeypatch.setattr(module, "MOST_SAMPLED", SAMPLED)


@pytest.mark.parametrize(
    ("rows", "size"), [(1, 1), (10, 1), (10, 7), (80, 7), (80, 80), (500, 17), (500, 120), (500, 1_000)]
)
def test_the_size_of_batches_changes_nothing_and_rows_that_need_a_look_are_in_the_table(rows, size):
    whole = manifest(rows)
    found = overview(batches(whole, size), TABLE)

    measures = [measure.name for measure in MEASURES if measure.name in whole]
    step = 1 if rows <= SAMPLED else 8
    pd.testing.assert_frame_equal(
        found.sample, whole[measures][::step].reset_index(drop=True).astype("float64"), check_names=False
    )
    assert found.totals == pytest.approx(totals(whole))
    assert len(found.places) == min(rows, TABLE)
    assert (np.diff(found.places) > 0).all()
    if rows > TABLE:
        assert set(worst(whole[measures], found.sample.median(), TABLE // 4 // len(MEASURES))) <= set(found.places)
        assert set(np.flatnonzero(whole["status"] != "ok")) <= set(found.places)
        parts, _ = np.histogram(found.places, bins=8, range=(0, rows))
        assert parts.min() > TABLE / 8 / 2  # from everywhere


def test_a_measure_that_no_row_of_the_sample_has_is_not_drawn():
    whole = manifest(500).assign(mos=np.nan)
    whole.loc[401, "mos"] = 3.0
    found = overview(batches(whole, 50), TABLE)
    assert "mos" not in found.sample
    assert len(found.places) == TABLE


def test_a_run_of_no_rows_has_an_overview():
    found = overview([], TABLE)
    assert (found.totals["rows"], found.totals["wer"], len(found.places), len(found.sample)) == (0, None, 0, 0)
