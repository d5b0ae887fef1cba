"""`--format opus` and `mp3`: what the libraries of each format read back is as long as it was, and nearly the same."""

import io
import json
from hashlib import sha256

import datasets
import lhotse
import numpy as np
import pytest
import soundfile
import webdataset

from tests.product import manifest_rows
from tests.unit.export.runs import RATE, finished_run
from voicegen.audio.audio_file import write_audio
from voicegen.audio.resample import resample
from voicegen.export.rows import ExportRows
from voicegen.export.sound import Wanted, read_sound
from voicegen.job.exporting import export_run
from voicegen.records import ClipPlace
from voicegen.store import Store

WANTED = {"opus": Wanted(24_000, "opus"), "mp3": Wanted(None, "mp3")}


def decoded(data):
    return soundfile.read(io.BytesIO(data), dtype="float32")


def by_datasets(folder, *kind):
    rows = datasets.load_dataset(*kind, data_dir=str(folder), split="train").cast_column(
        "audio", datasets.Audio(decode=False)
    )
    for row in rows:
        data = row["audio"]["bytes"] or (folder / row["audio"]["path"]).read_bytes()
        yield row["answer_spoken"], *decoded(data)


def by_webdataset(folder, encoding):
    for row in webdataset.WebDataset(str(folder / "train-000000.tar"), shardshuffle=False):
        yield json.loads(row["json"])["answer_spoken"], *decoded(row[encoding])


def by_lhotse(cuts):
    for cut in cuts:
        yield cut.supervisions[0].text, cut.load_audio()[0], cut.sampling_rate


def by_nemo(folder):
    for line in (folder / "manifest.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        yield row["text"], *decoded((folder / row["audio_filepath"]).read_bytes())


READERS = {
    "hf": lambda folder, _encoding: by_datasets(folder, "parquet"),
    "audiofolder": lambda folder, _encoding: by_datasets(folder, "audiofolder"),
    "webdataset": by_webdataset,
    "nemo": lambda folder, _encoding: by_nemo(folder / "train"),
    "lhotse": lambda folder, _encoding: by_lhotse(lhotse.CutSet.from_file(folder / "train/cuts.jsonl.gz")),
    "lhotse-shar": lambda folder, _encoding: by_lhotse(lhotse.CutSet.from_shar(in_dir=folder / "train")),
}


@pytest.mark.parametrize("encoding", WANTED)
@pytest.mark.parametrize("name", READERS)
def test_each_reader_decodes_the_texts_the_lengths_and_nearly_the_samples(tmp_path, monkeypatch, name, encoding):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    run = finished_run(tmp_path / "run")
    export_run(run, name, tmp_path / "out", wanted=WANTED[encoding])
    read = list(READERS[name](tmp_path / "out", encoding))
    for (text, samples, rate), row in zip(read, manifest_rows(run), strict=True):
        wav, _ = soundfile.read(run / row["audio_path"], dtype="float32")
        meant = resample(wav, RATE, rate)
        assert text == row["answer_spoken"]
        assert rate == (WANTED[encoding].sampling_rate or RATE)
        assert len(samples) == len(meant)
        assert np.corrcoef(samples, meant)[0, 1] > 0.95


@pytest.mark.parametrize("encoding", WANTED)
def test_the_hash_is_of_the_samples_that_were_encoded(tmp_path, encoding):
    run = finished_run(tmp_path / "run")
    original = soundfile.read(run / "audio/000002.wav", dtype="float32")[0]
    meant = resample(original, RATE, WANTED[encoding].sampling_rate or RATE).astype("<f4")
    hashes = [
        [row.values["audio_sha256"] for row in ExportRows(run, wanted=WANTED[encoding]).rows("train")] for _ in "ab"
    ]
    assert hashes[0] == hashes[1]
    assert hashes[0][2] == sha256(meant.tobytes()).hexdigest()


@pytest.mark.parametrize("encoding", WANTED)
def test_a_smaller_file_still_says_of_itself_that_it_is_synthetic(tmp_path, encoding):
    tags = {"comment": '{"synthetic": true}', "artist": "joe (a model, synthetic)"}
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    write_audio(tmp_path / "marked.wav", noise, RATE, tags=tags)
    sound = read_sound(Store(tmp_path), ClipPlace("marked.wav"), RATE, RATE, None, WANTED[encoding])
    with soundfile.SoundFile(io.BytesIO(sound.data)) as kept:
        assert tags.items() <= kept.copy_metadata().items()
    assert len(sound.data) < (tmp_path / "marked.wav").stat().st_size / 3


def test_the_card_says_that_something_is_lost_and_what_the_hash_is_of(tmp_path):
    run = finished_run(tmp_path / "run")
    for container, said in (("mp3", True), ("flac", False)):
        export_run(run, "hf", tmp_path / "out", wanted=Wanted(container=container))
        card = (tmp_path / "out" / "README.md").read_text("utf-8")
        assert (f"encoded as {container}, which loses some of it" in card) == said
