"""`--to audiofolder`, loaded back by Hugging Face's `datasets`."""

import datasets
import soundfile

from tests.product import manifest_rows
from tests.unit.export.runs import finished_run, taken_from
from voicegen.job.exporting import export_run


def test_hugging_faces_datasets_loads_the_folder_with_texts_and_the_same_samples(tmp_path):
    run = finished_run(tmp_path / "run")
    export_run(run, "audiofolder", tmp_path / "out")
    loaded = datasets.load_dataset("audiofolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    rows = loaded["train"].cast_column("audio", datasets.Audio(decode=False)).to_list()
    for row, original in zip(rows, manifest_rows(run), strict=True):
        wav = run / taken_from(original)
        assert {name: row[name] for name in original} == original
        samples, rate = soundfile.read(row["audio"]["path"])
        assert (samples == soundfile.read(wav)[0]).all()
        assert (rate, len(samples)) == (row["sampling_rate"], row["num_samples"])
