"""Clips packed in shards: other programs read those, and each clip is read by its place alone."""

import io
import json
import tarfile
from dataclasses import replace
from hashlib import sha256

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset

from tests.finished_rows import failed_row, spoken_row
from voicegen.audio.audio_file import encode_audio
from voicegen.pipeline.shards import OpenShards, Packing
from voicegen.records import SpokenQuestion
from voicegen.remote import RemotePath
from voicegen.store import Store
from voicegen.store.clips import read_clip

KINDS = ("tar", "parquet")


def wav(index: int) -> bytes:
    return encode_audio(np.full(50 + index, index / 1000, np.float32), 8_000)


def made(index: int, status: str = "ok", asked: bool = False):
    """A row and the bytes of its clips."""
    row, data = spoken_row(index), [wav(index)]
    folder = "rejected" if status == "rejected" else "audio"
    clip = replace(
        row.clip, path=f"{folder}/{index:06d}.wav", sha256=sha256(data[0]).hexdigest(), num_bytes=len(data[0])
    )
    question = None
    if asked:
        data.append(wav(index + 500))
        path, digest = f"{folder}/{index:06d}.question.wav", sha256(data[1]).hexdigest()
        question = SpokenQuestion("ok", clip=replace(clip, path=path, sha256=digest, num_bytes=len(data[1])))
    return replace(row, status=status, clip=clip, asked=question), data


def packed(kind: str, *rows):
    shards = OpenShards(Packing(kind, 1e6, 60.0), "00000-local")
    shards.add(rows)
    return shards.close()


@pytest.fixture(params=["a folder", "a store of objects"])
def store(request, tmp_path, memory):
    return Store(tmp_path if request.param == "a folder" else RemotePath("memory://bucket/packed"))


@pytest.mark.parametrize("kind", KINDS)
def test_each_clip_is_read_by_its_place_alone_those_of_rejected_rows_from_a_shard_of_theirs(store, kind):
    rows = [made(index, "rejected" if index % 5 == 3 else "ok", asked=index % 2 == 0) for index in range(250)]
    files, placed = packed(kind, *rows, (failed_row(250), []))
    store.put(files)
    assert [name.partition("-local-000000-")[0] for name, _ in files] == ["shards/00000", "shards/rejected/00000"]
    for row, (before, data) in zip(placed, rows, strict=False):
        assert [read_clip(store, clip.place) for clip in row.clips] == data
        assert [clip.path.rpartition("/")[2] for clip in row.clips] == [
            clip.path.rpartition("/")[2] for clip in before.clips
        ]
        assert ("rejected" in row.clip.place.file) == (row.status == "rejected")
    assert placed[-1] == failed_row(250)
    assert read_clip(store, replace(placed[0].clip.place, path="shards/none.tar/000000.wav")) is None


def test_webdataset_and_tarfile_read_a_tar_as_samples_in_order(tmp_path):
    [(_, shard)], _ = packed("tar", *(made(index, asked=True) for index in (2, 0, 1)))
    (tmp_path / "s.tar").write_bytes(shard)
    samples = list(webdataset.WebDataset(str(tmp_path / "s.tar"), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == ["000000", "000001", "000002"]
    assert [(sample["wav"], sample["question.wav"]) for sample in samples] == [(wav(n), wav(n + 500)) for n in range(3)]
    with tarfile.open(fileobj=io.BytesIO(shard)) as tar:
        assert [member.mtime for member in tar] == [0] * 6


def test_pyarrow_and_datasets_read_a_parquet_file_with_an_audio_column(tmp_path):
    [(_, shard)], _ = packed("parquet", *(made(index) for index in (2, 0, 1)))
    (tmp_path / "s.parquet").write_bytes(shard)
    rows = pq.read_table(tmp_path / "s.parquet").to_pylist()
    assert rows == [{"index": n, "audio": {"bytes": wav(n), "path": f"{n:06d}.wav"}} for n in range(3)]
    loaded = datasets.load_dataset("parquet", data_files=str(tmp_path / "s.parquet"), cache_dir=tmp_path)["train"]
    assert isinstance(loaded.features["audio"], datasets.Audio)
    undecoded = loaded.cast_column("audio", datasets.Audio(decode=False))
    assert [row["audio"]["bytes"] for row in undecoded] == [wav(n) for n in range(3)]
    assert "Audio" in json.dumps(pq.read_schema(tmp_path / "s.parquet").metadata[b"huggingface"].decode())


@pytest.mark.parametrize("kind", KINDS)
def test_equal_clips_give_an_equal_shard_and_others_one_of_another_name(kind):
    [first], [again], [other] = (packed(kind, made(0), made(last))[0] for last in (1, 1, 2))
    assert first == again
    assert first[0] != other[0]


def test_shards_are_full_with_so_many_bytes_or_so_long_after_their_first_clip():
    now = 0.0
    shards = OpenShards(Packing("tar", 2.5 * len(wav(0)), 60.0), "00000-local", lambda: now)
    shards.add([made(0), made(1)])
    assert not shards.are_full
    shards.add([made(2)])
    assert shards.are_full
    shards.close()
    now = 1000.0
    shards.add([made(3)])
    assert not shards.are_full
    now = 1060.0
    assert shards.are_full
    assert shards.close()[0][0][0].startswith("shards/00000-local-000001-")
