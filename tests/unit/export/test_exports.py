"""What holds for an export of any format: which rows, which audio, and where it comes to lie."""

import io
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from tests.unit.export.runs import RATE, finished_run
from voicegen.cli import main
from voicegen.errors import ConfigError, InputError, OutputError
from voicegen.export.choice import Selection
from voicegen.export.destination import export_folder
from voicegen.export.formats import EXPORTERS
from voicegen.export.rows import ExportRows
from voicegen.export.sound import Wanted, read_sound
from voicegen.job.exporting import export_run
from voicegen.records import ClipPlace
from voicegen.store import Store


def exported(folder):
    return pq.read_table(folder / "train" / "metadata.parquet").to_pylist()


def indexes(run, place, **selection):
    export_run(run, "audiofolder", place, Selection(**selection))
    return [row["index"] for row in exported(place)]


def test_good_rows_alone_are_exported_unless_others_are_asked_for(tmp_path):
    run = finished_run(tmp_path / "run", ["ok", "rejected", "failed", "ok"])
    assert indexes(run, tmp_path / "good") == [0, 3]
    assert indexes(run, tmp_path / "heard", statuses=("ok", "rejected")) == [0, 1, 3]
    assert [row["status"] for row in exported(tmp_path / "heard")] == ["ok", "rejected", "ok"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("duration > 0.25", [2, 3, 4]),
        ("voice = 'ann' AND topic = 'even'", [0, 2, 4]),
        ("question ILIKE '%IST 3%'", [3]),
        ("len(left_out) = 0 and finish_reason = 'stop' and \"index\" < 2", [0, 1]),
        ("error is null or true", [0, 1, 2, 3, 4]),
    ],
)
def test_a_condition_over_the_columns_chooses_rows(tmp_path, where, expected):
    assert indexes(finished_run(tmp_path / "run"), tmp_path / "out", where=where) == expected


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("durtion > 1", "durtion.*duration"),
        ("duration >", "syntax error"),
        ("duration > (select count(*) from read_csv('/etc/passwd'))", "cannot be used"),
        ("duration > (select count(*) from '/etc/passwd')", "cannot be used"),
        (" ", "is empty"),
    ],
)
def test_a_condition_that_cannot_be_used_is_one_line_and_reads_no_file(tmp_path, where, said):
    with pytest.raises(ConfigError, match=said) as refused:
        indexes(finished_run(tmp_path / "run"), tmp_path / "out", where=where)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_where_no_row_is_chosen_the_error_says_what_was_asked_for(tmp_path):
    run = finished_run(tmp_path / "run")
    with pytest.raises(InputError, match="of its 5 rows none passes --status ok --split test"):
        indexes(run, tmp_path / "out", split="test")


def test_audio_that_is_to_stay_as_it_is_is_copied_byte_for_byte(tmp_path):
    run = finished_run(tmp_path / "run")
    export_run(run, "audiofolder", tmp_path / "out", wanted=Wanted(RATE, "wav"))
    for row in exported(tmp_path / "out"):
        copied = tmp_path / "out" / "train" / row["file_name"]
        assert copied.read_bytes() == (run / "audio" / copied.name).read_bytes()


def test_audio_is_resampled_and_encoded_as_asked_and_the_columns_say_so(tmp_path):
    run = finished_run(tmp_path / "run")
    export_run(run, "audiofolder", tmp_path / "out", wanted=Wanted(16_000, "flac"))
    for row in exported(tmp_path / "out"):
        path = tmp_path / "out" / "train" / row["file_name"]
        info = soundfile.info(path)
        assert (path.suffix, info.format, info.subtype) == (".flac", "FLAC", "PCM_16")
        assert (row["sampling_rate"], row["num_samples"]) == (info.samplerate, info.frames) == (16_000, info.frames)
        assert row["duration"] == pytest.approx(0.1 * (row["index"] + 1), abs=1e-3)
        assert row["peak"] == pytest.approx(20 * np.log10(0.3), abs=0.2)


def test_what_the_metadata_of_audio_says_of_it_is_kept_when_it_is_encoded_anew(tmp_path):
    path = tmp_path / "marked.wav"
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        file.comment, file.software, file.copyright = "synthetic speech; voice joe", "voicegen", "CC-BY"
        file.write(np.zeros(2205, np.float32))
    sound = read_sound(Store(tmp_path), ClipPlace(path.name), RATE, 2205, None, Wanted(8_000, "flac"))
    with soundfile.SoundFile(io.BytesIO(sound.data)) as kept:
        assert (kept.format, kept.samplerate, kept.frames) == ("FLAC", 8_000, 800)
        assert (kept.comment, kept.copyright) == ("synthetic speech; voice joe", "CC-BY")
        assert kept.software.startswith("voicegen")


def test_flac_holds_the_samples_that_a_wav_would(tmp_path):
    path = tmp_path / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.2, 20_000), RATE)
    for rate in (None, 16_000):
        sounds = [
            read_sound(Store(tmp_path), ClipPlace(path.name), RATE, 20_000, None, Wanted(rate, container))
            for container in ("wav", "flac")
        ]
        wav, flac = (soundfile.read(io.BytesIO(sound.data), dtype="int16")[0] for sound in sounds)
        np.testing.assert_array_equal(flac, wav)


