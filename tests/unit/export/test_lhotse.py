"""`--to lhotse` and `--to lhotse-shar`, loaded back by Lhotse."""

import shutil

import lhotse
import pytest
import soundfile
from lhotse import validate

from tests.product import manifest_rows
from tests.unit.export.runs import finished_run
from voicegen.export.sound import Wanted
from voicegen.job.exporting import export_run


def cut_set(run, place):
    export_run(run, "lhotse", place)
    return lhotse.CutSet.from_file(place / "train" / "cuts.jsonl.gz")


def shar(run, place):
    export_run(run, "lhotse-shar", place)
    moved = shutil.move(place, place.with_name("moved"))
    return lhotse.CutSet.from_shar(in_dir=moved / "train")


@pytest.mark.parametrize("exported", [cut_set, shar])
def test_lhotse_loads_cuts_with_texts_voices_columns_and_the_same_samples(tmp_path, exported):
    run = finished_run(tmp_path / "run")
    cuts = list(exported(run, tmp_path / "out"))
    for cut, row in zip(cuts, manifest_rows(run), strict=True):
        validate(cut, read_data=True)
        samples, rate = soundfile.read(run / row["audio_path"], dtype="float32")
        assert (cut.load_audio() == samples).all()
        assert (cut.sampling_rate, cut.num_samples, cut.duration) == (rate, len(samples), row["duration"])
        [said] = cut.supervisions
        assert (said.text, said.speaker, said.language) == (row["answer_spoken"], row["voice"], row["language"])
        assert (said.duration, said.alignment) == (cut.duration, None)
        assert (cut.question, cut.topic, cut.custom["id"]) == (row["question"], row["topic"], row["id"])


@pytest.mark.parametrize("exported", [cut_set, shar])
def test_words_are_lhotses_alignment(tmp_path, exported):
    run = finished_run(tmp_path / "run", words=True)
    for cut, row in zip(exported(run, tmp_path / "out"), manifest_rows(run), strict=True):
        aligned = [(item.symbol, item.start, item.end) for item in cut.supervisions[0].alignment["word"]]
        assert aligned == [(word["word"], word["start"], word["end"]) for word in row["words"]]


def test_audio_in_shar_is_the_runs_own_bytes_or_encoded_as_asked(tmp_path):
    run = finished_run(tmp_path / "run", ["ok"])
    export_run(run, "lhotse-shar", tmp_path / "out")
    shutil.unpack_archive(tmp_path / "out/train/recording.000000.tar", tmp_path / "own")
    assert (tmp_path / "own/000000.wav").read_bytes() == (run / "audio/000000.wav").read_bytes()
    export_run(run, "lhotse-shar", tmp_path / "flac", wanted=Wanted(16_000, "flac"))
    [cut] = lhotse.CutSet.from_shar(in_dir=tmp_path / "flac/train")
    assert (cut.sampling_rate, cut.load_audio().shape) == (16_000, (1, 1600))
