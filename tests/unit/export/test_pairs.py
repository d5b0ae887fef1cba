"""Exports of runs whose questions are spoken, too, each loaded back by what its users load it with."""

import io
import json
from hashlib import sha256

import datasets
import lhotse
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import webdataset

from tests.product import manifest_rows
from tests.unit.export.runs import finished_run
from voicegen.errors import ConfigError, InputError
from voicegen.export.dialogue import PAUSE
from voicegen.export.sound import Wanted
from voicegen.job.exporting import export_run


@pytest.fixture
def run(tmp_path):
    return finished_run(tmp_path / "run", ("ok",) * 3, words=True, asked=True)


def clips(run):
    """Each row, its question's samples and its answer's."""
    for row in manifest_rows(run):
        yield row, *(soundfile.read(run / row[f"{side}audio_path"], dtype="float32")[0] for side in ("question_", ""))


def samples_of(data):
    return soundfile.read(io.BytesIO(data), dtype="float32")[0]


def from_hf(place):
    undecoded = datasets.Audio(decode=False)
    rows = datasets.load_dataset(str(place), split="train")
    rows = rows.cast_column("audio", undecoded).cast_column("question_audio", undecoded)
    return [(samples_of(row["question_audio"]["bytes"]), samples_of(row["audio"]["bytes"])) for row in rows]


def from_webdataset(place):
    rows = webdataset.WebDataset(str(place / "train-000000.tar"), shardshuffle=False)
    return [(samples_of(row["question.wav"]), samples_of(row["wav"])) for row in rows]


def in_pairs(cuts):
    """The samples of cuts that come by twos, which say what they are."""
    questions, answers = ([cut for cut in cuts if cut.side == side] for side in ("question", "answer"))
    for question, answer in zip(questions, answers, strict=True):
        [asked], [said] = question.supervisions, answer.supervisions
        assert (asked.text, asked.speaker) == (question.question_spoken, question.question_voice)
        assert (said.speaker, question.custom["id"]) == ("ann" if answer.index % 2 == 0 else "bob", answer.custom["id"])
        lhotse.validate(question, read_data=True)
    return [(asked.load_audio()[0], said.load_audio()[0]) for asked, said in zip(questions, answers, strict=True)]


def from_lhotse(place):
    return in_pairs(list(lhotse.CutSet.from_file(place / "train/cuts.jsonl.gz")))


def from_shar(place):
    return in_pairs(list(lhotse.CutSet.from_shar(in_dir=place / "train")))


def from_nemo(place):
    entries = [json.loads(line) for line in (place / "train/manifest.jsonl").open()]
    paths = ("question_audio_filepath", "audio_filepath")
    return [[soundfile.read(place / "train" / entry[path], dtype="float32")[0] for path in paths] for entry in entries]


@pytest.mark.parametrize(
    ("to", "loaded"),
    [
        ("hf", from_hf),
        ("webdataset", from_webdataset),
        ("lhotse", from_lhotse),
        ("lhotse-shar", from_shar),
        ("nemo", from_nemo),
    ],
)
def test_an_export_has_both_clips_of_each_row(run, tmp_path, to, loaded):
    export_run(run, to, tmp_path / "out")
    pairs = loaded(tmp_path / "out")
    for (question, answer), (_, asked, answered) in zip(pairs, clips(run), strict=True):
        assert np.array_equal(question, asked)
        assert np.array_equal(answer, answered)


def test_an_audiofolder_gives_the_questions_as_a_column_of_audio(run, tmp_path):
    export_run(run, "audiofolder", tmp_path / "out")
    rows = datasets.load_dataset("audiofolder", data_dir=str(tmp_path / "out"), split="train")
    assert isinstance(rows.features["question_audio"], datasets.Audio)
    rows = rows.cast_column("question_audio", datasets.Audio(decode=False))
    for found, (row, asked, _) in zip(rows.remove_columns("audio"), clips(run), strict=True):
        assert found["question"] == row["question"]
        path = found["question_audio"]["path"]
        assert np.array_equal(soundfile.read(path, dtype="float32")[0], asked)


def test_both_clips_are_resampled_alike_and_columns_say_so(run, tmp_path):
    export_run(run, "nemo", tmp_path / "out", wanted=Wanted(16_000))
    for line in (tmp_path / "out/train/manifest.jsonl").open():
        entry = json.loads(line)
        with soundfile.SoundFile(tmp_path / "out/train" / entry["question_audio_filepath"]) as file:
            assert (file.samplerate, file.frames) == (16_000, entry["question_num_samples"])
            assert entry["question_duration"] == file.frames / 16_000
        for of in ("question_", ""):
            samples, _ = soundfile.read(tmp_path / "out/train" / entry[f"{of}audio_filepath"], dtype="float32")
            assert sha256(samples.tobytes()).hexdigest() == entry[f"{of}audio_samples_sha256"]


