"""What report and card say of the questions' clips, where those are beside the answers'."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.export.runs import finished_run
from tests.unit.report.test_report_of_two import packed
from voicegen.report import write_report
from voicegen.report.card import write_run_card
from voicegen.store import Store


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Rows whose questions have a pace and word errors; the last is rejected for its question alone."""
    run = finished_run(tmp_path_factory.mktemp("run") / "run", ("ok",) * 4, asked=True)
    path = run / "manifest.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    for row, wer in zip(rows, (0.0, 0.1, 0.3, 0.9), strict=True):
        row["question_measures"] |= {"pace": 1.0 + wer, "wer": wer}
    rows[3] |= {"status": "rejected", "question_status": "rejected"}
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    return run


def head(run):
    write_report(Store(run))
    return json.loads(packed(run / "report.html")["head"])


def test_the_report_measures_the_questions_and_counts_those_rejected(run):
    found = head(run)
    totals = found["totals"]
    assert (totals["rejected"], totals["question_rejected"]) == (1, 1)
    assert totals["question_seconds"] == pytest.approx(0.05 * (2 + 3 + 4), abs=1e-3)
    drawn = {measure["label"] for measure in found["measures"] if measure["histogram"]}
    assert {"Question: duration", "Question: pace", "Question: word errors"} <= drawn
    assert found["numbers"]["question_wer"] == [0.0, 0.1, 0.3, 0.9]
    assert found["categories"]["question_status"]["names"] == ["ok", "rejected"]


def test_the_card_measures_the_questions_of_good_rows(run):
    write_run_card(Store(run))
    card = (run / "README.md").read_text("utf-8")
    assert "Of the rejected rows 1 lack a good take of the question (`question_status`)." in card
    assert "| Question: word errors | 3 | 0.010 | 0.100 | 0.280 |" in card


def test_a_run_that_speaks_questions_alone_has_its_only_clip_once(run, tmp_path):
    alone = finished_run(tmp_path / "alone")
    table = pq.read_table(alone / "manifest.parquet")
    paths = table.column_names.index("question_audio_path"), table.column_names.index("question_duration")
    for place, name in zip(paths, ("audio_path", "duration"), strict=True):
        table = table.set_column(place, table.schema.field(place), table[name])
    pq.write_table(table, alone / "manifest.parquet")
    found = head(alone)
    assert not [measure for measure in found["measures"] if measure["name"].startswith("question")]
    assert found["totals"]["question_seconds"] == 0
