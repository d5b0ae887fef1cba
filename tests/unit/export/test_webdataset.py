"""`--to webdataset`, loaded back by webdataset."""

import io
import json
import tarfile

import pytest
import soundfile
import webdataset

from tests.product import manifest_rows
from tests.unit.export.runs import finished_run, taken_from
from voicegen.export import webdataset as exporter
from voicegen.export.choice import Selection
from voicegen.job.exporting import export_run


def names_in(shard):
    with tarfile.open(shard) as tar:
        return tar.getnames()


def test_webdataset_reads_texts_and_the_same_samples_in_order(tmp_path):
    run = finished_run(tmp_path / "run")
    export_run(run, "webdataset", tmp_path / "out")
    samples = list(webdataset.WebDataset(str(tmp_path / "out" / "train-000000.tar"), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [f"{index:06d}" for index in range(5)]
    for sample, original in zip(samples, manifest_rows(run, timings=True), strict=True):
        wav = run / taken_from(original)
        assert json.loads(sample["json"]) == original
        assert sample["wav"] == wav.read_bytes()
        assert len(soundfile.read(io.BytesIO(sample["wav"]))[0]) == original["num_samples"]


def test_shards_stay_under_their_size_and_each_row_is_whole_in_one(tmp_path, monkeypatch):
    monkeypatch.setattr(exporter, "SHARD_BYTES", 60_000)
    run = finished_run(tmp_path / "run", ["ok"] * 9)
    export_run(run, "webdataset", tmp_path / "out")
    shards = sorted((tmp_path / "out").glob("train-*.tar"))
    assert [shard.name for shard in shards] == [f"train-{number:06d}.tar" for number in range(len(shards))]
    assert len(shards) > 2
    assert all(shard.stat().st_size <= 60_000 for shard in shards)
    names = [names_in(shard) for shard in shards]
    assert all(
        a.removesuffix(".wav") == b.removesuffix(".json")
        for found in names
        for a, b in zip(found[::2], found[1::2], strict=True)
    )
    assert sum(map(len, names)) == 18


def test_equal_runs_give_equal_shards(tmp_path):
    run = finished_run(tmp_path / "run")
    for place in ("one", "two"):
        export_run(run, "webdataset", tmp_path / place)
    name = "train-000000.tar"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_rows_without_audio_are_there_where_they_are_asked_for(tmp_path):
    run = finished_run(tmp_path / "run", ["ok", "failed"])
    export_run(run, "webdataset", tmp_path / "out", Selection(statuses=("ok", "failed")))
    with tarfile.open(tmp_path / "out" / "train-000000.tar") as tar:
        assert tar.getnames() == ["000000.wav", "000000.json", "000001.json"]
        assert json.load(tar.extractfile("000001.json"))["error"] == "input: column 'question' is empty"


@pytest.mark.parametrize("format", ["wav", "flac"])
def test_the_field_is_called_as_the_audio_is_encoded(tmp_path, format):
    from voicegen.export.sound import Wanted

    export_run(finished_run(tmp_path / "run"), "webdataset", tmp_path / "out", wanted=Wanted(container=format))
    [first, *_] = webdataset.WebDataset(str(tmp_path / "out" / "train-000000.tar"), shardshuffle=False)
    assert soundfile.info(io.BytesIO(first[format])).format == format.upper()
