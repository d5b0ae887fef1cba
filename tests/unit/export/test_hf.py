"""`--to hf`, loaded back by Hugging Face's `datasets`, with what decodes audio there and without."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import av
import datasets
import pyarrow.parquet as pq
import pytest
import soundfile

from tests.product import manifest_rows
from tests.unit.export.runs import finished_run, taken_from
from voicegen.export import hf
from voicegen.export.choice import Selection
from voicegen.job.exporting import export_run


def loaded(folder, cache):
    return datasets.load_dataset(str(folder), cache_dir=str(cache))


def test_datasets_loads_an_audio_column_and_soundfile_decodes_the_same_samples(tmp_path):
    run = finished_run(tmp_path / "run")
    export_run(run, "hf", tmp_path / "out")
    dataset = loaded(tmp_path / "out", tmp_path / "cache")["train"]
    assert dataset.features["audio"] == datasets.Audio()
    rows = dataset.cast_column("audio", datasets.Audio(decode=False))
    for row, original in zip(rows, manifest_rows(run), strict=True):
        wav = run / taken_from(original)
        assert {name: row[name] for name in original} == original
        assert row["audio"] == {"bytes": wav.read_bytes(), "path": wav.name}
        samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]))
        assert (rate, len(samples)) == (row["sampling_rate"], row["num_samples"])


@pytest.mark.skipif(sys.platform != "linux", reason="FFmpeg's libraries are found by LD_LIBRARY_PATH")
def test_torchcodec_decodes_the_same_samples(tmp_path):
    run = finished_run(tmp_path / "run")
    export_run(run, "hf", tmp_path / "out")
    decode = (
        "import datasets, json, sys\n"
        "dataset = datasets.load_dataset(sys.argv[1], split='train', cache_dir=sys.argv[2])\n"
        "for row in dataset:\n"
        "    found = row['audio'].get_all_samples()\n"
        "    print(json.dumps([found.sample_rate, *found.data.shape, found.data.abs().max().item()]))\n"
    )
    words = [sys.executable, "-c", decode, tmp_path / "out", tmp_path / "cache"]
    environment = {**os.environ, "LD_LIBRARY_PATH": ffmpeg_libraries(tmp_path / "ffmpeg")}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line, original in zip(done.stdout.splitlines(), manifest_rows(run), strict=True):
        rate, channels, length, peak = json.loads(line)
        assert (rate, channels, length) == (original["sampling_rate"], 1, original["num_samples"])
        assert peak == pytest.approx(0.3, abs=0.01)


def ffmpeg_libraries(folder):
    """FFmpeg as PyAV brings it, its libraries under the names that the system's would have."""
    folder.mkdir()
    libraries = Path(av.__file__).parent.with_name("av.libs")
    for path in [*libraries.glob("libav*"), *libraries.glob("libsw*")]:
        name, version = path.name.split("-")[0], path.name.split(".so.")[1].split(".")[0]
        (folder / f"{name}.so.{version}").symlink_to(path)
    return f"{folder}:{libraries}"


def test_row_groups_and_shards_stay_under_their_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(hf, "GROUP_BYTES", 80_000)
    monkeypatch.setattr(hf, "GROUP_ROWS", 4)
    monkeypatch.setattr(hf, "SHARD_BYTES", 120_000)
    run = finished_run(tmp_path / "run", ["ok"] * 16)
    export_run(run, "hf", tmp_path / "out")
    shards = sorted((tmp_path / "out" / "data").iterdir())
    assert [shard.name for shard in shards] == [
        f"train-{n:05d}-of-{len(shards):05d}.parquet" for n in range(len(shards))
    ]
    assert len(shards) > 1
    for shard in shards:
        found = pq.read_metadata(shard)
        groups = [found.row_group(number) for number in range(found.num_row_groups)]
        columns = [group.column(number) for group in groups for number in range(group.num_columns)]
        assert sum(column.total_compressed_size for column in columns) <= 121_000  # with the headers of pages
        assert all(group.num_rows <= 4 and group.column(0).total_uncompressed_size <= 80_500 for group in groups)
    indexes = [index for shard in shards for index in pq.read_table(shard)["index"].to_pylist()]
    assert indexes == list(range(16))


def test_a_shard_ends_after_so_many_row_groups_however_small_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(hf, "GROUP_ROWS", 2)
    monkeypatch.setattr(hf, "SHARD_GROUPS", 2)
    export_run(finished_run(tmp_path / "run", ["ok"] * 9), "hf", tmp_path / "out")
    shards = [pq.ParquetFile(path) for path in sorted((tmp_path / "out" / "data").iterdir())]
    assert [shard.num_row_groups for shard in shards] == [2, 2, 1]
    assert [index for shard in shards for index in shard.read(["index"])["index"].to_pylist()] == list(range(9))


def test_audio_is_not_compressed_and_all_else_is(tmp_path):
    export_run(finished_run(tmp_path / "run"), "hf", tmp_path / "out")
    [shard] = (tmp_path / "out" / "data").iterdir()
    group = pq.read_metadata(shard).row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    assert {column.path_in_schema for column in columns if column.compression != "ZSTD"} == {"audio.bytes"}


def test_rows_without_audio_have_a_null_in_its_place(tmp_path):
    run = finished_run(tmp_path / "run", ["ok", "failed"])
    export_run(run, "hf", tmp_path / "out", Selection(statuses=("ok", "failed")))
    rows = loaded(tmp_path / "out", tmp_path / "cache")["train"].cast_column("audio", datasets.Audio(decode=False))
    assert [row["audio"] is None for row in rows] == [False, True]
    assert rows[1]["error"] == "input: column 'question' is empty"


def test_a_column_of_the_input_that_is_called_as_one_of_the_format_gets_a_suffix(tmp_path):
    run = finished_run(tmp_path / "run", extra="Audio")
    export_run(run, "hf", tmp_path / "out")
    rows = pq.read_table(tmp_path / "out" / "data").to_pylist()
    assert rows[0]["Audio_input"] == "even"
    assert rows[0]["audio"]["path"] == "000000.wav"
