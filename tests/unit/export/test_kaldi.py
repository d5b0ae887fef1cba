"""`--to kaldi`, loaded back by kaldiio and by Lhotse's reader of Kaldi's folders."""

import kaldiio
import numpy as np
import pytest
import soundfile
from lhotse.kaldi import load_kaldi_data_dir

from tests.product import manifest_rows
from tests.unit.export.runs import RATE, finished_run
from voicegen.errors import InputError
from voicegen.job.exporting import export_run


def lines(path):
    return path.read_text("utf-8").splitlines()


def test_kaldiio_and_lhotse_read_the_texts_the_speakers_and_the_same_samples(tmp_path):
    run = finished_run(tmp_path / "run")
    export_run(run, "kaldi", tmp_path / "out")
    waves = kaldiio.load_scp(str(tmp_path / "out/train/wav.scp"))
    recordings, supervisions, _ = load_kaldi_data_dir(tmp_path / "out/train", RATE)
    rows = manifest_rows(run)
    assert len(waves) == len(recordings) == len(supervisions) == len(rows)
    for row in rows:
        name = f"{row['voice']}-{row['index']:06d}"
        rate, samples = waves[name]
        assert rate == RATE
        assert (samples == soundfile.read(run / row["audio_path"], dtype="int16")[0]).all()
        assert np.abs(recordings[name].load_audio()[0] * 2**15 - samples).max() < 1
        said = supervisions[name]
        assert (said.text, said.speaker, said.language) == (row["answer_spoken"], row["voice"], row["language"])
        assert said.duration == pytest.approx(row["duration"], abs=1e-6)


def test_every_table_is_sorted_as_kaldi_wants_it_and_nothing_else_is_left(tmp_path):
    export_run(finished_run(tmp_path / "run"), "kaldi", tmp_path / "out")
    folder = tmp_path / "out/train"
    tables = {path.name for path in folder.iterdir() if path.is_file()}
    assert tables == {"wav.scp", "text", "utt2spk", "spk2utt", "utt2lang", "utt2dur", "reco2dur"}
    for table in tables - {"spk2utt"}:
        names = [line.split()[0].encode() for line in lines(folder / table)]
        assert names == sorted(names)
        assert len(names) == 5
    assert lines(folder / "spk2utt") == ["ann ann-000000 ann-000002 ann-000004", "bob bob-000001 bob-000003"]


def test_two_voices_that_kaldi_could_not_tell_apart_are_refused(tmp_path):
    run = finished_run(tmp_path / "run", voices=("a b", "a_b"))
    with pytest.raises(InputError, match="the voices 'a b' and 'a_b' would both be Kaldi's speaker a_b"):
        export_run(run, "kaldi", tmp_path / "out")
    assert not (tmp_path / "out").exists()