def test_moshi_has_the_answer_on_the_left_the_question_on_the_right_and_words_where_they_are_said(run, tmp_path):
    place = tmp_path / "out"
    export_run(run, "moshi", place)
    entries = [json.loads(line) for line in (place / "train.jsonl").open()]
    for entry, (row, asked, answered) in zip(entries, clips(run), strict=True):
        (samples, rate), start = soundfile.read(place / entry["path"]), len(asked) / 22_050 + PAUSE
        assert (rate, samples.shape[1], entry["duration"]) == (24_000, 2, len(samples) / 24_000)
        left, right = samples.T
        assert entry["duration"] == pytest.approx(start + len(answered) / 22_050, abs=1e-4)
        assert not left[: int(start * rate) - 1].any()
        assert left[int(start * rate) :].any()
        assert right[: int((start - PAUSE) * rate)].any()
        assert not right[int((start - PAUSE) * rate) + 1 :].any()
        said = json.loads((place / entry["path"]).with_suffix(".json").read_text())
        assert set(said) == {"alignments"}
        for (word, (begin, end), speaker), timed in zip(said["alignments"], row["words"], strict=True):
            assert (word, speaker) == (timed["word"], "SPEAKER_MAIN")
            assert (begin, end) == pytest.approx((timed["start"] + start, timed["end"] + start), abs=2e-3)


def test_nemos_duplex_cuts_have_two_tracks_of_one_length_and_say_when_who_speaks(run, tmp_path):
    export_run(run, "nemo-duplex", tmp_path / "out")
    cuts = lhotse.CutSet.from_shar(in_dir=tmp_path / "out/train").to_eager()
    waveforms, lengths = lhotse.dataset.collation.collate_audio(cuts)
    targets, target_lengths = lhotse.dataset.collation.collate_audio(cuts, recording_field="target_audio")
    assert lengths.tolist() == target_lengths.tolist() == [cut.num_samples for cut in cuts]
    for place, (cut, (row, asked, answered)) in enumerate(zip(cuts, clips(run), strict=True)):
        lhotse.validate(cut, read_data=True)
        user, agent = cut.supervisions
        assert (user.speaker, user.text, user.start) == ("user", row["question_spoken"], 0)
        assert (agent.speaker, agent.text) == ("agent", row["answer_spoken"])
        assert agent.end == pytest.approx(cut.duration, abs=1e-6)
        assert agent.start == pytest.approx(user.duration + PAUSE, abs=1e-4)
        length = lengths[place]
        assert np.array_equal(waveforms[place, :length], np.pad(asked, (0, length - len(asked))))
        assert np.array_equal(targets[place, :length], np.pad(answered, (length - len(answered), 0)))
        assert [item.symbol for item in agent.alignment["word"]] == [word["word"] for word in row["words"]]
        assert agent.alignment["word"][0].start == pytest.approx(agent.start + row["words"][0]["start"])
        assert [(turn["question_voice"], turn["id"]) for turn in cut.turns] == [(row["question_voice"], row["id"])]


def speaking(samples, rate):
    """Seconds that a track is heard in: where each stretch of sound begins and ends."""
    heard = np.flatnonzero(np.abs(samples) > 0.01)
    ends = np.flatnonzero(np.diff(heard) > 0.1 * rate)
    return [(heard[a] / rate, heard[b] / rate) for a, b in zip([0, *(ends + 1)], [*ends, -1], strict=True)]


def said_in_turns(run):
    """When questions and answers of a conversation of all rows begin and end."""
    at, spans = 0.0, ([], [])
    for _, *both in clips(run):
        for side, samples in zip(spans, both, strict=True):
            side.append((at, at + len(samples) / 22_050))
            at += len(samples) / 22_050 + PAUSE
    return spans


@pytest.fixture
def talk(tmp_path):
    return finished_run(tmp_path / "talk", ("ok",) * 3, words=True, asked=True, talks="aaa")


