"""`--to nemo`, read as NeMo documents its manifests: a JSON object a line, paths relative to the manifest."""

import json
import shutil

import soundfile

from tests.product import manifest_rows
from tests.unit.export.runs import finished_run, taken_from
from voicegen.job.exporting import export_run


def test_each_line_has_the_audio_its_duration_its_text_and_the_columns(tmp_path):
    run = finished_run(tmp_path / "run", words=True)
    export_run(run, "nemo", tmp_path / "out")
    moved = shutil.move(tmp_path / "out", tmp_path / "moved") / "train" / "manifest.jsonl"
    entries = [json.loads(line) for line in moved.read_text("utf-8").splitlines()]
    for entry, row in zip(entries, manifest_rows(run), strict=True):
        samples, rate = soundfile.read(moved.parent / entry["audio_filepath"])
        assert (samples == soundfile.read(run / taken_from(row))[0]).all()
        assert (entry["sampling_rate"], entry["duration"]) == (rate, len(samples) / rate)
        assert (entry["text"], entry["lang"]) == (row["answer_spoken"], "en")
        assert {name: value for name, value in row.items() if value is not None}.items() <= entry.items()


def test_columns_of_the_input_that_nemo_would_take_for_its_own_are_renamed(tmp_path):
    run = finished_run(tmp_path / "run", ["ok"], extra="offset")
    export_run(run, "nemo", tmp_path / "out")
    entry = json.loads((tmp_path / "out/train/manifest.jsonl").read_text("utf-8"))
    assert "offset" not in entry
    assert entry["offset_input"] == "even"
