"""`--to ljspeech`, loaded back by torchaudio and by Lhotse's recipe."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torchaudio
from lhotse.recipes.ljspeech import prepare_ljspeech

from tests.product import manifest_rows
from tests.unit.export.runs import RATE, finished_run
from voicegen.errors import ConfigError
from voicegen.export.sound import Wanted
from voicegen.job.exporting import export_run


def test_torchaudio_and_lhotse_read_the_texts_and_the_same_samples(tmp_path):
    run = finished_run(tmp_path / "run")
    export_run(run, "ljspeech", tmp_path / "out")
    dataset = torchaudio.datasets.LJSPEECH(tmp_path / "out", url="train")
    prepared = prepare_ljspeech(tmp_path / "out" / "train")
    rows = manifest_rows(run)
    assert len(dataset) == len(prepared["recordings"]) == len(rows)
    for line, recording, said, row in zip(
        dataset._flist, prepared["recordings"], prepared["supervisions"], rows, strict=True
    ):
        assert line[1:] == [row["answer_spoken"]] * 2
        assert (said.text, said.duration) == (row["answer_spoken"], row["duration"])
        assert (recording.load_audio() == soundfile.read(run / row["audio_path"], dtype="float32")[0]).all()


def test_a_text_with_bars_and_lines_is_one_line_of_three_cells(tmp_path):
    run = finished_run(tmp_path / "run", ["ok"])
    table = pq.read_table(run / "manifest.parquet")
    column = table.column_names.index("answer_spoken")
    table = table.set_column(column, "answer_spoken", pa.array(['One | two\nthree "four".']))
    pq.write_table(table, run / "manifest.parquet")
    export_run(run, "ljspeech", tmp_path / "out")
    [line] = torchaudio.datasets.LJSPEECH(tmp_path / "out", url="train")._flist
    assert line == ["000000", 'One two three "four".', 'One two three "four".']


def test_it_holds_wav_files_alone(tmp_path):
    run = finished_run(tmp_path / "run", ["ok"])
    with pytest.raises(ConfigError, match="--to ljspeech holds wav files alone: leave --format out"):
        export_run(run, "ljspeech", tmp_path / "out", wanted=Wanted(None, "flac"))
    export_run(run, "ljspeech", tmp_path / "out", wanted=Wanted(16_000))
    assert soundfile.info(tmp_path / "out/train/wavs/000000.wav").samplerate == 16_000 != RATE