def test_audio_that_is_gone_or_damaged_stops_the_export_and_nothing_is_left(tmp_path):
    run = finished_run(tmp_path / "run")
    audio = run / "audio" / "000003.wav"
    damaged = bytearray(audio.read_bytes())
    damaged[-1] ^= 1
    audio.write_bytes(damaged)
    with pytest.raises(InputError, match=r"000003\.wav is not what the manifest says.*verify RUN --fix"):
        export_run(run, "audiofolder", tmp_path / "out")
    audio.unlink()
    with pytest.raises(InputError, match=r"000003\.wav cannot be read: no such file"):
        export_run(run, "audiofolder", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.csv"]


def test_an_export_is_replaced_by_the_next_one_and_nothing_else_ever_is(tmp_path):
    run, place = finished_run(tmp_path / "run"), tmp_path / "out"
    assert len(indexes(run, place)) == 5
    assert len(indexes(run, place, where="voice = 'ann'")) == 3
    assert len(list(place.rglob("*.wav"))) == 3
    files, size = 5, sum(path.stat().st_size for path in place.rglob("*.[pwm]*") if path.is_file())
    said = list(export_run(run, "audiofolder", place).lines())
    assert f"replaced  the export that was there: {files} files, {size / 1e6:.1f} MB" in said
    (place / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(OutputError, match="was changed since it was made"):
        indexes(run, place)
    assert (place / "notes.txt").exists()
    for other in (run, run / "inside", tmp_path):
        with pytest.raises(OutputError, match=r"in the run itself|is no export of voicegen"):
            indexes(run, other)


def test_what_a_killed_export_left_is_no_hindrance_to_the_next(tmp_path):
    run = finished_run(tmp_path / "run")
    left = tmp_path / ".out.voicegen-tmp" / "train"
    left.mkdir(parents=True)
    (left / "000000.wav").write_bytes(b"half")
    assert len(indexes(run, tmp_path / "out")) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run", "run.csv"]


def test_an_export_that_was_killed_while_it_replaced_another_loses_neither(tmp_path):
    run, place = finished_run(tmp_path / "run"), tmp_path / "out"
    aside = tmp_path / ".out.voicegen-tmp.old"
    for replaced in (False, True):
        indexes(run, place, where="voice = 'ann'")
        shutil.copytree(place, aside) if replaced else place.rename(aside)  # as it is before it is replaced, and after
        with pytest.raises(OutputError), export_folder(place, run):
            raise OutputError("the disk is full")
        assert len(exported(place)) == 3, "the export that was there is there again"
        assert [len(indexes(run, place)) for _ in range(2)] == [5, 5]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run", "run.csv"]


def test_the_rows_of_a_run_that_goes_on_are_those_of_one_moment(tmp_path):
    run = finished_run(tmp_path / "run")
    rows = []

    def goes_on(count):
        if not rows:
            finished_run(run, ["ok"] * 9)
        rows.append(count)

    source = ExportRows(run, tell=goes_on)
    assert [row.values["index"] for row in source.rows("train")] == [0, 1, 2, 3, 4]


def test_the_command_says_what_was_exported_and_how_to_load_it(tmp_path, capsys):
    run = finished_run(tmp_path / "run", ["ok", "rejected", "ok"])
    assert main(["export", str(run), "--to", "audiofolder", str(tmp_path / "out"), "--status", "all"]) == 2
    assert "holds rows with audio alone" in capsys.readouterr().err
    assert main(["export", str(run), "--to", "audiofolder", str(tmp_path / "out"), "--status", "ok,rejected"]) == 0
    said = capsys.readouterr().out
    assert "2 ok, 1 rejected of 3 rows" in said
    assert f'load_dataset("audiofolder", data_dir="{tmp_path / "out"}")' in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "out"], "say what to export to: --to hf|"),
        (["run", "out", "--to", "webdatset"], "did you mean webdataset?"),
        (["run", "--to", "webdataset"], "a run's folder and the folder to write"),
        (["run", "out", "--to", "webdataset", "--status", "good"], "--status good: give some of ok, rejected, failed"),
        (["run", "out", "--to", "webdataset", "--split", "dev"], "--split dev: give train, validation or test"),
        (["run", "out", "--to", "webdataset", "--format", "ogg"], "--format ogg: give wav, flac, opus or mp3"),
        (["run", "out", "--to", "webdataset", "--format", "opus"], "not of 22050: give --sample-rate 24000"),
        (["run", "out", "--to", "hf", "--format", "mp3", "--sample-rate", "96000"], "give --sample-rate 48000"),
        (["run", "out", "--to", "kaldi", "--format", "mp3"], "--to kaldi holds wav files alone"),
        (["run", "out", "--to", "webdataset", "--sample-rate", "16k"], "--sample-rate 16k: give a rate in Hz"),
        (["nowhere", "out", "--to", "webdataset"], "there is no manifest"),
    ],
)
def test_what_cannot_be_exported_is_answered_with_one_line(tmp_path, capsys, monkeypatch, words, said):
    finished_run(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    assert main(["export", *words]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_help_lists_the_formats(capsys):
    assert main(["export", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in EXPORTERS)
    assert json.dumps(said).isascii()