def test_the_turns_of_a_conversation_are_one_dialogue_of_moshi(talk, tmp_path):
    export_run(talk, "moshi", tmp_path / "out")
    [entry] = [json.loads(line) for line in (tmp_path / "out/train.jsonl").open()]
    samples, rate = soundfile.read(tmp_path / "out" / entry["path"])
    asked, answered = said_in_turns(talk)
    assert entry["duration"] == pytest.approx(answered[-1][1], abs=1e-3)
    for track, spans in ((samples[:, 0], answered), (samples[:, 1], asked)):
        assert np.allclose(speaking(track, rate), spans, atol=0.01)
    said = json.loads((tmp_path / "out" / entry["path"]).with_suffix(".json").read_text())["alignments"]
    assert [word for word, _, _ in said] == ["Answer", "0.", "Answer", "1.", "Answer", "2."]
    starts = [start for _, (start, _), _ in said]
    assert starts == pytest.approx([begin + after for begin, _ in answered for after in (0.01, 0.05)], abs=1e-3)


def test_the_turns_of_a_conversation_are_one_cut_of_nemos_duplex_form(talk, tmp_path):
    export_run(talk, "nemo-duplex", tmp_path / "out")
    [cut] = lhotse.CutSet.from_shar(in_dir=tmp_path / "out/train")
    lhotse.validate(cut, read_data=True)
    asked, answered = said_in_turns(talk)
    spans = [span for turn in zip(asked, answered, strict=True) for span in turn]
    assert np.allclose([(said.start, said.end) for said in cut.supervisions], spans, atol=1e-3)
    assert [said.speaker for said in cut.supervisions] == ["user", "agent"] * 3
    for track, heard in ((cut.load_audio()[0], asked), (cut.load_target_audio()[0], answered)):
        assert np.allclose(speaking(track, 22_050), heard, atol=0.01)
    assert [turn["id"] for turn in cut.turns] == ["q0", "q1", "q2"]


@pytest.mark.parametrize("to", ["moshi", "nemo-duplex"])
def test_a_dialogue_ends_before_a_turn_that_is_not_exported_and_the_summary_says_so(tmp_path, to):
    statuses = ("ok", "rejected", "ok", "ok", "ok", "rejected", "ok")
    run = finished_run(tmp_path / "run", statuses, words=True, asked=True, talks="aaabbcc")
    summary = export_run(run, to, tmp_path / "out")
    assert "left out  2 turns that come after one that is not in the export" in list(summary.lines())
    assert next(summary.lines()).startswith("exported  3 ok of 7 rows")
    if to == "moshi":
        names = sorted(path.name for path in (tmp_path / "out").rglob("*.wav"))
    else:
        names = [f"{cut.id}.wav" for cut in lhotse.CutSet.from_shar(in_dir=tmp_path / "out/train")]
    assert names == ["000000.wav", "000003.wav"]


def test_clips_of_different_rates_are_not_put_together_unless_they_are_resampled(run, tmp_path):
    path = run / "audio/000001.question.wav"
    samples, _ = soundfile.read(path)
    soundfile.write(path, samples[::2], 11_025)
    rows = pq.read_table(run / "manifest.parquet").to_pylist()
    rows[1] |= {"question_audio_sha256": None, "question_num_samples": len(samples[::2])}
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(run / "manifest.parquet")), run / "manifest.parquet")
    with pytest.raises(InputError, match=r"'q1'.*have \[11025, 22050\] Hz: give --sample-rate"):
        export_run(run, "nemo-duplex", tmp_path / "out")
    export_run(run, "nemo-duplex", tmp_path / "out", wanted=Wanted(16_000))


@pytest.mark.parametrize("to", ["moshi", "nemo-duplex"])
def test_a_dialogue_of_a_run_without_spoken_questions_is_refused(tmp_path, to):
    run = finished_run(tmp_path / "plain", words=True)
    with pytest.raises(InputError, match="make the run with speak=both"):
        export_run(run, to, tmp_path / "out")


def test_moshi_is_refused_where_nobody_knows_when_words_are_said(tmp_path):
    run = finished_run(tmp_path / "deaf", asked=True)
    with pytest.raises(InputError, match="make the run with quality=strict"):
        export_run(run, "moshi", tmp_path / "out")
    with pytest.raises(ConfigError, match="24000 Hz alone"):
        export_run(run, "moshi", tmp_path / "out", wanted=Wanted(16_000))


@pytest.mark.parametrize("encoding", ["opus", "mp3"])
def test_clips_that_are_put_together_are_not_made_lossy_twice(run, tmp_path, encoding):
    with pytest.raises(ConfigError, match=f"{encoding} would cost a second time: take flac"):
        export_run(run, "nemo-duplex", tmp_path / "out", wanted=Wanted(24_000, encoding))


@pytest.mark.parametrize("to", ["ljspeech", "kaldi"])
def test_a_format_without_a_place_for_questions_says_that_they_are_left_out(run, tmp_path, to):
    assert "questions' audio" in "".join(export_run(run, to, tmp_path / "out").lines())
